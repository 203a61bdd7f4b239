//! Rows in the order of the page: by scenario, each with a name of its own and a look that it keeps.

use std::collections::BTreeSet;

use super::settings::{self, Named};
use crate::report::row::Row;

/// So many lines can be told apart in one chart.
pub(crate) const STYLES: usize = 8;

/// All rows of one scenario.
pub(crate) struct Scenario<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its rows, in the order of the run.
    pub(crate) members: Vec<Member<'a>>,
    /// Settings that its rows share and that are not the usual ones.
    pub(crate) shared: String,
    /// Remarks that all its rows share, where there are several rows.
    pub(crate) remarks: Vec<&'a str>,
    /// Settings that its rows do not share.
    pub(crate) differing: Vec<String>,
}

/// A row in its scenario.
pub(crate) struct Member<'a> {
    /// The row.
    pub(crate) row: &'a Row,
    /// Its settings.
    pub(crate) settings: Named,
    /// The settings that tell it from others of the same peer, in words; nothing when there are none.
    pub(crate) detail: String,
    /// What it is called in charts; no other of the scenario is called the same.
    pub(crate) label: String,
    /// Place in the scenario: [`STYLES`] looks, then the next chart.
    pub(crate) place: usize,
}

impl Member<'_> {
    /// Which of the [`STYLES`] looks it has.
    pub(crate) const fn style(&self) -> usize {
        self.place % STYLES
    }
}

/// The scenarios in the order in which they first occur.
pub(crate) fn scenarios(rows: &[Row]) -> Vec<Scenario<'_>> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.scenario.as_str()) {
            names.push(&row.scenario);
        }
    }
    names.into_iter().map(|name| scenario(name, rows.iter().filter(|row| row.scenario == name))).collect()
}

fn scenario<'a>(name: &'a str, rows: impl Iterator<Item = &'a Row>) -> Scenario<'a> {
    let mut members: Vec<Member<'a>> = rows
        .enumerate()
        .map(|(place, row)| {
            let settings = settings::named(&row.settings);
            Member { row, settings, detail: String::new(), label: String::new(), place }
        })
        .collect();
    let differing = settings::differing(members.iter().map(|member| &member.settings));
    let peers: BTreeSet<&str> = members.iter().map(|member| member.row.peer.as_str()).collect();
    let mut taken = BTreeSet::new();
    for member in &mut members {
        member.detail = settings::phrases(&member.settings, &differing);
        let label = match (peers.len() > 1, member.detail.is_empty()) {
            (_, true) => member.row.peer.clone(),
            (true, false) => format!("{} · {}", member.row.peer, member.detail),
            (false, false) => member.detail.clone(),
        };
        member.label = label.clone();
        let mut count = 1;
        while !taken.insert(member.label.clone()) {
            count += 1;
            member.label = format!("{label} ({count})");
        }
    }
    let shared = members.first().map_or_else(String::new, |first| unusual(&first.settings, &differing));
    let remarks = shared_remarks(&members);
    Scenario { name, members, shared, remarks, differing }
}

/// What is said of every row need be said only once.
fn shared_remarks<'a>(members: &[Member<'a>]) -> Vec<&'a str> {
    let Some((first, rest)) = members.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return Vec::new();
    };
    let in_all = |remark: &&String| rest.iter().all(|member| member.row.remarks.contains(remark));
    first.row.remarks.iter().filter(in_all).map(String::as_str).collect()
}

/// The settings that are not the usual ones, without some.
fn unusual(settings: &Named, without: &[String]) -> String {
    let usual = settings::named(&crate::plan::Settings::base());
    let unusual = settings::differing([settings, &usual]);
    let keys: Vec<String> = unusual.into_iter().filter(|key| !without.contains(key)).collect();
    settings::phrases(settings, &keys)
}

/// Members that are alike in `key`, in the order in which they first occur.
pub(crate) fn alike<'m, 'a, K: PartialEq>(
    members: impl IntoIterator<Item = &'m Member<'a>>,
    key: impl Fn(&Member<'a>) -> K,
) -> Vec<Vec<&'m Member<'a>>> {
    let mut groups: Vec<(K, Vec<&Member<'a>>)> = Vec::new();
    for member in members {
        let key = key(member);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(member),
            None => groups.push((key, vec![member])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::sample;

    #[test]
    fn scenarios_keep_the_order_of_the_run() {
        let rows =
            [sample::row("bulk", "a", 1.0), sample::row("call", "a", 1.0), sample::row("bulk", "b", 2.0)];
        let scenarios = scenarios(&rows);
        let names: Vec<&str> = scenarios.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names, ["bulk", "call"]);
        let labels: Vec<&str> = scenarios[0].members.iter().map(|member| member.label.as_str()).collect();
        assert_eq!(labels, ["a", "b"]);
    }

    #[test]
    fn labels_say_what_differs_and_no_two_are_the_same() {
        let mut rows = vec![sample::row("bulk", "a", 1.0); 3];
        rows[1].settings.credit = "4096".parse().expect("a window");
        let of = |rows: &[Row]| -> Vec<String> {
            scenarios(rows).remove(0).members.into_iter().map(|member| member.label).collect()
        };
        assert_eq!(of(&rows), ["credit auto", "credit 4 KiB", "credit auto (2)"]);
        rows[2].peer = "b".to_owned();
        assert_eq!(of(&rows), ["a · credit auto", "a · credit 4 KiB", "b · credit auto"]);
    }

    #[test]
    fn shared_settings_are_those_that_are_not_the_usual_ones() {
        let mut rows = vec![sample::row("bulk", "a", 1.0); 2];
        rows[0].settings.streams = 100;
        rows[1].settings.streams = 100;
        rows[1].settings.body = 4096;
        let scenario = scenarios(&rows).remove(0);
        assert_eq!(
            (scenario.shared.as_str(), scenario.differing),
            ("duration 4 s, streams 100", vec!["body".to_owned()])
        );
    }

    #[test]
    fn remarks_of_all_rows_are_shared() {
        let mut rows = vec![sample::row("bulk", "a", 1.0); 2];
        rows[0].remarks = vec!["delayed".to_owned(), "one".to_owned()];
        rows[1].remarks = vec!["delayed".to_owned()];
        assert_eq!(scenarios(&rows).remove(0).remarks, ["delayed"]);
        assert!(scenarios(&rows[..1]).remove(0).remarks.is_empty());
    }

    #[test]
    fn alike_members_stand_together() {
        let rows = [sample::row("s", "a", 1.0), sample::row("s", "b", 1.0), sample::row("s", "a", 2.0)];
        let scenario = scenarios(&rows).remove(0);
        let groups = alike(&scenario.members, |member| member.row.peer.clone());
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    }
}
