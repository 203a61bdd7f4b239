//! Messages made here.

use bytes::Bytes;
use push_mux::{
    Keypair,
    ssb::{
        message::{
            HmacKey, LinkError, Member, Message, MessageError, Unchecked, check_link, contact, create,
        },
        store::{Contact, Stance},
    },
};

fn keypair() -> Keypair {
    Keypair::from_seed(&[7; 32])
}

fn first(content: &str) -> Result<Message, MessageError> {
    create(&keypair(), None, 1.5e12, content.as_bytes(), None)
}

fn head(message: &Message) -> Option<(u32, push_mux::ssb::MessageId)> {
    Some((message.sequence, message.id))
}

#[test]
fn what_is_made_verifies_in_its_network_only() {
    let content = " { \"type\" : \"post\", \"text\":\"\\u0041 é 😀\\n\", \"2\":1e0, \"1\":[ ] } ";
    let (ours, other) = (HmacKey([1; 32]), HmacKey([2; 32]));
    for key in [None, Some(&ours)] {
        let made = create(&keypair(), None, 1.5e12 + 0.25, content.as_bytes(), key).expect("it is valid");
        let verify = |key| Unchecked::parse(&made.value, key).and_then(Unchecked::verify);
        assert_eq!(verify(key).as_ref(), Ok(&made));
        assert_eq!(verify(Some(&other)), Err(MessageError::Signature));
        let content = r#"{"1":[],"2":1,"type":"post","text":"A é 😀\n"}"#;
        assert_eq!(std::str::from_utf8(made.content()), Ok(content));
    }
}

