//! Horizontal bars with whiskers.

use super::numbers::Unit;
use super::scale::{Kind, Scale};
use super::svg::{Figure, WIDTH, line, words};
use crate::report::spread::Spread;

/// A bar chart.
pub(crate) struct Bars {
    /// What is shown.
    pub(crate) title: String,
    /// How to read it; what the axis is gets added.
    pub(crate) note: String,
    /// What the figures count.
    pub(crate) unit: Unit,
    /// Bars grow from here to both sides, on a logarithmic axis; from the start of the axis where there is none.
    pub(crate) middle: Option<f64>,
    /// Bars that belong together.
    pub(crate) groups: Vec<Group>,
}

/// Bars that belong together.
pub(crate) struct Group {
    /// What they have in common; nothing when there is only one group.
    pub(crate) label: String,
    /// From top to bottom.
    pub(crate) bars: Vec<Bar>,
}

/// One bar.
pub(crate) struct Bar {
    /// What it is of.
    pub(crate) label: String,
    /// Which of the looks.
    pub(crate) style: usize,
    /// How long, or in words why there is none.
    pub(crate) figure: Result<Spread, String>,
}

/// Height of a bar with the space around it, and of the label of a group.
const PITCH: f64 = 23.0;
const GROUP: f64 = 22.0;

/// Where the axis begins and ends; names are before it and figures after.
const AXIS: (f64, f64) = (168.0, 470.0);

/// Room below the bars for the names of the axis.
const BELOW: f64 = 24.0;

impl Bars {
    /// The chart; nothing when no bar has a length.
    pub(crate) fn figure(&self) -> Option<Figure> {
        let spreads = || self.all().filter_map(|bar| bar.figure.as_ref().ok());
        if !spreads().any(|spread| spread.median > 0.0 && spread.median.is_finite()) {
            return None;
        }
        let kind = match self.middle {
            Some(_) => Kind::Log,
            None => Kind::for_figures(spreads().map(|spread| spread.median)),
        };
        let ends = spreads().flat_map(|spread| [spread.median, spread.min, spread.max]);
        // Where an axis does not begin at 0, the shortest bar is still to be a bar.
        let below = spreads().filter(|_| kind == Kind::Log).map(|spread| spread.min / 3.0);
        let scale = Scale::new(kind, ends.chain(below).chain(self.middle), AXIS);
        let mut top = 4.0;
        let mut drawing = String::new();
        for group in &self.groups {
            if !group.label.is_empty() {
                drawing += &words("group", (0.0, top + 15.0), &group.label, WIDTH);
                top += GROUP;
            }
            for bar in &group.bars {
                drawing += &self.bar(bar, &scale, top);
                top += PITCH;
            }
        }
        let axis = if kind == Kind::Log { "logarithmic axis, whiskers from" } else { "whiskers from" };
        Some(Figure {
            title: self.title.clone(),
            note: format!("{}; {axis} least to most", self.note),
            seen: self.all().map(|bar| self.seen(bar)).collect::<Vec<_>>().join("; "),
            height: top + BELOW,
            drawing: self.grid(&scale, top) + &drawing,
        })
    }

    fn all(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }

    /// Lines of the axis from top to bottom, and their names below.
    fn grid(&self, scale: &Scale, bottom: f64) -> String {
        let ticks = scale.ticks().into_iter().map(|tick| {
            let x = scale.at(tick);
            let name = words("tick middle", (x, bottom + 16.0), &self.unit.write(tick), 80.0);
            line("grid", (x, 2.0), (x, bottom)) + &name
        });
        let from = self.middle.map_or_else(|| scale.start(), |middle| scale.at(middle));
        ticks.chain([line("base", (from, 2.0), (from, bottom))]).collect()
    }

