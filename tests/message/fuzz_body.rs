//! The body of the fuzz target of messages, as a plain function over bytes.

use bytes::Bytes;
use push_mux::{
    Keypair,
    ssb::message::{Message, Unchecked, create, peek},
};

fn genuine() -> Message {
    let content = r#"{"type":"post","text":"é\n\"","list":[1,2.5,{}],"mentions":[{"link":"&x"}]}"#;
    create(&Keypair::from_seed(&[7; 32]), None, 1.5e12 + 0.25, content.as_bytes(), None).expect("it is valid")
}

/// The input as a text, as the content of a message, and as edits of a valid one: no panic; what is taken is read again as the same;
/// nothing but the message that was signed verifies.
pub(crate) fn message_bytes(input: &[u8]) {
    let text = Bytes::copy_from_slice(input);
    let seen = peek(input);
    if let Ok(unchecked) = Unchecked::parse(&text, None) {
        let message = unchecked.message();
        let again = Unchecked::parse(&message.value, None).expect("what is kept is as good as what came");
        assert_eq!(again.message(), message);
        assert_eq!(again.message().value.as_ptr(), message.value.as_ptr(), "what is compact is shared");
        let of_kept = peek(&message.value).expect("what is kept is plainly spelled");
        assert_eq!((of_kept.author, of_kept.sequence), (message.author, message.sequence));
        if message.value == text {
            assert_eq!(seen, Some(of_kept));
        }
    }
    if let Ok(message) = create(&Keypair::from_seed(&[8; 32]), None, 1.0, input, None) {
        assert_eq!(Unchecked::parse(&message.value, None).and_then(Unchecked::verify), Ok(message));
    }

    let genuine = genuine();
    let mut edited = genuine.value.to_vec();
    for edit in input.chunks_exact(3).take(4) {
        let at = usize::from(edit[0]) << 8 | usize::from(edit[1]);
        let at = at % edited.len();
        edited[at] = edit[2];
    }
    let _ = peek(&edited);
    if let Ok(message) = Unchecked::parse(&edited.into(), None).and_then(Unchecked::verify) {
        assert_eq!(message, genuine);
    }
}