#[test]
fn what_would_be_invalid_is_not_made() {
    let wrong = |member| Err(MessageError::Member(member));
    assert_eq!(first("{}"), wrong(Member::ContentType));
    assert_eq!(first(r#"{"type":"ab"}"#), wrong(Member::ContentType));
    assert_eq!(first("[]"), wrong(Member::Content));
    assert_eq!(first(r#""hello""#), wrong(Member::Content));
    for sealed in [r#""aGVsbG8=.box""#, r#"".box""#, r#""aGVsbG8=.box2""#, r#""aGVsbG8=.box \\n\t""#] {
        assert!(first(sealed).is_ok(), "{sealed}");
    }
    for spoiled in ["aGVsbG9=.box", "aGVsbG8.box", "aGVsbG8=.bo", "aGVsbG8=.box\\n", "aGVsbG8=.box\u{2028}"] {
        assert_eq!(first(&format!("\"{spoiled}\"")), wrong(Member::Content), "{spoiled}");
    }
    assert!(matches!(first(r#"{"type":"post"},"more":{}"#), Err(MessageError::NotJson { .. })));
    let long = format!(r#"{{"type":"post","text":"{}"}}"#, "x".repeat(8192));
    assert!(matches!(first(&long), Err(MessageError::TooLarge { .. })));
    let nan = create(&keypair(), None, f64::NAN, br#"{"type":"post"}"#, None);
    assert_eq!(nan, wrong(Member::Timestamp));
    let last =
        first(r#"{"type":"post"}"#).map(|message| (i32::MAX.unsigned_abs(), message.id)).expect("valid");
    let after = create(&keypair(), Some(last), 1.0, br#"{"type":"post"}"#, None);
    assert_eq!(after, wrong(Member::Sequence));
}

#[test]
fn links_are_told_apart() {
    let post = |head, text: &str| {
        let content = format!(r#"{{"type":"post","text":"{text}"}}"#);
        create(&keypair(), head, 1.5e12, content.as_bytes(), None).expect("valid")
    };
    let one = post(None, "one");
    let two = post(head(&one), "two");
    let three = post(head(&two), "three");
    let fork = post(head(&one), "other");
    assert_eq!(check_link(None, &one), Ok(()));
    assert_eq!(check_link(head(&one), &two), Ok(()));
    assert_eq!(check_link(None, &two), Err(LinkError::Gap { have: 0 }));
    assert_eq!(check_link(head(&one), &three), Err(LinkError::Gap { have: 1 }));
    assert_eq!(check_link(head(&two), &two), Err(LinkError::Known));
    assert_eq!(check_link(head(&two), &one), Err(LinkError::Known));
    assert_eq!(check_link(head(&fork), &three), Err(LinkError::Fork));
}

#[test]
fn contacts_are_read_as_ssb_friends_reads_them() {
    let target = Keypair::from_seed(&[9; 32]).public();
    let stance = |rest: &str| {
        let content = format!(r#"{{"type":"contact","contact":"{target}"{rest}}}"#);
        let contact = contact(&first(&content).expect("valid"))?;
        assert_eq!(contact, Contact { author: keypair().public(), target, stance: contact.stance });
        Some(contact.stance)
    };
    assert_eq!(stance(r#","following":true"#), Some(Stance::Follows));
    assert_eq!(stance(r#","following":true,"blocking":false"#), Some(Stance::Follows));
    assert_eq!(stance(r#","following":true,"blocking":true"#), Some(Stance::Blocks));
    assert_eq!(stance(r#","blocking":1"#), Some(Stance::Blocks));
    assert_eq!(stance(r#","flagged":true"#), Some(Stance::Blocks));
    assert_eq!(stance(r#","following":false"#), Some(Stance::Neutral));
    assert_eq!(stance(r#","following":1"#), Some(Stance::Neutral));
    assert_eq!(stance(""), Some(Stance::Neutral));

    let of = |content: &str| contact(&first(content).expect("valid"));
    let other_order = format!(r#"{{"following":true,"contact":"{target}","type":"contact"}}"#);
    assert_eq!(of(&other_order).map(|contact| contact.stance), Some(Stance::Follows));
    assert_eq!(of(&format!(r#"{{"type":"post","contact":"{target}"}}"#)), None);
    assert_eq!(of(r#"{"type":"contact","contact":"@no","following":true}"#), None);
    assert_eq!(of(r#"{"type":"contact","following":true}"#), None);
    assert_eq!(of(r#"{"type":"post","text":"\"contact\""}"#), None);
    assert_eq!(of(r#""aGVsbG8=.box""#), None);
}

#[test]
fn messages_are_refused_with_their_reason() {
    let made = first(r#"{"type":"post","text":"hello"}"#).expect("valid");
    let text = String::from_utf8(made.value.to_vec()).expect("UTF-8");
    let verdict = |text: String| Unchecked::parse(&Bytes::from(text), None).and_then(Unchecked::verify);
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        verdict(text.replacen(from, to, 1))
    };
    assert_eq!(verdict(format!(" {text}\n")), Ok(made.clone()));
    assert_eq!(verdict(text.clone() + "}"), Err(MessageError::NotJson { at: text.len() }));
    assert_eq!(with("hello", "hullo"), Err(MessageError::Signature));
    assert_eq!(with("\"hash\":\"sha256\",", ""), Err(MessageError::Members));
    assert_eq!(with("\"hash\":", "\"hush\":"), Err(MessageError::Members));
    assert_eq!(with("\"sha256\"", "\"sha512\""), Err(MessageError::Member(Member::Hash)));
    assert_eq!(with("\"sequence\":1,", "\"sequence\":2,"), Err(MessageError::First));
    assert_eq!(with("\"sequence\":1,", "\"sequence\":-1,"), Err(MessageError::Member(Member::Sequence)));
    assert_eq!(with("\"sequence\":1,", "\"sequence\":1.0,"), Ok(made.clone()));
    assert_eq!(with("1500000000000", "\"1500000000000\""), Err(MessageError::Member(Member::Timestamp)));
    assert_eq!(with("1500000000000", "1e999"), Err(MessageError::Member(Member::Timestamp)));
    assert_eq!(with("\"previous\":null", "\"previous\":7"), Err(MessageError::Member(Member::Previous)));
    assert_eq!(
        with(".ed25519\",\"timestamp", ".sha256\",\"timestamp"),
        Err(MessageError::Member(Member::Author))
    );
    assert_eq!(with(".sig.ed25519", ".sig.sha256"), Err(MessageError::Member(Member::Signature)));
    assert_eq!(
        with("{\"type\":\"post\",\"text\":\"hello\"}", "null"),
        Err(MessageError::Member(Member::Content))
    );
    // The last of two of a name is the one that counts, outermost too.
    assert_eq!(with("\"previous\":null", "\"previous\":7,\"previous\":null"), Ok(made.clone()));
    assert_eq!(with("\"content\":", "\"content\":{\"type\":1},\"content\":"), Ok(made.clone()));
    let nested = "[".repeat(200) + &"]".repeat(200);
    assert_eq!(with("\"hello\"", &nested), Err(MessageError::TooDeep));
    assert!(matches!(with("\"hello\"", &" ".repeat(70_000)), Err(MessageError::TextTooLong { .. })));
    let many = format!("[{}]", vec!["1"; 30_000].join(","));
    assert!(matches!(with("\"hello\"", &many), Err(MessageError::TooLarge { .. })));
    assert_eq!(
        Unchecked::parse(&Bytes::from_static(b"\"\xff\""), None).map(drop),
        Err(MessageError::NotUtf8)
    );
}
