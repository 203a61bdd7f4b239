//! Scenario files: runs written down in TOML, to be repeated and committed.
//!
//! ```toml
//! runs = 5
//! [[run]]
//! scenario = "source"
//! body = [64, "4KiB"]
//! streams = [1, 100]
//! ```

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use super::Grid;

/// A whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// How often each run is repeated.
    pub(crate) runs: Option<u32>,
    /// Who takes part, for comparisons.
    #[serde(default)]
    pub(crate) peers: Vec<String>,
    /// One after the other.
    #[serde(default)]
    pub(crate) run: Vec<Entry>,
}

/// A scenario and the settings that it is run with.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) scenario: String,
    /// Everything else.
    #[serde(flatten)]
    pub(crate) rest: toml::Table,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, and what in it makes no sense.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is no scenario file", path.display()))
    }

    /// Reads the text of one.
    ///
    /// # Errors
    /// What in it makes no sense.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let file: Self = toml::from_str(text)?;
        anyhow::ensure!(!file.run.is_empty(), "it has no [[run]]");
        anyhow::ensure!(file.runs != Some(0), "runs are at least 1");
        Ok(file)
    }
}

impl Entry {
    /// A scenario as it is.
    pub(crate) fn of(scenario: &str) -> Self {
        Self { scenario: scenario.to_owned(), rest: toml::Table::new() }
    }

    /// The settings.
    ///
    /// # Errors
    /// Which of them does not exist or makes no sense.
    pub(crate) fn grid(&self) -> anyhow::Result<Grid> {
        let grid = Grid::deserialize(toml::Value::Table(self.rest.clone()));
        let grid = grid.with_context(|| format!("in the run of {:?}", self.scenario))?;
        anyhow::ensure!(
            grid.messages.is_empty() || grid.duration.is_empty(),
            "the run of {:?} has messages and duration, and one of them ends it",
            self.scenario
        );
        Ok(grid)
    }
}

#[cfg(test)]
mod tests {
    use push_mux::mux::Credit;

    use super::*;
    use crate::plan::{Settings, Transport};

    const TEXT: &str = r#"
        runs = 3
        [[run]]
        scenario = "source"
        body = [64, "4KiB"]
        streams = 100
        credit = ["auto", "64KiB", 4096]
        transport = "unix"
        [[run]]
        scenario = "async"
        depth = [1, 64]
        rate = 5000
        duration = 1.5
    "#;

    #[test]
    fn lists_and_single_values_become_points() {
        let file = File::parse(TEXT).expect("a file");
        assert_eq!((file.runs, file.run.len()), (Some(3), 2));
        let points = file.run[0].grid().expect("a grid").points(&Settings::base()).expect("points");
        let seen: Vec<_> = points.iter().map(|point| (point.body, point.credit)).collect();
        let credits = [Credit::Auto, Credit::Fixed(65_536), Credit::Fixed(4096)];
        let wanted: Vec<_> =
            [64, 4096].iter().flat_map(|body| credits.map(|credit| (*body, credit))).collect();
        assert_eq!(seen, wanted);
        assert!(points.iter().all(|point| point.streams == 100 && point.transport == Transport::Unix));
        let points = file.run[1].grid().expect("a grid").points(&Settings::base()).expect("points");
        assert_eq!(points.iter().map(|point| point.depth).collect::<Vec<_>>(), [1, 64]);
        assert_eq!((points[0].rate, points[0].duration), (Some(5000.0), 1.5));
    }

    #[test]
    fn what_is_no_setting_is_named() {
        let file = File::parse("[[run]]\nscenario = \"source\"\nboddy = 3").expect("a file");
        let error = format!("{:#}", file.run[0].grid().expect_err("no such setting"));
        assert!(error.contains("boddy") && error.contains("source"), "{error}");
        assert!(File::parse("runs = 3").is_err());
    }

    #[test]
    fn the_command_line_is_above_the_file() {
        let file = File::parse(TEXT).expect("a file").run[0].grid().expect("a grid");
        let line = Grid { streams: vec![7], duration: vec![1.0], ..Grid::default() };
        let both = line.over(&file);
        assert_eq!((both.streams, both.body.len(), both.duration), (vec![7], 2, vec![1.0]));
    }
}
