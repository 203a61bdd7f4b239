//! What makes a text a message, as far as no arithmetic is needed.

use super::{
    Member, MessageError, UNITS_MAX,
    canonical::{Canonical, Span},
};
use crate::{PublicKey, ssb::MessageId};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::ops::Range;

const TYPE_UNITS_MIN: usize = 3;
const TYPE_UNITS_MAX: usize = 52;

/// What a canonical text says, if it is a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) previous: Option<MessageId>,
    pub(super) author: PublicKey,
    pub(super) sequence: u32,
    pub(super) timestamp: f64,
    /// Where the value of the content ends: what is signed ends there, but for a brace on a line of its own.
    pub(super) content_end: usize,
    pub(super) signature: [u8; 64],
}

/// Bytes out of canonical, padded base64.
pub(super) fn base64<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    // Room for the longest, a signature of 64 bytes, whose base64 would hold two more.
    let mut bytes = [0; 66];
    let len = STANDARD.decode_slice(text, &mut bytes).ok()?;
    bytes.get(..len)?.try_into().ok()
}

/// The key in a feed's id, `@...=.ed25519`.
pub(super) fn feed(text: &[u8]) -> Option<PublicKey> {
    base64(text.strip_prefix(b"@")?.strip_suffix(b".ed25519")?).map(PublicKey)
}

fn message_id(text: &[u8]) -> Option<MessageId> {
    base64(text.strip_prefix(b"%")?.strip_suffix(b".sha256")?).map(MessageId)
}

/// What stands between the quotes of a string.
pub(super) fn string(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// How many UTF-16 units a text in UTF-8 has.
pub(super) fn units(text: &[u8]) -> usize {
    // A character of four bytes is two units, any other is one; what continues a character is none.
    text.iter().map(|byte| usize::from(byte & 0xc0 != 0x80) + usize::from(*byte >= 0xf0)).sum()
}

/// How many UTF-16 units the string has that a canonical text stands for.
fn string_units(text: &[u8]) -> usize {
    let mut rest = text;
    let mut escapes = 0;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let bytes = if rest.get(at + 1) == Some(&b'u') { 6 } else { 2 };
        escapes += bytes - 1;
        rest = rest.get(at + bytes..).unwrap_or_default();
    }
    units(text) - escapes
}

/// Canonical base64, `.box`, and anything on the same line: ciphertext in this or a coming format.
fn is_encrypted(text: &[u8]) -> bool {
    let dot = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (base64, suffix) = text.split_at(dot);
    suffix.starts_with(b".box") && !has_line_end(suffix) && STANDARD.decode(base64).is_ok()
}

/// Whether a string that is written canonically has one of the four characters that end a line in JavaScript.
fn has_line_end(text: &[u8]) -> bool {
    let mut is_escaped = false;
    for byte in text {
        if is_escaped && matches!(byte, b'n' | b'r') {
            return true;
        }
        is_escaped = !is_escaped && *byte == b'\\';
    }
    // U+2028 and U+2029.
    text.windows(3).any(|three| matches!(three, [0xe2, 0x80, 0xa8 | 0xa9]))
}

/// The value of the member that must stand at this place.
fn value<'a>(text: &'a [u8], span: Option<&Span>, key: &[u8]) -> Result<&'a [u8], MessageError> {
    let span = span.filter(|span| text.get(span.key.clone()) == Some(key)).ok_or(MessageError::Members)?;
    text.get(span.value.clone()).ok_or(MessageError::Members)
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    // Rust reads words as numbers that JSON does not have.
    let text = std::str::from_utf8(text).ok().filter(|text| !text.starts_with(['n', '"', '+']))?;
    text.parse().ok()
}

fn check_size(text: &[u8]) -> Result<(), MessageError> {
    let units = if text.len() <= UNITS_MAX { text.len() } else { units(text) };
    if units > UNITS_MAX { Err(MessageError::TooLarge { units }) } else { Ok(()) }
}

/// Checks content, which begins at `start`.
fn check_content(canonical: &Canonical, content: &Range<usize>) -> Result<(), Member> {
    let text = &canonical.text;
    let content_text = text.get(content.clone()).unwrap_or_default();
    if let Some(sealed) = string(content_text) {
        return if is_encrypted(sealed) { Ok(()) } else { Err(Member::Content) };
    }
    if content_text.first() != Some(&b'{') {
        return Err(Member::Content);
    }
    let of_content = canonical.type_of.as_ref().filter(|(start, _)| *start == content.start);
    let value = of_content.and_then(|(_, value)| text.get(value.clone()));
    let units = value.and_then(string).map(string_units);
    if units.is_some_and(|units| (TYPE_UNITS_MIN..=TYPE_UNITS_MAX).contains(&units)) {
        Ok(())
    } else {
        Err(Member::ContentType)
    }
}

/// Reads a canonical text as a message.
pub(super) fn shape(canonical: &mut Canonical) -> Result<Shape, MessageError> {
    check_size(&canonical.text)?;
    if canonical.is_moved {
        let text = canonical.text.clone();
        canonical.write(&text)?;
    }
    let text = &canonical.text;
    let [previous, second, third, timestamp, hash, content, signature] = canonical.members.as_slice() else {
        return Err(MessageError::Members);
    };
    if text.first() != Some(&b'{') {
        return Err(MessageError::Members);
    }
    let is_author_first = text.get(second.key.clone()) == Some(b"author");
    let (author, sequence) = if is_author_first { (second, third) } else { (third, second) };
    let content_span = content.value.clone();

    let previous = value(text, Some(previous), b"previous")?;
    let sequence = value(text, Some(sequence), b"sequence")?;
    let author = value(text, Some(author), b"author")?;
    let timestamp = value(text, Some(timestamp), b"timestamp")?;
    let hash = value(text, Some(hash), b"hash")?;
    value(text, Some(content), b"content")?;
    let signature = value(text, Some(signature), b"signature")?;

    let previous = match previous {
        b"null" => None,
        text => Some(string(text).and_then(message_id).ok_or(MessageError::Member(Member::Previous))?),
    };
    let is_sequence = |sequence: &u32| (1..=i32::MAX.unsigned_abs()).contains(sequence);
    let sequence = number(sequence).filter(is_sequence).ok_or(MessageError::Member(Member::Sequence))?;
    if (sequence == 1) != previous.is_none() {
        return Err(MessageError::First);
    }
    let author = string(author).and_then(feed).ok_or(MessageError::Member(Member::Author))?;
    let timestamp = number(timestamp).ok_or(MessageError::Member(Member::Timestamp))?;
    if hash != b"\"sha256\"" {
        return Err(MessageError::Member(Member::Hash));
    }
    let signature = string(signature)
        .and_then(|text| base64(text.strip_suffix(b".sig.ed25519")?))
        .ok_or(MessageError::Member(Member::Signature))?;
    check_content(canonical, &content_span).map_err(MessageError::Member)?;
    Ok(Shape { previous, author, sequence, timestamp, content_end: content_span.end, signature })
}
