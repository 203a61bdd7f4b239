use std::{borrow::Cow, fmt};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A name and its data, the piece that addresses are made of. The data of a transform may hold secrets, so they are wiped
/// on drop and not shown by [`Debug`].
#[derive(Clone, PartialEq, Eq, Hash, Zeroize, ZeroizeOnDrop)]
pub struct Protocol {
    /// The name: two or more of `a-z`, `0-9` and `-`, a letter first.
    pub name: String,
    /// The data, unescaped.
    pub data: Vec<String>,
}

impl Protocol {
    /// Reads one; `None` when a `!` escapes nothing. The name may still be no name.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut pieces = split(text, ':');
        let name = unescape(pieces.next().unwrap_or_default())?;
        Some(Self { name, data: pieces.map(unescape).collect::<Option<_>>()? })
    }

    pub(super) fn has_name(&self) -> bool {
        is_name(&self.name)
    }

    /// The data in one piece, for those that give colons a meaning of their own.
    pub(super) fn joined(&self) -> String {
        self.data.join(":")
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.data.iter().try_for_each(|data| write!(f, ":{}", escape_all(data)))
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protocol").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What `multiserver-address` calls a name.
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.len() >= 2 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_part)
}

/// The pieces between delimiters that are not escaped, still escaped themselves.
pub(super) fn split(text: &str, delimiter: char) -> impl Iterator<Item = &str> {
    let mut is_escaped = false;
    text.split(move |c: char| {
        let is_plain = !is_escaped;
        is_escaped = is_plain && c == '!';
        is_plain && c == delimiter
    })
}

/// Takes escapes away; `None` when a `!` stands before anything but `! : ; ~`.
fn unescape(text: &str) -> Option<String> {
    // Exactly as long as it can get: a string that grows leaves copies that nobody wipes.
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '!' => chars.next().filter(|c| "!:;~".contains(*c))?,
            c => c,
        });
    }
    Some(plain)
}

fn escape<'a>(text: &'a str, special: &[char]) -> Cow<'a, str> {
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(2 * text.len());
    for c in text.chars() {
        if special.contains(&c) {
            escaped.push('!');
        }
        escaped.push(c);
    }
    Cow::Owned(escaped)
}

pub(super) fn escape_all(text: &str) -> Cow<'_, str> {
    escape(text, &['!', ':', ';', '~'])
}

/// For hosts, paths and the like, whose readers join what colons split. JavaScript prints them so.
pub(super) fn escape_but_colons(text: &str) -> Cow<'_, str> {
    escape(text, &['!', ';', '~'])
}
