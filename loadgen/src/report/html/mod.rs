//! Results as one page that needs nothing else: no network, no script, no font of its own.

mod bars;
mod chart;
mod compare;
mod escape;
mod grid;
mod groups;
mod head;
mod numbers;
#[cfg(test)]
mod sample;
mod scale;
mod series;
mod settings;
mod svg;
mod tables;

use self::escape::{json, text};
use self::groups::Scenario;
use self::svg::Figure;
use super::row::Row;

/// How the page looks.
const STYLE: &str = include_str!("style.css");

/// What it does beyond being read: figures under the pointer. Nothing is missing without it.
const SCRIPT: &str = include_str!("script.js");

/// Forbids the page to ask anybody for anything, whatever a row may hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// One HTML page of the rows.
pub(crate) fn page(title: &str, rows: &[Row]) -> String {
    let scenarios = groups::scenarios(rows);
    let title = text(title);
    let head = head::markup(&title, rows, &scenarios);
    let summary = tables::summary(&scenarios).map_or_else(
        || "<p class=\"empty\">There are no results.</p>\n".to_owned(),
        |table| {
            format!(
                "<section aria-labelledby=\"summary\"><h2 id=\"summary\">Summary</h2>\n{table}</section>\n"
            )
        },
    );
    let sections: String =
        scenarios.iter().enumerate().map(|(order, scenario)| section(order, scenario)).collect();
    let rows = json(rows);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         {head}<main>\n{summary}{sections}</main>\n\
         <script type=\"application/json\" id=\"rows\">{rows}</script>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// Charts and tables of one scenario.
fn section(order: usize, scenario: &Scenario<'_>) -> String {
    let mut alone = compare::figures(scenario);
    alone.extend(series::singles(scenario));
    let figures = side_by_side(&alone) + &side_by_side(&series::pairs(scenario));
    let shared = if scenario.shared.is_empty() { "usual settings".into() } else { text(&scenario.shared) };
    let remarks: String =
        scenario.remarks.iter().map(|remark| format!("<p class=\"sub\">{}</p>\n", text(remark))).collect();
    let count = numbers::counted(scenario.members.len(), "row");
    format!(
        "<section aria-labelledby=\"s{order}\"><h2 id=\"s{order}\">{}</h2>\n<p class=\"sub\">{count}, {shared}</p>\n\
         {remarks}{figures}{}{}{}</section>\n",
        text(scenario.name),
        tables::figures(scenario).unwrap_or_default(),
        tables::runs(scenario).unwrap_or_default(),
        tables::settings(scenario),
    )
}

/// As many in a row as there is room for, two at most.
fn side_by_side(figures: &[Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    format!("<div class=\"figures\">\n{}</div>\n", figures.iter().map(Figure::markup).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "\"><script>alert('x')</script><img src=x onerror=alert(1)>";

    #[test]
    fn a_page_of_nothing_says_so() {
        let page = page("Nothing", &[]);
        assert!(page.contains("There are no results") && page.contains("id=\"rows\">[]</script>"), "{page}");
        assert!(!page.contains("<svg"));
    }

    #[test]
    fn a_page_of_a_failed_row_says_why_and_draws_nothing() {
        let page = page("Failed", &[sample::failed_row("bulk", "js")]);
        assert!(page.contains("the peer closed the connection"), "{page}");
        assert!(!page.contains("<svg"));
    }

    #[test]
    fn the_page_asks_for_nothing() {
        let page = page("All", &sample::rows());
        for asking in ["http://", "https://", "src=", "url(", "@import", "<link"] {
            assert!(!page.contains(asking), "{asking}");
        }
    }

    #[test]
    fn hostile_names_are_escaped() {
        let mut row = sample::full_row();
        (row.peer, row.scenario, row.failed) = (HOSTILE.into(), HOSTILE.into(), Some(HOSTILE.into()));
        row.remarks = vec![HOSTILE.into()];
        row.version = HOSTILE.into();
        row.figures.insert(HOSTILE.into(), crate::report::spread::Spread { median: 1.0, min: 1.0, max: 1.0 });
        let mut other = row.clone();
        other.peer = format!("{HOSTILE}2");
        let page = page(HOSTILE, &[row, other]);
        assert!(!page.contains("<img") && !page.contains("<script>alert"), "{page}");
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("</script").count(), 2);
    }

    #[test]
    fn the_rows_can_be_read_back() {
        let rows = sample::rows();
        let page = page("All", &rows);
        let json = page.split("id=\"rows\">").nth(1).and_then(|rest| rest.split("</script>").next());
        let read: Vec<Row> = serde_json::from_str(json.expect("the rows")).expect("JSON");
        // Not all of a row: the last digit of a number may differ.
        let names = |rows: &[Row]| -> Vec<String> { rows.iter().map(|row| row.peer.clone()).collect() };
        assert_eq!(names(&read), names(&rows));
    }

    #[test]
    fn every_drawing_is_described_and_every_table_has_headers() {
        let page = page("All", &sample::rows());
        let count = |what: &str| page.matches(what).count();
        assert!(count("<svg") > 20, "{}", count("<svg"));
        assert_eq!((count("<svg"), count("<svg")), (count("<desc>"), count("</svg>")));
        assert_eq!(count("<table"), count("<caption"));
        assert_eq!(count("<table"), count("<thead"));
        assert!(!page.contains("NaN") && !page.contains("inf\""));
    }

    #[test]
    fn odd_figures_make_a_page() {
        let mut rows = sample::rows();
        for (order, row) in rows.iter_mut().enumerate() {
            let odd = [f64::NAN, f64::INFINITY, 0.0, f64::MAX][order % 4];
            row.timeline.iter_mut().for_each(|moment| (moment.at, moment.messages_per_second) = (odd, odd));
            row.percentiles = vec![(odd, odd), (1.0, odd), (-1.0, 5.0)];
            row.messages_per_second = crate::report::spread::Spread::of([odd, 1.0]);
            row.settings.duration = odd;
            row.busy.server = odd;
            row.runs.truncate(order % 2);
        }
        let page = page("Odd", &rows);
        assert!(!page.contains("NaN"), "no drawing has a place that is no number");
    }

    /// Not a test of anything: with `LOADGEN_SAMPLE_PAGE` set to a path, a page to look at.
    #[test]
    fn a_sample_page_can_be_written() {
        let page = page("push-mux under load", &sample::rows());
        if let Some(path) = std::env::var_os("LOADGEN_SAMPLE_PAGE") {
            std::fs::write(path, page).expect("a writable path");
        }
    }
}
