//! `push-mux verify` on files.

use push_mux::{
    Keypair,
    ssb::message::{Message, create},
};
use std::{fs, process::Command};

fn verify(lines: &[String]) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("feeds.jsonl");
    fs::write(&path, lines.join("\n")).expect("a file");
    let output =
        Command::new(env!("CARGO_BIN_EXE_push-mux")).arg("verify").arg(&path).output().expect("it runs");
    (output.status.success(), String::from_utf8(output.stdout).expect("UTF-8"))
}

fn value(message: &Message) -> String {
    String::from_utf8(message.value.to_vec()).expect("JSON")
}

#[test]
fn a_file_is_verified_line_by_line() {
    let keypairs = [1, 2].map(|seed| Keypair::from_seed(&[seed; 32]));
    let mut heads = [None; 2];
    let mut messages = Vec::new();
    for number in 0..700 {
        let content = format!(r#"{{"type":"post","text":"{number}"}}"#);
        let head = heads[number % 2];
        let message = create(&keypairs[number % 2], head, 1.5e12, content.as_bytes(), None).expect("valid");
        heads[number % 2] = Some((message.sequence, message.id));
        messages.push(message);
    }
    let mut lines: Vec<String> = messages.iter().map(value).collect();
    lines[3] = format!("{{\"key\":\"{}\",\"value\":{},\"timestamp\":1.5}}", messages[3].id, lines[3]);
    let (is_success, out) = verify(&lines);
    assert!(is_success && out.starts_with("700 messages of 2 feeds are valid, "), "{out}");
    assert!(out.ends_with("; 0 refused\n"), "{out}");

    let last = lines.len() - 1;
    lines[0] = lines[0].replace(r#""text":"0""#, r#""text":"O""#);
    lines[last] = format!("{{\"key\":\"{}\",\"value\":{}}}", messages[3].id, lines[last]);
    lines[last - 2] = "{}".to_owned();
    let (is_success, out) = verify(&lines);
    assert!(!is_success);
    let out: Vec<&str> = out.lines().collect();
    assert_eq!(out[0], "line 1: the signature does not verify");
    assert_eq!(out[1], "line 3: the feed has 0 messages, and those that follow are missing");
    let end = &out[out.len() - 4..];
    assert!(end[0].starts_with("line 698: the members are not previous"), "{end:?}");
    assert!(end[1].starts_with("line 699: the feed has 0 messages"), "{end:?}");
    assert_eq!(end[2], format!("line 700: the key is not its id, {}", messages[699].id));
    assert!(end[3].starts_with("348 messages of 1 feeds are valid, ") && end[3].ends_with("; 352 refused"));
}
