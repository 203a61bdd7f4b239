//! Lines over time or over percentiles.

use super::escape::text;
use super::numbers::Unit;
use super::scale::{Kind, Scale, ends};
use super::svg::{Figure, WIDTH, line, mark, words};

/// A point of a line.
pub(crate) type Point = (f64, f64);

/// A chart of lines.
pub(crate) struct Chart {
    /// What is shown.
    pub(crate) title: String,
    /// How to read it; that an axis is logarithmic gets added.
    pub(crate) note: String,
    /// What runs from left to right: seconds, or percentiles.
    pub(crate) x: Unit,
    /// What runs from bottom to top.
    pub(crate) y: Unit,
    /// How it does.
    pub(crate) kind: Kind,
    /// Figures for which there is to be room even if no line has them: those of a chart beside this.
    pub(crate) room: Vec<f64>,
    /// At most as many as there are looks.
    pub(crate) lines: Vec<Line>,
}

/// A line, or some marks, or both.
#[derive(Clone)]
pub(crate) struct Line {
    /// What it is of.
    pub(crate) label: String,
    /// Which of the looks.
    pub(crate) style: usize,
    /// From left to right.
    pub(crate) points: Vec<Point>,
    /// Marks that no line joins.
    pub(crate) marks: Vec<Point>,
}

/// Edges of the plot; beyond them are the names of the axes.
const LEFT: f64 = 58.0;
const RIGHT: f64 = WIDTH - 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 196.0;

/// Height of a row of the legend, which has two columns, and where it begins.
const LEGEND_PITCH: f64 = 18.0;
const LEGEND_TOP: f64 = BOTTOM + 40.0;

/// A line has about so many marks.
const MARKS: usize = 6;

/// More points than this cannot be seen.
const POINTS_MAX: usize = 240;

impl Chart {
    /// The chart; nothing when there is nothing to be seen, or only zeros.
    pub(crate) fn figure(&self) -> Option<Figure> {
        let lines: Vec<Line> = self.lines.iter().filter_map(Line::drawable).collect();
        if lines.is_empty() {
            return None;
        }
        let points = || lines.iter().flat_map(|line| line.points.iter().chain(&line.marks));
        let across = points().map(|point| point.0);
        let x = match self.x {
            Unit::Percentile => Scale::new(Kind::Percentile, across, (LEFT, RIGHT)),
            _ => Scale::exact(across, (LEFT, RIGHT)),
        };
        let up = points().map(|point| point.1).chain(self.room.iter().copied());
        let y = Scale::new(self.kind, up, (BOTTOM, TOP));
        let plots: String =
            lines.iter().enumerate().map(|(order, line)| self.line(line, order, &x, &y)).collect();
        let log = if self.kind == Kind::Log { "; logarithmic axis" } else { "" };
        Some(Figure {
            title: self.title.clone(),
            note: format!("{}{log}", self.note),
            seen: lines.iter().map(|line| self.seen(line)).collect::<Vec<_>>().join("; "),
            height: LEGEND_TOP + LEGEND_PITCH * lines.len().div_ceil(2) as f64 - 6.0,
            drawing: self.grid(&x, &y)
                + &plots
                + &legend(&lines)
                + &line("cursor", (LEFT, TOP), (LEFT, BOTTOM)),
        })
    }

    /// Both axes and their names.
    fn grid(&self, x: &Scale, y: &Scale) -> String {
        let up = y.ticks().into_iter().map(|tick| {
            let at = y.at(tick);
            let name = words("tick end", (LEFT - 7.0, at + 4.0), &self.y.write(tick), 80.0);
            line("grid", (LEFT, at), (RIGHT, at)) + &name
        });
        let across = x.ticks().into_iter().map(|tick| {
            let at = x.at(tick);
            let name = words("tick middle", (at, BOTTOM + 17.0), &self.x.write(tick), 80.0);
            line("base", (at, BOTTOM), (at, BOTTOM + 4.0)) + &name
        });
        up.chain(across).chain([line("base", (LEFT, BOTTOM), (RIGHT, BOTTOM))]).collect()
    }

    /// The line with marks on it, and what the script says of each point.
    fn line(&self, line: &Line, order: usize, x: &Scale, y: &Scale) -> String {
        let place = |&(at, figure): &Point| (x.at(at), y.at(figure));
        let path: Vec<String> =
            line.points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let says: Vec<String> = line
            .points
            .iter()
            .map(|&(at, figure)| format!("{}~{}", self.x.write(at), self.y.write(figure)))
            .collect();
        // Marks of different lines begin at different points, so that lines on top of each other can be told apart.
        let every = line.points.len().div_ceil(MARKS).max(1);
        let marked = line.points.iter().skip(order * every / self.lines.len().max(1)).step_by(every);
        let marks: String = marked.map(|point| mark(line.style, place(point), "")).collect();
        let hollow: String =
            line.marks.iter().map(|point| mark(line.style, place(point), "hollow")).collect();
        format!(
            "<g class=\"line s{}\" data-name=\"{}\" data-says=\"{}\"><polyline points=\"{}\"/>{marks}{hollow}</g>",
            line.style,
            text(&line.label),
            text(&says.join("|")),
            path.join(" "),
        )
    }

