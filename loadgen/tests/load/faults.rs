//! What is wrong is noticed, and what cannot be is refused before any load.

use crate::{loadgen, objects, stderr, stdout};

#[test]
fn one_spoiled_message_fails_the_run() {
    for line in [
        "replicate --messages 300 --connections 2",
        "run source --messages 100",
        "run sink --messages 100",
        "run ping-pong --messages 100",
        "run async --messages 100",
        "run storm --connections 5 --silent 0",
        "run source --messages 100 --client framework",
        "run sink --messages 100 --client framework",
        "run ping-pong --messages 100 --client framework",
        "run async --messages 100 --client framework",
    ] {
        let output = loadgen(&format!("{line} --fault --json"));
        assert_eq!(output.status.code(), Some(1), "{line}: {}{}", stderr(&output), stdout(&output));
        let rows = objects(&output);
        assert_eq!(rows.len(), 1, "a row all the same");
        assert!(rows[0]["errors"].as_u64() > Some(0), "{line}: {}", rows[0]);
        let remarks = rows[0]["remarks"].as_array().expect("a list");
        assert!(!remarks.is_empty(), "{line} does not say what is wrong: {}", rows[0]);
    }
}

#[test]
fn what_cannot_be_is_refused_in_one_sentence() {
    for (line, part) in [
        ("replicate --connections 0", "0 is not in"),
        ("replicate --transport pigeon", "pigeon"),
        ("replicate --credit 0", "at least 1"),
        ("run nothing", "there are source, sink"),
        ("run /nowhere/at-all.toml", "/nowhere/at-all.toml"),
        ("run source --body 3", "a body has"),
        ("run source --rate 5", "--rate goes with"),
        ("run isolation --messages 5", "--duration"),
        ("run isolation --silent 0", "--silent 1"),
        ("run churn --client framework", "light client alone"),
        ("run async --transport ws", "--client framework"),
        ("run churn --transport ws", "no WebSocket"),
        ("run delay --delay-ms 0", "--delay-ms 50"),
        ("run storm --delay-ms 5", "cannot be delayed"),
        ("run isolation --connections 2", "--connections 1"),
        ("run source --connections 4000000", "from 1 to 1000000"),
        ("run async --depth 1,2 --dump /tmp/no", "one combination"),
        ("run async --server net:127.0.0.1:1 --method a --transport shs", "over what its address says"),
        ("run source --shards 100000", "100000 shards need as many cores"),
        ("run sink --server net:127.0.0.1:1 --method a", "--server goes with"),
        ("run async --server nonsense --method a", "nonsense"),
        ("run async --server net:127.0.0.1:1 --method a", "no connection to 127.0.0.1:1"),
        ("run async --server net:127.0.0.1:1 --method a --args 5", "no JSON array"),
        ("run source --messages 1 --save /nowhere/file", "/nowhere/file"),
        ("replicate --feed /nowhere/at-all", "/nowhere/at-all"),
    ] {
        let output = loadgen(line);
        assert_eq!(output.status.code(), Some(2), "{line}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{line}: {}", stderr(&output));
        assert!(!stdout(&output).contains("msg/s"), "{line} has done something");
    }
}
