use super::{
    HmacKey, Message, MessageError,
    canonical::{Canonical, compact},
    reader::number_into,
    shape::shape,
    unchecked::{self, authenticated},
};
use crate::{Keypair, ssb::MessageId};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::Signer;

/// Makes the next message of a feed whose last has the sequence and id of `head`, and signs it. `timestamp` is in milliseconds
/// since 1970; `content` is JSON, an object with a `type` or a string of ciphertext. Members stand in the order in which npm
/// `ssb-keys` and `ssb-classic` write them.
///
/// # Errors
/// [`MessageError`] if what would come out is no valid message.
pub fn create(
    keypair: &Keypair,
    head: Option<(u32, MessageId)>,
    timestamp: f64,
    content: &[u8],
    hmac: Option<&HmacKey>,
) -> Result<Message, MessageError> {
    let (sequence, previous) = match head {
        None => (1, "null".to_owned()),
        Some((sequence, id)) => (sequence.checked_add(1).ok_or(MessageError::FeedFull)?, format!("\"{id}\"")),
    };
    let author = keypair.public();
    let mut text =
        format!("{{\"previous\":{previous},\"sequence\":{sequence},\"author\":\"{author}\",\"timestamp\":")
            .into_bytes();
    number_into(timestamp, &mut text);
    text.extend_from_slice(b",\"hash\":\"sha256\",\"content\":");
    // Alone first: text that closes the content and goes on would otherwise be more members.
    let mut canonical = Canonical::default();
    canonical.write(content)?;
    text.extend_from_slice(content);
    // Everything is checked with a signature in place that is as long as the real one.
    text.extend_from_slice(b",\"signature\":\"");
    text.extend_from_slice(signature_text(&[0; 64]).as_bytes());
    text.extend_from_slice(b"\"}");
    let read = canonical.write(&text)?;
    let shape = shape(&mut canonical)?;

    let signed = canonical.text.get(..shape.content_end).unwrap_or_default();
    let signature = match hmac {
        Some(key) => keypair.signing().sign(&authenticated(signed, key)),
        None => keypair.signing().sign(&[signed, b"\n}"].concat()),
    };
    let signature = signature_text(&signature.to_bytes());
    let mut value = if read.is_compact { text } else { compact(&canonical.text) };
    put_before(&mut value, &signature, b"\"}");
    put_before(&mut canonical.text, &signature, b"\"\n}");
    Ok(Message {
        author,
        sequence,
        previous: head.map(|(_, id)| id),
        id: unchecked::id(&canonical.text),
        timestamp,
        value: value.into(),
    })
}

fn signature_text(signature: &[u8; 64]) -> String {
    STANDARD.encode(signature) + ".sig.ed25519"
}

/// Puts a signature in the place of another, at the end of a text but for what closes it.
fn put_before(text: &mut Vec<u8>, signature: &str, close: &[u8]) {
    text.truncate(text.len().saturating_sub(close.len() + signature.len()));
    text.extend_from_slice(signature.as_bytes());
    text.extend_from_slice(close);
}