    /// A line in words.
    fn seen(&self, line: &Line) -> String {
        let figures = if line.points.is_empty() { &line.marks } else { &line.points };
        let (least, most) = ends(figures.iter().map(|point| point.1)).unwrap_or_default();
        format!("{}: {} to {}", line.label, self.y.write(least), self.y.write(most))
    }
}

impl Line {
    /// What of it can be drawn; nothing when that is nothing, or zero from end to end.
    fn drawable(&self) -> Option<Self> {
        let finite = |points: &[Point]| -> Vec<Point> {
            points.iter().copied().filter(|(at, figure)| at.is_finite() && figure.is_finite()).collect()
        };
        let (points, marks) = (thinned(finite(&self.points)), finite(&self.marks));
        let is_something = points.iter().chain(&marks).any(|point| point.1 != 0.0);
        is_something.then(|| Self { label: self.label.clone(), style: self.style, points, marks })
    }
}

/// The least and the most of each stretch, so that no peak is lost.
fn thinned(points: Vec<Point>) -> Vec<Point> {
    if points.len() <= POINTS_MAX {
        return points;
    }
    let stretch = (2 * points.len()).div_ceil(POINTS_MAX);
    let extremes = points.chunks(stretch).flat_map(|stretch| {
        let places = || 0..stretch.len();
        let figure = |&place: &usize| stretch.get(place).map_or(0.0, |point| point.1);
        let least = places().min_by(|a, b| figure(a).total_cmp(&figure(b))).unwrap_or_default();
        let most = places().max_by(|a, b| figure(a).total_cmp(&figure(b))).unwrap_or_default();
        let (first, second) = (least.min(most), least.max(most));
        [stretch.get(first), stretch.get(second).filter(|_| second != first)].into_iter().flatten().copied()
    });
    extremes.collect()
}

/// Two columns of names, each with a piece of its line.
fn legend(lines: &[Line]) -> String {
    let column = (RIGHT - LEFT) / 2.0;
    let entries = lines.iter().enumerate().map(|(order, line)| {
        let x = LEFT + column * (order % 2) as f64;
        let y = LEGEND_TOP + LEGEND_PITCH * (order / 2) as f64;
        format!(
            "<g class=\"line s{}\"><polyline points=\"{x:.1},{y:.1} {:.1},{y:.1}\"/>{}</g>{}",
            line.style,
            x + 28.0,
            mark(line.style, (x + 14.0, y), if line.points.is_empty() { "hollow" } else { "" }),
            words("label", (x + 35.0, y + 4.0), &line.label, column - 38.0),
        )
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(lines: &[&[Point]]) -> Chart {
        let line = |(style, points): (usize, &&[Point])| Line {
            label: format!("<{style}>"),
            style,
            points: points.to_vec(),
            marks: Vec::new(),
        };
        Chart {
            title: "Rate".to_owned(),
            note: "a second".to_owned(),
            x: Unit::Seconds,
            y: Unit::Count,
            kind: Kind::Linear,
            room: Vec::new(),
            lines: lines.iter().enumerate().map(line).collect(),
        }
    }

    #[test]
    fn every_line_is_drawn_and_named() {
        let figure = chart(&[&[(0.0, 1.0), (1.0, 2.0)], &[(0.0, 3.0)]]).figure().expect("two lines");
        assert_eq!(figure.drawing.matches("data-name").count(), 2);
        assert!(figure.drawing.contains("data-name=\"&lt;1&gt;\"") && !figure.drawing.contains("<1>"));
        assert_eq!(figure.seen, "<0>: 1 to 2; <1>: 3 to 3");
    }

    #[test]
    fn zeros_and_odd_numbers_are_no_chart() {
        assert!(chart(&[]).figure().is_none());
        assert!(
            chart(&[&[], &[(0.0, 0.0), (1.0, 0.0)], &[(f64::NAN, 1.0), (1.0, f64::INFINITY)]])
                .figure()
                .is_none()
        );
    }

    #[test]
    fn a_single_point_is_drawn_as_a_mark() {
        let figure = chart(&[&[(0.0, 5.0)]]).figure().expect("one point");
        assert!(figure.drawing.contains("class=\"mark"), "{}", figure.drawing);
        assert!(!figure.drawing.contains("NaN") && !figure.drawing.contains("inf"));
    }

    #[test]
    fn a_peak_survives_thinning() {
        let points: Vec<Point> =
            (0..10_000).map(|at| (f64::from(at), if at == 7777 { 1e6 } else { 1.0 })).collect();
        let thin = thinned(points);
        assert!(thin.len() <= POINTS_MAX + 2, "{}", thin.len());
        assert!(thin.contains(&(7777.0, 1e6)));
        assert!(thin.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
