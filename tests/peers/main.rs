//! Runs the tests against real JavaScript peers: `node --test` with the two entries beside this file.
//!
//! Without Node a test says so and passes, unless `PUSH_MUX_REQUIRE_PEERS=1` asks for a failure. Each entry is one test to
//! cargo; Node reports the single cases, and their output is shown when one of them fails.

mod npm;

use npm::{both, install, program};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// Examples that the suites run, and the variables that tell where they are.
const EXAMPLES: [(&str, &str); 3] = [
    ("PUSH_MUX_SHS_CLIENT", "shs_client"),
    ("PUSH_MUX_SHS_SERVER", "shs_server"),
    ("PUSH_MUX_SHS_VECTORS", "shs_vectors"),
];

/// Folders of packages below this one: the versions of applications of today and of old cannot stand in one tree.
const SETS: [&str; 3] = [".", "modern", "legacy"];

/// Some cases tell by their time that a peer was not awaited in vain, so only one entry runs at once.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn javascript_peers_and_this_implementation_understand_each_other() {
    run_entry("interop.test.mjs", &SETS[..1]);
}

#[test]
fn javascript_applications_replicate_through_the_pub() {
    run_entry("pub.test.mjs", &SETS);
}

fn run_entry(entry: &str, sets: &[&str]) {
    let (Some(node), Some(npm)) = (program("node"), program("npm")) else {
        assert!(
            env::var_os("PUSH_MUX_REQUIRE_PEERS").is_none_or(|value| value != "1"),
            "PUSH_MUX_REQUIRE_PEERS=1, but node and npm are not both on the path"
        );
        eprintln!(
            "SKIPPED: the tests against JavaScript peers need node and npm, which are not both on the path"
        );
        return;
    };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    for set in sets {
        install(&npm, &folder.join(set)).expect("npm ci installs the peers");
    }

    let output = Command::new(node)
        // Applications leave timers behind when they are closed.
        .args(["--test", "--test-force-exit", "--test-reporter=spec", entry])
        .current_dir(&folder)
        .env("PUSH_MUX_BIN", env!("CARGO_BIN_EXE_push-mux"))
        .envs(EXAMPLES.map(|(variable, name)| (variable, example(name))))
        // Cargo may itself run under a Node test runner, whose marks would turn off the output of this one.
        .env_remove("NODE_TEST_CONTEXT")
        .output()
        .expect("node starts");
    assert!(output.status.success(), "{}", both(&output));
}

/// The program of an example of this profile: `examples` is beside `deps`, where cargo puts the executable of a test.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test has an executable");
    let profile = test.ancestors().nth(2).expect("the executable of a test is within the target directory");
    let path = profile.join("examples").join(name).with_extension(env::consts::EXE_EXTENSION);
    assert!(
        path.is_file(),
        "{} is missing: `cargo test --test peers` alone builds no examples, so run `cargo build --examples` before it",
        path.display()
    );
    path
}