    /// Name, bar, whiskers and figure in one row.
    fn bar(&self, bar: &Bar, scale: &Scale, top: f64) -> String {
        let baseline = top + PITCH / 2.0 + 4.0;
        let name = words("label end", (AXIS.0 - 8.0, baseline), &bar.label, AXIS.0 - 10.0);
        let spread = match &bar.figure {
            Ok(spread) => spread,
            Err(why) => return name + &words("fail", (AXIS.0 + 6.0, baseline), why, WIDTH - AXIS.0 - 8.0),
        };
        let from = self.middle.map_or_else(|| scale.start(), |middle| scale.at(middle));
        let to = scale.at(spread.median);
        let (left, right) = (from.min(to), from.max(to));
        let rect = format!(
            "<rect class=\"s{}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"1.5\"/>",
            bar.style,
            top + 4.5,
            (right - left).max(1.0),
            PITCH - 9.0,
        );
        let figure =
            words("figure", (AXIS.1 + 8.0, baseline), &self.unit.write(spread.median), WIDTH - AXIS.1);
        let seen = super::escape::text(&self.seen(bar)).into_owned();
        format!(
            "<g>{name}{rect}{}{figure}<title>{seen}</title></g>",
            whiskers(spread, scale, top + PITCH / 2.0)
        )
    }

    /// A bar in words.
    fn seen(&self, bar: &Bar) -> String {
        match &bar.figure {
            Ok(spread) => {
                let [median, min, max] =
                    [spread.median, spread.min, spread.max].map(|figure| self.unit.write(figure));
                format!("{}: {median} ({min} to {max})", bar.label)
            }
            Err(why) => format!("{}: {why}", bar.label),
        }
    }
}

/// From the least to the most; nothing where they are the same.
fn whiskers(spread: &Spread, scale: &Scale, y: f64) -> String {
    let (left, right) = (scale.at(spread.min), scale.at(spread.max));
    if right - left < 0.5 {
        return String::new();
    }
    let end = |x: f64| line("whisker", (x, y - 3.5), (x, y + 3.5));
    line("whisker", (left, y), (right, y)) + &end(left) + &end(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(figures: &[Result<f64, &str>], middle: Option<f64>) -> Bars {
        let bar = |figure: &Result<f64, &str>| Bar {
            label: "a <peer>".to_owned(),
            style: 0,
            figure: figure
                .map(|median| Spread { median, min: median * 0.9, max: median * 1.1 })
                .map_err(str::to_owned),
        };
        let groups = vec![Group { label: String::new(), bars: figures.iter().map(bar).collect() }];
        Bars { title: "Rate".to_owned(), note: "a second".to_owned(), unit: Unit::Count, middle, groups }
    }

    #[test]
    fn rates_far_apart_have_a_logarithmic_axis() {
        let note = |figures: &[Result<f64, &str>]| bars(figures, None).figure().expect("bars").note;
        assert!(note(&[Ok(1e3), Ok(1e6)]).contains("logarithmic"));
        assert!(!note(&[Ok(1e3), Ok(2e3)]).contains("logarithmic"));
    }

    #[test]
    fn bars_say_what_they_show() {
        let figure = bars(&[Ok(1000.0), Err("failed")], None).figure().expect("bars");
        assert_eq!(figure.seen, "a <peer>: 1k (900 to 1.1k); a <peer>: failed");
        assert!(figure.drawing.contains("a &lt;peer&gt;") && !figure.drawing.contains("<peer>"));
        assert_eq!(figure.drawing.matches("<rect").count(), 1);
    }

    #[test]
    fn slower_and_faster_are_on_two_sides() {
        let figure = bars(&[Ok(0.1), Ok(1.0), Ok(10.0)], Some(1.0)).figure().expect("bars");
        let lefts: Vec<&str> = figure.drawing.split("<rect class=\"s0\" x=\"").skip(1).collect();
        let left =
            |at: usize| lefts[at].split('"').next().and_then(|x| x.parse::<f64>().ok()).expect("a number");
        assert!(left(0) < left(1) && left(1) == left(2), "{lefts:?}");
    }

    #[test]
    fn without_figures_there_is_no_chart() {
        assert!(bars(&[Err("failed")], None).figure().is_none());
        assert!(bars(&[Ok(0.0), Ok(f64::NAN)], None).figure().is_none());
        assert!(bars(&[], None).figure().is_none());
        assert!(bars(&[Ok(f64::INFINITY), Ok(1.0)], None).figure().is_some());
    }
}
