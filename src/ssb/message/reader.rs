use super::MessageError;

/// The most digits of which every integer is a double of its own, printed as it is written.
const EXACT_DIGITS: usize = 15;

/// A place in a JSON text, and whether what stands before it is written as V8 writes it.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    input: &'a [u8],
    pub(super) at: usize,
    pub(super) is_compact: bool,
}

impl<'a> Reader<'a> {
    /// The input is UTF-8.
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0, is_compact: true }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    const fn fault<T>(&self) -> Result<T, MessageError> {
        Err(MessageError::NotJson { at: self.at })
    }

    /// Skips white space.
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
            self.is_compact = false;
        }
    }

    pub(super) fn skip(&mut self, byte: u8) -> Result<(), MessageError> {
        if self.peek() != Some(byte) {
            return self.fault();
        }
        self.at += 1;
        Ok(())
    }

    pub(super) fn end(&self) -> Result<(), MessageError> {
        if self.at == self.input.len() { Ok(()) } else { self.fault() }
    }

    /// A word that stands for a value.
    pub(super) fn word(&mut self, word: &[u8], out: &mut Vec<u8>) -> Result<(), MessageError> {
        if !self.rest().starts_with(word) {
            return self.fault();
        }
        self.at += word.len();
        out.extend_from_slice(word);
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// A number, through a double as `JSON.parse` reads it.
    pub(super) fn number(&mut self, out: &mut Vec<u8>) -> Result<(), MessageError> {
        let start = self.at;
        let is_negative = self.peek() == Some(b'-');
        self.at += usize::from(is_negative);
        let has_zero = self.peek() == Some(b'0');
        let digits = self.digits();
        if digits == 0 || (has_zero && digits > 1) {
            return self.fault();
        }
        let mut is_integer = true;
        if self.peek() == Some(b'.') {
            is_integer = false;
            self.at += 1;
            if self.digits() == 0 {
                return self.fault();
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            is_integer = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return self.fault();
            }
        }
        let text = self.input.get(start..self.at).unwrap_or_default();
        if is_integer && digits <= EXACT_DIGITS && !(is_negative && has_zero) {
            out.extend_from_slice(text);
            return Ok(());
        }
        let Some(number) = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) else {
            return self.fault();
        };
        let from = out.len();
        number_into(number, out);
        self.is_compact &= out.get(from..) == Some(text);
        Ok(())
    }

    /// A string, quotes and all.
    pub(super) fn string(&mut self, out: &mut Vec<u8>) -> Result<(), MessageError> {
        self.skip(b'"')?;
        out.push(b'"');
        loop {
            let plain = plain_bytes(self.rest());
            out.extend_from_slice(self.rest().get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let (start, from) = (self.at, out.len());
                    self.escape(out)?;
                    self.is_compact &= out.get(from..) == self.input.get(start..self.at);
                }
                _ => return self.fault(),
            }
        }
        self.at += 1;
        out.push(b'"');
        Ok(())
    }

    /// An escape, written as V8 writes the character: as it is unless it is a control, a quote or a backslash.
    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), MessageError> {
        self.at += 1;
        let short = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                self.at += 1;
                let unit = self.hex()?;
                return self.unit(unit, out);
            }
            _ => return self.fault(),
        };
        self.at += 1;
        character_into(char::from(short), out);
        Ok(())
    }

    fn hex(&mut self) -> Result<u16, MessageError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit.and_then(|digit| u16::try_from(digit).ok()) else { return self.fault() };
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    /// A UTF-16 unit that an escape named, with its other half if it is half of a character and that follows.
    fn unit(&mut self, unit: u16, out: &mut Vec<u8>) -> Result<(), MessageError> {
        if (0xd800..0xdc00).contains(&unit) && self.rest().starts_with(b"\\u") {
            let after = self.at;
            self.at += 2;
            let low = self.hex()?;
            if let Some(Ok(character)) = char::decode_utf16([unit, low]).next() {
                character_into(character, out);
                return Ok(());
            }
            self.at = after;
        }
        match char::from_u32(unit.into()) {
            Some(character) => character_into(character, out),
            // V8 prints half a character as the escape it can only have come from, since Node 12.
            None => out.extend_from_slice(format!("\\u{unit:04x}").as_bytes()),
        }
        Ok(())
    }
}

/// A number as V8 prints it.
pub(super) fn number_into(number: f64, out: &mut Vec<u8>) {
    if number.is_finite() {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(number).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

fn character_into(character: char, out: &mut Vec<u8>) {
    let short = match character {
        '"' | '\\' => character,
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\0'..='\u{1f}' => {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            return;
        }
        _ => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return;
        }
    };
    out.push(b'\\');
    out.extend_from_slice(short.encode_utf8(&mut [0; 4]).as_bytes());
}

const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// How many bytes stand before the first quote, backslash or control, eight at a time.
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    // The high bit of each byte that is less than `n`, and of none before the first such: a borrow goes upwards only.
    let less = |word: u64, n: u8| word.wrapping_sub(each(n)) & !word & each(0x80);
    let (words, _) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = less(word, 0x20) | less(word ^ each(b'"'), 1) | less(word ^ each(b'\\'), 1);
        if found != 0 {
            return 8 * at + found.trailing_zeros() as usize / 8;
        }
    }
    let start = 8 * words.len();
    let rest = bytes.get(start..).unwrap_or_default().iter();
    start + rest.take_while(|byte| **byte >= 0x20 && **byte != b'"' && **byte != b'\\').count()
}
