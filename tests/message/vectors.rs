//! Messages that npm `ssb-keys` signed on Node, each at an edge of the format, and what `ssb-validate` and `ssb-classic` said of them.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use push_mux::ssb::message::{HmacKey, Unchecked, peek};
use serde_json::Value;

const VECTORS: &str = include_str!("../vectors/classic-messages.jsonl");

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_default()
}

#[test]
fn vectors_are_judged_as_the_javascript_validators_judge_them() {
    let mut valid = 0;
    for line in VECTORS.lines() {
        let vector: Value = serde_json::from_str(line).expect("a vector is JSON");
        let name = text(&vector, "name");
        let hmac = vector["hmac"].as_str().map(|key| {
            HmacKey(STANDARD.decode(key).expect("base64").try_into().expect("a key is of 32 bytes"))
        });
        let wire = Bytes::copy_from_slice(text(&vector, "wire").as_bytes());
        let parsed = Unchecked::parse(&wire, hmac.as_ref());
        let verdict = parsed.and_then(Unchecked::verify);
        let is_valid = vector["valid"]["validate"] == true;
        assert_eq!(verdict.is_ok(), is_valid, "{name}: {verdict:?}, but JavaScript said {}", vector["valid"]);
        if let Ok(message) = verdict {
            valid += 1;
            assert_eq!(message.id.to_string(), text(&vector, "id"), "{name}");
            let seen = peek(&wire).expect("a valid message can be peeked into");
            assert_eq!((seen.author, seen.sequence), (message.author, message.sequence), "{name}");
            let again = Unchecked::parse(&message.value, hmac.as_ref()).and_then(Unchecked::verify);
            let again = again.expect("what is stored is as valid as what came");
            assert_eq!(again, message, "{name}");
            assert_eq!(again.value.as_ptr(), message.value.as_ptr(), "{name}: what is compact is shared");
        }
    }
    assert_eq!(valid, 23, "the vectors hold as many valid messages as when they were made");
}
