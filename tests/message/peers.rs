//! What Node and a published data set say.

use super::npm::{install, program};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use proptest::{
    prelude::{Just, Strategy, prop, prop_oneof},
    strategy::ValueTree,
    test_runner::TestRunner,
};
use push_mux::{
    Keypair,
    ssb::message::{HmacKey, Unchecked, check_link, create},
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

/// Node, and the folder in which the packages are. Without Node a test says so and passes, unless it was asked for.
fn node() -> Option<(PathBuf, PathBuf)> {
    let (Some(node), Some(npm)) = (program("node"), program("npm")) else {
        assert!(
            env::var_os("PUSH_MUX_REQUIRE_PEERS").is_none_or(|value| value != "1"),
            "PUSH_MUX_REQUIRE_PEERS=1, but node and npm are not both on the path"
        );
        eprintln!("SKIPPED: node and npm are not both on the path");
        return None;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    install(&npm, &folder).expect("npm ci installs the packages");
    Some((node, folder))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
    state: Option<State>,
    hmac_key: Value,
    valid: bool,
    error: Option<String>,
    id: Option<String>,
}

#[derive(Deserialize)]
struct State {
    sequence: u32,
    id: String,
}

impl Case<'_> {
    /// The id, if the message is valid and next.
    fn judge(&self) -> Option<String> {
        let hmac = match &self.hmac_key {
            Value::Null => None,
            key => Some(HmacKey(STANDARD.decode(key.as_str()?).ok()?.try_into().ok()?)),
        };
        let text = Bytes::copy_from_slice(self.message.get().as_bytes());
        let message = Unchecked::parse(&text, hmac.as_ref()).and_then(Unchecked::verify).ok()?;
        let head = self.state.as_ref().map(|state| (state.sequence, state.id.parse().expect("an id")));
        check_link(head, &message).ok()?;
        Some(message.id.to_string())
    }
}

#[test]
fn the_validation_data_set_is_judged_as_published() {
    let Some((_, folder)) = node() else { return };
    let path = folder.join("node_modules/ssb-validation-dataset/data.json");
    let text = fs::read_to_string(path).expect("the package has its data");
    let cases: Vec<Case<'_>> = serde_json::from_str(&text).expect("cases");
    assert_eq!(cases.len(), 126);
    for case in &cases {
        let judged = case.judge();
        assert_eq!(judged.is_some(), case.valid, "{:?}: {}", case.error, case.message);
        if case.valid {
            assert_eq!(judged, case.id, "{}", case.message);
        }
    }
}

/// What another program makes of lines.
fn through(node: &Path, script: &str, lines: &[String]) -> Vec<String> {
    let mut child = Command::new(node)
        .args(["-e", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut stdin = child.stdin.take().expect("it was asked for");
    let input = lines.join("\n");
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("node ends");
    writer.join().expect("no panic").expect("node reads all");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// JSON as nobody would write it: names twice, array indices, numbers and escapes in every spelling.
fn json() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        prop::num::f64::NORMAL.prop_map(|number| format!("{number:e}")),
        prop::num::i64::ANY.prop_map(|number| number.to_string()),
    ];
    let character = prop_oneof![
        4 => "[ !#-\\[\\]-~]",
        1 => "[é日😀\u{7f}\u{2028}\u{ffff}]",
        1 => "\\\\[\"\\\\/bfnrt]",
        1 => "\\\\u[0-9a-fA-F]{4}",
        1 => "\\\\u[dD][89abAB][0-9a-f]{2}\\\\u[dD][c-fC-F][0-9a-f]{2}",
        1 => "\\\\u[dD][89a-f][0-9a-f]{2}",
    ];
    let string = |len: usize| {
        prop::collection::vec(character.clone(), 0..len).prop_map(|parts| format!("\"{}\"", parts.concat()))
    };
    let key = prop_oneof![
        3 => string(4),
        2 => "\"[0-3]{1,2}\"",
        1 => "\"(0|01|-1|1e1|429496729[3-7]|9999999999|10000000000|__proto__|toString|\\\\u0031)\"",
        2 => "\"[ab]\"",
    ];
    let space = prop_oneof![6 => Just(String::new()), 1 => "[ \t\r\n]{1,2}".prop_map(|space| space.replace(['\n', '\r'], " "))];
    let word = prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned);
    let leaf = prop_oneof![number, string(12), word];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        let member = (key.clone(), space.clone(), inner.clone(), space.clone());
        let member =
            member.prop_map(|(key, before, value, after)| format!("{key}{before}:{after}{value}{before}"));
        prop_oneof![
            (prop::collection::vec(inner, 0..8), space.clone())
                .prop_map(|(items, space)| format!("[{space}{}]", items.join(&format!(",{space}")))),
            (prop::collection::vec(member, 0..24), space.clone())
                .prop_map(|(members, space)| format!("{{{space}{}}}", members.join(&format!("{space},")))),
        ]
    })
}

