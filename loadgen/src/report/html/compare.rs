//! Bar charts of a scenario: peer beside peer, and one setting from value to value.

use super::bars::{Bar, Bars, Group};
use super::groups::{Member, Scenario, alike};
use super::numbers::Unit;
use super::settings;
use super::svg::Figure;
use crate::report::spread::Spread;

/// All bar charts of a scenario.
pub(crate) fn figures(scenario: &Scenario<'_>) -> Vec<Figure> {
    let mut charts: Vec<Bars> = peers(scenario);
    charts.extend(scenario.differing.iter().filter_map(|key| sweep(scenario, key)));
    // Rows that differ in two settings at once are neither, and are still to be compared.
    if charts.is_empty() && scenario.members.len() > 1 {
        let all: Vec<&Member<'_>> = scenario.members.iter().collect();
        let group = group(String::new(), &all, |member| member.label.clone(), rate);
        charts.push(rates("Rate".to_owned(), vec![group]));
    }
    charts.iter().filter_map(Bars::figure).collect()
}

/// Rows with the same settings and different peers: their rates, and these as multiples of the base.
fn peers(scenario: &Scenario<'_>) -> Vec<Bars> {
    let mut groups = alike(&scenario.members, |member| member.settings.clone());
    groups.retain(|group| {
        group.iter().any(|member| group.iter().any(|other| other.row.peer != member.row.peer))
    });
    if groups.is_empty() {
        return Vec::new();
    }
    let of = |figure: fn(&Member<'_>) -> Result<Spread, String>| -> Vec<Group> {
        let named = groups.iter().map(|members| {
            let label = members.first().map_or_else(String::new, |first| first.detail.clone());
            group(label, members, |member| member.row.peer.clone(), figure)
        });
        named.collect()
    };
    let mut charts = vec![rates("Rate by peer".to_owned(), of(rate))];
    let ratios = || scenario.members.iter().filter_map(|member| member.row.ratio.as_ref());
    if let Some(first) = ratios().next() {
        let same = ratios().all(|ratio| ratio.base == first.base);
        let base = if same { first.base.as_str() } else { "the base peer" };
        charts.push(Bars {
            title: format!("Rate against {base}"),
            note: "multiple in the same round".to_owned(),
            unit: Unit::Plain,
            middle: Some(1.0),
            groups: of(ratio),
        });
    }
    charts
}

/// Rows of the same peer that differ in one setting alone.
fn sweep(scenario: &Scenario<'_>, key: &str) -> Option<Bars> {
    let others: Vec<String> = scenario.differing.iter().filter(|other| *other != key).cloned().collect();
    let mut groups = alike(&scenario.members, |member| {
        let mut rest = member.settings.clone();
        rest.remove(key);
        (member.row.peer.clone(), rest)
    });
    groups.retain(|group| !settings::differing(group.iter().map(|member| &member.settings)).is_empty());
    let is_alone = groups.len() == 1;
    let bars = groups.into_iter().map(|mut members| {
        // Words such as `auto` come before all numbers.
        let number =
            |member: &Member<'_>| settings::number(&member.settings, key).unwrap_or(f64::NEG_INFINITY);
        members.sort_by(|a, b| number(a).total_cmp(&number(b)));
        let label = members.first().map_or_else(String::new, |first| {
            let rest = settings::phrases(&first.settings, &others);
            let peer = &first.row.peer;
            if rest.is_empty() { peer.clone() } else { format!("{peer}, {rest}") }
        });
        let label = if is_alone { String::new() } else { label };
        group(label, &members, |member| settings::value(&member.settings, key), rate)
    });
    let groups: Vec<Group> = bars.collect();
    (!groups.is_empty()).then(|| rates(format!("Rate by {}", settings::name(key)), groups))
}

fn rates(title: String, groups: Vec<Group>) -> Bars {
    Bars { title, note: "messages a second".to_owned(), unit: Unit::Count, middle: None, groups }
}

fn group(
    label: String,
    members: &[&Member<'_>],
    name: impl Fn(&Member<'_>) -> String,
    figure: impl Fn(&Member<'_>) -> Result<Spread, String>,
) -> Group {
    let bar =
        |member: &&Member<'_>| Bar { label: name(member), style: member.style(), figure: figure(member) };
    Group { label, bars: members.iter().map(bar).collect() }
}

fn rate(member: &Member<'_>) -> Result<Spread, String> {
    member.row.messages_per_second.ok_or_else(|| {
        let failed = member.row.failed.as_ref().map(|why| format!("failed: {why}"));
        failed.unwrap_or_else(|| "no rate".to_owned())
    })
}

fn ratio(member: &Member<'_>) -> Result<Spread, String> {
    member
        .row
        .ratio
        .as_ref()
        .map(|ratio| ratio.spread)
        .ok_or_else(|| if member.row.failed.is_some() { "failed" } else { "no ratio" }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::{groups, sample};
    use crate::report::row::Row;

    fn of(rows: &[Row]) -> Vec<Figure> {
        groups::scenarios(rows).iter().flat_map(figures).collect()
    }

    #[test]
    fn peers_with_the_same_settings_stand_side_by_side() {
        let rows = [sample::row("bulk", "push-mux", 2e6), sample::row("bulk", "h2", 1e6)];
        let figures = of(&rows);
        let titles: Vec<&str> = figures.iter().map(|figure| figure.title.as_str()).collect();
        assert_eq!(titles, ["Rate by peer", "Rate against push-mux"]);
        assert!(figures[0].drawing.contains("h2"));
    }

    #[test]
    fn a_setting_goes_from_small_to_large() {
        let mut rows = vec![sample::row("bulk", "push-mux", 2e6); 3];
        rows[0].settings.credit = "1048576".parse().expect("a window");
        rows[1].settings.credit = "4096".parse().expect("a window");
        let figures = of(&rows);
        assert_eq!(figures.len(), 1);
        assert_eq!(figures[0].title, "Rate by credit");
        let place = |label: &str| figures[0].drawing.find(label).expect("a label");
        assert!(place(">auto<") < place(">4 KiB<") && place(">4 KiB<") < place(">1 MiB<"));
    }

    #[test]
    fn rows_that_differ_in_more_than_one_thing_are_compared_all_the_same() {
        let mut rows = vec![sample::row("bulk", "push-mux", 2e6); 2];
        (rows[1].settings.body, rows[1].settings.streams) = (4096, 10);
        assert_eq!(of(&rows).first().map(|figure| figure.title.as_str()), Some("Rate"));
    }

    #[test]
    fn a_row_alone_has_nothing_beside_it() {
        assert!(of(&[sample::row("bulk", "push-mux", 2e6)]).is_empty());
    }

    #[test]
    fn a_peer_that_failed_says_so() {
        let figures = of(&[sample::row("bulk", "push-mux", 2e6), sample::failed_row("bulk", "js")]);
        assert!(figures[0].drawing.contains("failed: "), "{}", figures[0].drawing);
    }
}
