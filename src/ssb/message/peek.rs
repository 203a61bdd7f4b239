use super::{reader::plain_bytes, shape::feed};
use crate::PublicKey;

/// What a text says it is, before anything else has been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// The feed.
    pub author: PublicKey,
    /// The place in it.
    pub sequence: u32,
}

/// The author and sequence of what may be a message's value, as JSON in any order and spacing; `None` if it is something else, such
/// as the notes of an EBT session, or has no content (npm `epidemic-broadcast-trees` tells messages from notes by these three). Neither allocates nor reads further than it must. Only [`Unchecked::parse`](super::Unchecked::parse)
/// knows whether it is a message: a text may name a member twice, of which this sees the first.
#[must_use]
pub fn peek(text: &[u8]) -> Option<Peeked> {
    let (mut author, mut sequence, mut has_content) = (None, None, false);
    let mut cursor = Cursor(text);
    cursor.take(b'{')?;
    loop {
        let key = cursor.string()?;
        // A note: what follows are ten thousand more.
        if key.first() == Some(&b'@') {
            return None;
        }
        cursor.take(b':')?;
        has_content |= key == b"content";
        if let (Some(author), Some(sequence), true) = (author, sequence, has_content) {
            return Some(Peeked { author, sequence });
        }
        match key {
            b"author" => author = Some(feed(cursor.string()?)?),
            b"sequence" => sequence = Some(cursor.sequence()?),
            _ => cursor.value()?,
        }
        if let (Some(author), Some(sequence), true) = (author, sequence, has_content) {
            return Some(Peeked { author, sequence });
        }
        cursor.take(b',')?;
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.space();
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    /// What stands between the quotes, escapes and all.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let text = self.0;
        let mut end = 0;
        loop {
            end += plain_bytes(text.get(end..)?);
            match text.get(end)? {
                b'"' => break,
                b'\\' => end += 2,
                _ => return None,
            }
        }
        self.0 = text.get(end + 1..)?;
        text.get(..end)
    }

    /// A number, or a word.
    fn word(&mut self) -> &'a [u8] {
        let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
        let (word, rest) = self.0.split_at(self.0.iter().position(is_end).unwrap_or(self.0.len()));
        self.0 = rest;
        word
    }

    fn sequence(&mut self) -> Option<u32> {
        self.space();
        let text = std::str::from_utf8(self.word())
            .ok()
            .filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))?;
        if let Ok(sequence) = text.parse() {
            return Some(sequence);
        }
        // As a double that is an integer: `1.0`.
        let number: f64 = text.parse().ok()?;
        let mut buffer = ryu_js::Buffer::new();
        buffer.format(number).parse().ok()
    }

    /// Skips any value.
    fn value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.space();
            match self.0 {
                [b'"', ..] => drop(self.string()?),
                [b'{' | b'[', rest @ ..] => {
                    self.0 = rest;
                    depth += 1;
                }
                [b'}' | b']', rest @ ..] => {
                    self.0 = rest;
                    depth = depth.checked_sub(1)?;
                }
                [b',' | b':', rest @ ..] if depth > 0 => self.0 = rest,
                _ => {
                    if self.word().is_empty() {
                        return None;
                    }
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}
