use super::protocol::is_name;

/// Characters of the text that an error shows.
const SHOWN_CHARS_MAX: usize = 160;

/// Text that is no address: which, and what is wrong with it.
///
/// The text is shown without what may be secret, the data of transforms other than the key of `shs`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address: {fault}")]
pub struct AddressError {
    text: String,
    fault: String,
}

impl AddressError {
    pub(super) fn new(text: &str, fault: impl Into<String>) -> Self {
        let shown: Vec<String> = text.split(';').map(without_secrets).collect();
        Self { text: shortened(&shown.join(";")), fault: fault.into() }
    }

    /// For invites of the old form, where all after the first `~` is secret.
    pub(super) fn of_legacy_invite(text: &str, fault: impl Into<String>) -> Self {
        let (shown, rest) = text.split_once('~').map_or((text, ""), |(shown, _)| (shown, "~..."));
        Self { text: shortened(shown) + rest, fault: fault.into() }
    }
}

fn without_secrets(alternative: &str) -> String {
    let mut pieces = alternative.split('~');
    // Whoever wrote a colon for the tilde has a seed here.
    let first = pieces.next().unwrap_or_default();
    let mut shown =
        first.split_once(":shs:").map_or_else(|| first.to_owned(), |(place, _)| format!("{place}:shs:..."));
    for piece in pieces {
        let (name, data) = piece.split_once(':').map_or((piece, None), |(name, data)| (name, Some(data)));
        shown.push('~');
        shown.push_str(if is_name(name) { name } else { "..." });
        match data {
            None => {}
            Some(data) if name == "shs" => {
                let (key, seed) = data.split_once(':').map_or((data, ""), |(key, _)| (key, ":..."));
                shown.extend([":", key, seed]);
            }
            Some(_) => shown.push_str(":..."),
        }
    }
    shown
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "...",
        None => text.to_owned(),
    }
}
