//! The top of the page: where the figures come from, and what makes them doubtful.

use std::collections::BTreeSet;

use serde_json::Value;

use super::escape::text;
use super::groups::Scenario;
use super::numbers::counted;
use crate::report::row::Row;

/// So many warnings are written out; the table marks every row that has one.
const WARNINGS_MAX: usize = 5;

/// So many rows are named for each.
const NAMES_MAX: usize = 3;

/// Title, machine, warnings and the way to each scenario. `title` is escaped already.
pub(crate) fn markup(title: &str, rows: &[Row], scenarios: &[Scenario<'_>]) -> String {
    let failed = rows.iter().filter(|row| row.failed.is_some()).count();
    let mut sum = format!("{} in {}", counted(rows.len(), "row"), counted(scenarios.len(), "scenario"));
    if failed > 0 {
        sum += &format!(", <b class=\"bad\">{failed} failed</b>");
    }
    format!(
        "<header>\n<h1>{title}</h1>\n<p class=\"sub\">{sum}</p>\n{}{}{}</header>\n",
        facts(rows),
        warnings(scenarios),
        contents(scenarios)
    )
}

/// The version and all that is known of the machine, whatever fields that has.
fn facts(rows: &[Row]) -> String {
    let mut facts: Vec<(String, BTreeSet<String>)> = Vec::new();
    let mut note = |name: &str, value: String| match facts.iter_mut().find(|(known, _)| known == name) {
        Some((_, values)) => {
            values.insert(value);
        }
        None => facts.push((name.to_owned(), BTreeSet::from([value]))),
    };
    for row in rows {
        note("version", row.version.clone());
        let Ok(Value::Object(machine)) = serde_json::to_value(&row.machine) else { continue };
        // The order in which people ask, then all others.
        let asked = ["processor", "cores", "kernel", "congestion", "load"];
        let others = machine.keys().map(String::as_str).filter(|key| !asked.contains(key));
        for name in asked.into_iter().chain(others) {
            match machine.get(name) {
                None | Some(Value::Null) => {}
                Some(Value::String(value)) => note(name, value.clone()),
                Some(value) => note(name, value.to_string()),
            }
        }
    }
    if facts.is_empty() {
        return String::new();
    }
    let fact = |(name, values): &(String, BTreeSet<String>)| {
        let name = match name.as_str() {
            "congestion" => "congestion control".to_owned(),
            other => other.replace('_', " "),
        };
        format!("<div><dt>{}</dt><dd>{}</dd></div>", text(&name), text(&listed(values)))
    };
    format!("<dl>{}</dl>\n", facts.iter().map(fact).collect::<String>())
}

/// All of a few, the first and the last of many.
fn listed(values: &BTreeSet<String>) -> String {
    match (values.first(), values.last()) {
        (Some(first), Some(last)) if values.len() > 3 => format!("{first} to {last}"),
        _ => values.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
    }
}

/// Each warning with the rows that it is about, as far as somebody would read.
fn warnings(scenarios: &[Scenario<'_>]) -> String {
    let mut warnings: Vec<(String, Vec<String>)> = Vec::new();
    for scenario in scenarios {
        for member in &scenario.members {
            let Some(warning) = member.row.noise.warning() else { continue };
            let name = match scenarios.len() {
                1 => member.label.clone(),
                _ => format!("{}: {}", scenario.name, member.label),
            };
            match warnings.iter_mut().find(|(known, _)| *known == warning) {
                Some((_, names)) => names.push(name),
                None => warnings.push((warning, vec![name])),
            }
        }
    }
    if warnings.is_empty() {
        return String::new();
    }
    let count = counted(warnings.iter().map(|(_, names)| names.len()).sum(), "row");
    let item = |(warning, names): &(String, Vec<String>)| {
        format!("<li>{} <span class=\"who\">({})</span></li>", text(warning), text(&some(names)))
    };
    let items: String = warnings.iter().take(WARNINGS_MAX).map(item).collect();
    let rest = match warnings.len().saturating_sub(WARNINGS_MAX) {
        0 => String::new(),
        more => format!("<li>{} more, marked in the table</li>", counted(more, "warning")),
    };
    format!(
        "<aside aria-label=\"Noise\"><p><b>Noise in {count}.</b> Compare these figures with care.</p>\
         <ul>{items}{rest}</ul></aside>\n"
    )
}

/// The first few names, and how many others there are.
fn some(names: &[String]) -> String {
    let (named, rest) = names.split_at(names.len().min(NAMES_MAX));
    let named = named.join("; ");
    if rest.is_empty() { named } else { format!("{named}; {} more", rest.len()) }
}

/// Links to the scenarios, where there are several.
fn contents(scenarios: &[Scenario<'_>]) -> String {
    if scenarios.len() < 2 {
        return String::new();
    }
    let links = scenarios.iter().enumerate();
    let links: String = links
        .map(|(order, scenario)| format!("<a href=\"#s{order}\">{}</a> ", text(scenario.name)))
        .collect();
    format!("<nav aria-label=\"Scenarios\">{links}</nav>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::{groups, sample};

    fn of(rows: &[Row]) -> String {
        markup("T", rows, &groups::scenarios(rows))
    }

    #[test]
    fn the_machine_is_named() {
        let markup = of(&[sample::full_row()]);
        for fact in
            ["<dt>kernel</dt>", "<dt>congestion control</dt><dd>reno", "<dt>version</dt>", "<h1>T</h1>"]
        {
            assert!(markup.contains(fact), "{fact} is not in {markup}");
        }
        assert!(!of(&[]).contains("<dl>"));
    }

    #[test]
    fn noise_is_named_with_the_rows_it_is_about() {
        let mut row = sample::full_row();
        assert!(!of(std::slice::from_ref(&row)).contains("<aside"));
        row.noise.steal = 0.5;
        row.peer = "<b>".to_owned();
        let markup = of(&[row]);
        assert!(markup.contains("50 % of the time") && markup.contains("(&lt;b&gt;)"), "{markup}");
    }

    #[test]
    fn much_noise_is_told_in_few_words() {
        let names: Vec<String> = (1..=5).map(|name| name.to_string()).collect();
        assert_eq!((some(&names), some(&names[..2])), ("1; 2; 3; 2 more".to_owned(), "1; 2".to_owned()));
        let mut rows = vec![sample::full_row(); 9];
        for (order, row) in rows.iter_mut().enumerate() {
            row.noise.others_busy = 1.0 + order as f64;
        }
        let markup = of(&rows);
        assert!(markup.contains("Noise in 9 rows") && markup.contains("4 warnings more"), "{markup}");
    }

    #[test]
    fn failures_are_counted() {
        assert!(of(&[sample::failed_row("bulk", "js")]).contains("1 failed"));
    }

    #[test]
    fn many_values_are_their_ends() {
        let values = |all: &[&str]| listed(&all.iter().map(|&value| value.to_owned()).collect());
        assert_eq!(
            (values(&["b", "a"]), values(&["1", "3", "4", "2"])),
            ("a, b".to_owned(), "1 to 4".to_owned())
        );
    }
}