#[test]
fn any_json_is_printed_as_v8_prints_it() {
    let Some((node, _)) = node() else { return };
    let mut runner = TestRunner::deterministic();
    let strategy = json();
    let texts: Vec<String> =
        (0..1000).map(|_| strategy.new_tree(&mut runner).expect("a tree").current()).collect();
    // The content of a message is what is compared, and the hash of what is signed, which has the indents.
    let script = "
        const { createHash } = require('node:crypto')
        const lines = require('node:fs').readFileSync(0, 'utf8').split('\\n')
        for (const line of lines) {
            const { text, author } = JSON.parse(line)
            const value = {
                previous: null, sequence: 1, author, timestamp: 1.5, hash: 'sha256',
                content: { type: 'test', json: JSON.parse(text) }, signature: JSON.parse(line).signature
            }
            const canonical = JSON.stringify(value, null, 2)
            const id = canonical.length > 8192 ? 'long' : createHash('sha256').update(canonical, 'latin1').digest('base64')
            console.log(JSON.stringify([JSON.stringify(value.content), id]))
        }";
    let keypair = Keypair::from_seed(&[4; 32]);
    let made: Vec<_> = texts
        .iter()
        .map(|text| {
            let content = format!("{{\"type\":\"test\",\"json\":{text}}}");
            create(&keypair, None, 1.5, content.as_bytes(), None)
        })
        .collect();
    let lines: Vec<String> = texts
        .iter()
        .zip(&made)
        .map(|(text, made)| {
            let value = made.as_ref().map(|made| String::from_utf8_lossy(&made.value).into_owned());
            let signature = value.map_or_else(
                |_| String::new(),
                |value| value.rsplit('"').nth(1).unwrap_or_default().to_owned(),
            );
            serde_json::json!({ "text": text, "author": keypair.public().to_string(), "signature": signature })
                .to_string()
        })
        .collect();
    let answers = through(&node, script, &lines);
    assert_eq!(answers.len(), texts.len());
    let mut compared = 0;
    for ((text, made), answer) in texts.iter().zip(&made).zip(&answers) {
        let [content, id] =
            serde_json::from_str::<[&RawValue; 2]>(answer).map(|two| two.map(RawValue::get)).expect("two");
        if id == "\"long\"" {
            assert!(made.is_err(), "{text}");
            continue;
        }
        let made = made.as_ref().unwrap_or_else(|error| panic!("{text}: {error}"));
        let ours = serde_json::to_string(&String::from_utf8_lossy(made.content())).expect("a string");
        // Compared as JavaScript printed it: a string of JSON may hold halves of characters that Rust has no string for.
        assert_eq!(ours, content, "{text}");
        assert_eq!(id.trim_matches('"'), STANDARD.encode(made.id.0), "{text}");
        compared += 1;
    }
    assert!(compared > 800, "{compared} were short enough");
}
