//! JSON in, JSON out as V8 prints it with an indent of two: `JSON.stringify(JSON.parse(text), null, 2)`.

use super::{DEPTH_MAX, MessageError, TEXT_BYTES_MAX, reader::Reader, reorder};
use std::ops::Range;

/// A line's end and its indent, at the deepest.
const NEWLINE: [u8; 2 * DEPTH_MAX + 1] = {
    let mut line = [b' '; 2 * DEPTH_MAX + 1];
    line[0] = b'\n';
    line
};
/// What the canonical text may grow to while it is written. Indents make it longer than what it is written from: a peer could
/// have 8 MB printed by 64 KiB. Whatever stays within this is then held to the size of a message.
const CANONICAL_BYTES_MAX: usize = 4 * TEXT_BYTES_MAX;

/// Where a member of an object stands in the canonical text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    /// Its key, without the quotes.
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

/// A buffer for canonical texts, kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    /// The text.
    pub(super) text: Vec<u8>,
    /// The members of the outermost object; while writing, of all objects that are open.
    pub(super) members: Vec<Span>,
    /// For the last object that was the value of an outermost member: where it begins and where the value of its `type` stands.
    pub(super) type_of: Option<(usize, Range<usize>)>,
    /// Whether the outermost members were moved, after which the places of `type_of` are those of before.
    pub(super) is_moved: bool,
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Read {
    /// Where in the input the value stands.
    pub(super) value: Range<usize>,
    /// Whether that is already what V8 prints without an indent.
    pub(super) is_compact: bool,
}

impl Canonical {
    /// Writes the one value that the input is.
    pub(super) fn write(&mut self, input: &[u8]) -> Result<Read, MessageError> {
        if input.len() > TEXT_BYTES_MAX {
            return Err(MessageError::TextTooLong { bytes: input.len() });
        }
        if std::str::from_utf8(input).is_err() {
            return Err(MessageError::NotUtf8);
        }
        self.text.clear();
        self.members.clear();
        self.type_of = None;
        self.is_moved = false;
        let mut reader = Reader::new(input);
        reader.space();
        // Space around the value is no part of it.
        reader.is_compact = true;
        let start = reader.at;
        self.value(&mut reader, 0)?;
        let value = start..reader.at;
        let is_compact = reader.is_compact;
        reader.space();
        reader.end()?;
        Ok(Read { value, is_compact })
    }

    fn value(&mut self, reader: &mut Reader<'_>, depth: usize) -> Result<(), MessageError> {
        match reader.peek() {
            Some(b'"') => reader.string(&mut self.text),
            Some(b'{') => self.object(reader, depth),
            Some(b'[') => self.array(reader, depth),
            Some(b't') => reader.word(b"true", &mut self.text),
            Some(b'f') => reader.word(b"false", &mut self.text),
            Some(b'n') => reader.word(b"null", &mut self.text),
            _ => reader.number(&mut self.text),
        }
    }

    fn newline(&mut self, depth: usize) -> Result<(), MessageError> {
        let line = NEWLINE.get(..=2 * depth).ok_or(MessageError::TooDeep)?;
        self.text.extend_from_slice(line);
        if self.text.len() > CANONICAL_BYTES_MAX {
            return Err(MessageError::TooLarge { units: self.text.len() });
        }
        Ok(())
    }

    fn array(&mut self, reader: &mut Reader<'_>, depth: usize) -> Result<(), MessageError> {
        reader.skip(b'[')?;
        self.text.push(b'[');
        reader.space();
        if reader.peek() != Some(b']') {
            loop {
                self.newline(depth + 1)?;
                reader.space();
                self.value(reader, depth + 1)?;
                reader.space();
                if reader.peek() != Some(b',') {
                    break;
                }
                reader.skip(b',')?;
                self.text.push(b',');
            }
            self.newline(depth)?;
        }
        reader.skip(b']')?;
        self.text.push(b']');
        Ok(())
    }

    fn object(&mut self, reader: &mut Reader<'_>, depth: usize) -> Result<(), MessageError> {
        let start = self.text.len();
        let outer = self.members.len();
        reader.skip(b'{')?;
        self.text.push(b'{');
        reader.space();
        if reader.peek() != Some(b'}') {
            loop {
                self.newline(depth + 1)?;
                reader.space();
                self.member(reader, depth + 1)?;
                reader.space();
                if reader.peek() != Some(b',') {
                    break;
                }
                reader.skip(b',')?;
                self.text.push(b',');
            }
            if !reorder::is_in_order(&self.text, self.members.get(outer..).unwrap_or_default()) {
                let members = self.members.split_off(outer);
                let old = self.text.split_off(start + 1);
                reader.is_compact = false;
                self.is_moved = depth == 0;
                self.write_in_order(&old, members, start + 1, depth)?;
            }
            self.newline(depth)?;
        }
        reader.skip(b'}')?;
        self.text.push(b'}');
        if depth == 1 {
            let of_type = |span: &&Span| self.text.get(span.key.clone()) == Some(b"type");
            let found = self.members.get(outer..).unwrap_or_default().iter().find(of_type);
            self.type_of = found.map(|span| (start, span.value.clone()));
        }
        if depth > 0 {
            self.members.truncate(outer);
        }
        Ok(())
    }

    fn member(&mut self, reader: &mut Reader<'_>, depth: usize) -> Result<(), MessageError> {
        let key = self.text.len() + 1;
        reader.string(&mut self.text)?;
        let key = key..self.text.len() - 1;
        reader.space();
        reader.skip(b':')?;
        self.text.extend_from_slice(b": ");
        reader.space();
        let value = self.text.len();
        self.value(reader, depth)?;
        self.members.push(Span { key, value: value..self.text.len() });
        Ok(())
    }

    /// Writes the members of an object again, in the order that V8 gives them; `old` is what was written of them, from `base` on.
    fn write_in_order(
        &mut self,
        old: &[u8],
        members: Vec<Span>,
        base: usize,
        depth: usize,
    ) -> Result<(), MessageError> {
        let of = |range: &Range<usize>| old.get(range.start - base..range.end - base).unwrap_or_default();
        for (at, member) in reorder::in_order(members, of).into_iter().enumerate() {
            if at > 0 {
                self.text.push(b',');
            }
            self.newline(depth + 1)?;
            self.text.push(b'"');
            let key = self.text.len();
            self.text.extend_from_slice(of(&member.key));
            let key = key..self.text.len();
            self.text.extend_from_slice(b"\": ");
            let value = self.text.len();
            self.text.extend_from_slice(of(&member.value));
            self.members.push(Span { key, value: value..self.text.len() });
        }
        Ok(())
    }
}

/// The canonical text without its line ends and indents: what V8 prints without an indent.
pub(super) fn compact(canonical: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(canonical.len());
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in canonical {
        match byte {
            b'\n' | b' ' if !in_string => {}
            _ => {
                out.push(*byte);
                if *byte == b'"' && !is_escaped {
                    in_string = !in_string;
                }
            }
        }
        is_escaped = *byte == b'\\' && !is_escaped;
    }
    out
}
