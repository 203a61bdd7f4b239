//! Scenario files, and those that come with the program.

use std::path::Path;

use crate::{File, loadgen, rows, stderr};

#[test]
fn a_file_is_as_many_rows_as_it_has_combinations_and_the_command_line_is_above_it() {
    let file = File::new(
        "plan.toml",
        "runs = 2\n[[run]]\nscenario = \"source\"\nstreams = [1, 3]\nmessages = 10\n\
         [[run]]\nscenario = \"async\"\ndepth = 2\nmessages = 20\nbody = \"1KiB\"\n",
    );
    let path = file.path().display();
    let all = rows(&format!("run {path} --json"));
    let counts: Vec<_> = all.iter().map(|row| row["messages"].as_u64().unwrap_or_default()).collect();
    assert_eq!(counts, [20, 60, 40]);
    assert_eq!((&all[2]["settings"]["body"], &all[2]["scenario"]), (&1024.into(), &"async".into()));
    let above = rows(&format!("run {path} --json --runs 1 --messages 5"));
    let counts: Vec<_> = above.iter().map(|row| row["messages"].as_u64().unwrap_or_default()).collect();
    assert_eq!(counts, [5, 15, 5]);
}

#[test]
fn a_file_that_makes_no_sense_is_refused_before_anything_runs() {
    for (name, text, part) in [
        ("no.toml", "[[run]]\nscenario = \"nothing\"", "nothing"),
        ("key.toml", "[[run]]\nscenario = \"source\"\nboddy = 1", "boddy"),
        (
            "two.toml",
            "[[run]]\nscenario = \"source\"\nmessages = 1\n[[run]]\nscenario = \"source\"\nrate = 1",
            "--rate",
        ),
        ("zero.toml", "[[run]]\nscenario = \"source\"\nconnections = 0", "connections are from 1"),
        ("none.toml", "runs = 0\n[[run]]\nscenario = \"source\"", "at least 1"),
        ("both.toml", "[[run]]\nscenario = \"source\"\nmessages = 1\nduration = 1", "one of them ends it"),
        ("empty.toml", "runs = 1", "no [[run]]"),
        ("text.toml", "not TOML", "no scenario file"),
    ] {
        let file = File::new(name, text);
        let output = loadgen(&format!("run {} --json", file.path().display()));
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stderr(&output).contains(part), "{name}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{name}");
    }
}

#[test]
fn what_comes_with_the_program_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let mode =
            if path.ends_with("compare.toml") || path.ends_with("baseline.toml") { "compare" } else { "run" };
        // A number that no run takes: read to the end, then refused.
        let line = format!("{mode} {} --body 3", path.display());
        let output = loadgen(&line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(stderr(&output).contains("a body has"), "{line}: {}", stderr(&output));
        seen += 1;
    }
    assert!(seen >= 3);
}
