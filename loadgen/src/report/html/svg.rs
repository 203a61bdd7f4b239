//! What all drawings have in common.

use super::escape::{squeezed, text};

/// Width of every drawing in its own units; the page makes it as wide as there is room.
pub(crate) const WIDTH: f64 = 540.0;

/// About how wide a character of a label is.
pub(crate) const CHARACTER: f64 = 6.1;

/// A drawing with its heading, which those hear who do not see it together with what is to be seen.
pub(crate) struct Figure {
    /// What is shown.
    pub(crate) title: String,
    /// How to read it.
    pub(crate) note: String,
    /// What there is to be seen, in words.
    pub(crate) seen: String,
    /// Height in the units of [`WIDTH`].
    pub(crate) height: f64,
    /// The drawing, as markup.
    pub(crate) drawing: String,
}

impl Figure {
    /// The markup of all of it.
    pub(crate) fn markup(&self) -> String {
        let Self { title, note, seen, height, drawing } = self;
        let (title, note, seen) = (text(title), text(note), text(seen));
        format!(
            "<figure><figcaption><b>{title}</b> <span>{note}</span></figcaption>\
             <svg role=\"img\" viewBox=\"0 0 {WIDTH} {height:.0}\">\
             <title>{title}</title><desc>{seen}</desc>{drawing}</svg></figure>\n"
        )
    }
}

/// A straight line.
pub(crate) fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> String {
    let ((x1, y1), (x2, y2)) = (from, to);
    format!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>")
}

/// Words that begin, end or have their middle (`class` says which) at a place; cut where they would be too wide.
pub(crate) fn words(class: &str, at: (f64, f64), said: &str, width: f64) -> String {
    let most = (width / CHARACTER).max(3.0) as usize;
    let cut = squeezed(said, most);
    // What is cut is there for those who point at it.
    let whole = if cut == said { String::new() } else { format!("<title>{}</title>", text(said)) };
    format!("<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}{whole}</text>", at.0, at.1, text(&cut))
}

/// A mark of one of the looks, so that lines differ in more than colour.
pub(crate) fn mark(style: usize, at: (f64, f64), class: &str) -> String {
    let shape = match style {
        0 => "M-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z",
        1 => "M-2.9-2.9h5.8v5.8h-5.8z",
        2 => "M0-4L3.8 2.8H-3.8z",
        3 => "M0-4.2L4.2 0L0 4.2L-4.2 0z",
        4 => "M0 4L3.8-2.8H-3.8z",
        5 => "M-1.3-4h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z",
        6 => "M-4-1.9h8v3.8h-8z",
        _ => "M0-4.3L1.3-1.3L4.3 0L1.3 1.3L0 4.3L-1.3 1.3L-4.3 0L-1.3-1.3z",
    };
    format!("<path class=\"mark {class}\" transform=\"translate({:.1} {:.1})\" d=\"{shape}\"/>", at.0, at.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let drawn = words("label", (0.0, 0.0), "<script>", 500.0);
        assert!(drawn.contains(">&lt;script&gt;</text>"), "{drawn}");
        let (title, seen) = ("<b>".to_owned(), "a & b".to_owned());
        let figure = Figure { title, note: String::new(), seen, height: 10.0, drawing: String::new() };
        let markup = figure.markup();
        assert!(markup.contains("<title>&lt;b&gt;</title><desc>a &amp; b</desc>"), "{markup}");
    }

    #[test]
    fn long_labels_are_cut_and_can_be_read_whole() {
        let drawn = words("label", (0.0, 0.0), &"x".repeat(50), 61.0);
        assert!(drawn.contains(">xxxxx…xxxx<title>xxxxxxxxxxxxxxx"), "{drawn}");
    }

    #[test]
    fn every_look_has_its_mark() {
        let shapes: std::collections::BTreeSet<String> =
            (0..super::super::groups::STYLES).map(|style| mark(style, (0.0, 0.0), "")).collect();
        assert_eq!(shapes.len(), super::super::groups::STYLES);
    }
}
