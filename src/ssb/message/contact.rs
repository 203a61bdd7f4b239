use super::{Message, shape::feed};
use crate::ssb::store::{Contact, Stance};
use serde_json::Value;

const BEFORE: &[u8] = b",\"hash\":\"sha256\",\"content\":";
/// `,"signature":"`, 64 bytes in base64, `.sig.ed25519"}`.
const AFTER_BYTES: usize = 14 + 88 + 12 + 2;

/// The content of a message's value as it is stored.
pub(super) fn content(value: &[u8]) -> &[u8] {
    // What stands before the content has no member whose text could look like the mark.
    let start = value.windows(BEFORE.len()).position(|window| window == BEFORE);
    let start = start.map_or(value.len(), |at| at + BEFORE.len());
    value.get(start..value.len().saturating_sub(AFTER_BYTES)).unwrap_or_default()
}

/// The edge of the follow graph that a message sets, if it is a contact message, as npm `ssb-friends` reads it: `blocking` or the
/// older `flagged` blocks, whatever else is said; `following: true` follows; anything else is neither.
#[must_use]
pub fn contact(message: &Message) -> Option<Contact> {
    let content = message.content();
    // Most messages are no contacts, and this is cheaper than reading them. Keys and values may stand in any order.
    if !content.starts_with(b"{") || !content.windows(9).any(|window| window == b"\"contact\"") {
        return None;
    }
    let content: Value = serde_json::from_slice(content).ok()?;
    if content.get("type")? != "contact" {
        return None;
    }
    let target = feed(content.get("contact")?.as_str()?.as_bytes())?;
    let is_truthy = |name| content.get(name).is_some_and(is_truthy);
    let stance = if is_truthy("blocking") || is_truthy("flagged") {
        Stance::Blocks
    } else if content.get("following") == Some(&Value::Bool(true)) {
        Stance::Follows
    } else {
        Stance::Neutral
    };
    Some(Contact { author: message.author, target, stance })
}

/// What JavaScript takes for true.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_true) => *is_true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}
