//! Whatever is made verifies, and nothing else does.

use super::fuzz_body;
use bytes::Bytes;
use proptest::prelude::*;
use push_mux::{
    Keypair,
    ssb::message::{Unchecked, create, peek},
};

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map("[0-9a-c]{1,3}|.{0,5}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_made_is_valid_until_a_byte_changes(
        seed in any::<[u8; 32]>(),
        json in json(),
        timestamp in any::<f64>().prop_filter("finite", |timestamp| timestamp.is_finite()),
        is_pretty in any::<bool>(),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..=255,
    ) {
        let content = serde_json::json!({ "type": "test", "json": json });
        let text = if is_pretty { serde_json::to_vec_pretty(&content) } else { serde_json::to_vec(&content) };
        let text = text.expect("JSON can be written");
        let made = create(&Keypair::from_seed(&seed), None, timestamp, &text, None).expect("it is small");
        let seen = peek(&made.value).expect("a message");
        prop_assert_eq!((seen.author, seen.sequence), (made.author, 1));
        let verdict = Unchecked::parse(&made.value, None).and_then(Unchecked::verify);
        prop_assert_eq!(verdict.as_ref(), Ok(&made));

        let mut changed = made.value.to_vec();
        let at = at.index(changed.len());
        changed[at] ^= flip;
        if let Ok(message) = Unchecked::parse(&Bytes::from(changed), None).and_then(Unchecked::verify) {
            // Another spelling of the same, such as a number with one more digit than a double has.
            prop_assert_eq!(message, made);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_body::message_bytes(&bytes);
    }

    #[test]
    fn nearly_json_is_read_without_panic(text in "[\\[\\]{},:\"\\\\utfn0-9eE.+ -]{0,80}") {
        fuzz_body::message_bytes(text.as_bytes());
    }
}
