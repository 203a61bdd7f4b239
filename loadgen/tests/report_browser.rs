//! The page in a real browser: what a parser makes of it, and whether its script runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Set to 1 where the test must not be skipped.
const REQUIRE: &str = "PUSH_MUX_REQUIRE_BROWSER";

/// How long a browser may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Flags that keep the browser from asking anybody for anything, and from drawing.
const QUIET: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--dump-dom",
];

#[test]
fn the_page_of_a_run_opens_in_a_browser() {
    let page = std::env::temp_dir().join(format!("report-{}.html", std::process::id()));
    let status = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args("run async --duration 0.6 --depth 1,4 --rate 200 --report".split(' '))
        .arg(&page)
        .stdout(Stdio::null())
        .status()
        .expect("the program was built for this test");
    assert!(status.success());
    opens_in_a_browser(&page);
    let _gone = std::fs::remove_file(&page);
}

/// Checks that a browser finds every drawing, the heading and cells of tables, and has nothing to complain about.
fn opens_in_a_browser(page_path: &Path) {
    let Some(browser) = browser() else {
        assert!(
            !std::env::var(REQUIRE).is_ok_and(|must| must == "1"),
            "{REQUIRE} is set and there is no chromium"
        );
        eprintln!("skipped: chromium is not installed");
        return;
    };
    let page = std::fs::read_to_string(page_path).expect("a page");
    let page_path = page_path.canonicalize().expect("a path");
    let profile = std::env::temp_dir().join(format!("report-browser-{}", std::process::id()));
    let mut command = Command::new(browser);
    command.args(QUIET).arg(format!("--user-data-dir={}", profile.display()));
    let output = within(PATIENCE, command.arg(format!("file://{}", page_path.display())));
    let _ = std::fs::remove_dir_all(&profile);

    let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{log}");
    let count = |text: &str, what: &str| text.matches(what).count();
    assert_eq!(count(&dom, "<svg"), count(&page, "<svg"), "drawings");
    assert_eq!(count(&dom, "<table"), count(&page, "<table"), "tables");
    assert_eq!((count(&dom, "<h1>"), count(&page, "<h1>")), (1, 1), "heading");
    let title = page.split("<h1>").nth(1).and_then(|rest| rest.split("</h1>").next()).expect("a heading");
    assert!(dom.contains(&format!("<h1>{title}</h1>")), "{title} is not in the page");
    assert_eq!(count(&dom, "<td"), count(&page, "<td"), "cells");
    assert!(count(&dom, "<td") > 0, "no cell");
    // The browser writes errors of its own here (no bus, no display); those of the page have this mark.
    let complaints: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// The output of a command that ends in time; of one that does not, a failure instead of a test that hangs.
fn within(patience: Duration, command: &mut Command) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    // Both at once: a full pipe would stop the browser.
    let read = |mut from: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut all = Vec::new();
            let _ = from.read_to_end(&mut all);
            all
        })
    };
    let (out, err) = (read(Box::new(out)), read(Box::new(err)));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if begun.elapsed() > patience {
            let _ = child.kill();
            panic!("the browser did not end within {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    Output { status, stdout: out.join().expect("no panic"), stderr: err.join().expect("no panic") }
}

/// Where chromium is, if it is.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let places = std::env::split_paths(&path)
        .flat_map(|folder| ["chromium", "chromium-browser"].map(|name| folder.join(name)));
    places.into_iter().find(|place| place.is_file())
}
