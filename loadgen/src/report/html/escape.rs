//! Text from outside, made harmless.

use std::borrow::Cow;

use serde::Serialize;

/// Text for the inside of an element or of a quoted attribute.
///
/// Characters that would not be seen, or that turn the direction of what follows, are replaced: the name of a peer must not
/// be able to rearrange the row it stands in.
pub(crate) fn text(raw: &str) -> Cow<'_, str> {
    if !raw.chars().any(|c| matches!(c, '&' | '<' | '>' | '"' | '\'' | '`') || is_unseen(c)) {
        return Cow::Borrowed(raw);
    }
    let mut safe = String::with_capacity(raw.len() + 16);
    for c in raw.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '`' => safe.push_str("&#96;"),
            c if is_unseen(c) => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Line ends and tabs are fine; other control characters and the marks of direction are not.
fn is_unseen(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}

/// JSON for the inside of a `<script>`: `<` can only be in strings there, where it has another spelling. That covers `</script`
/// and also `<!--`, which would change how the rest is read.
pub(crate) fn json(data: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(data).map_or_else(|_| "null".to_owned(), |json| json.replace('<', "\\u003c"))
}

/// At most `most` characters, those in the middle replaced by an ellipsis: names often differ only at their ends. What comes
/// out still has to be escaped.
pub(crate) fn squeezed(raw: &str, most: usize) -> Cow<'_, str> {
    let count = raw.chars().count();
    if count <= most {
        return Cow::Borrowed(raw);
    }
    let kept = most.saturating_sub(1);
    let (before, after) = (kept.div_ceil(2), kept / 2);
    Cow::Owned(raw.chars().take(before).chain(['…']).chain(raw.chars().skip(count - after)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(text("<b a='1' c=\"2\">&`"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;&#96;");
        assert!(matches!(text("push-mux 64 KiB"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(text("a\u{202e}b\u{0}c\nd"), "a\u{fffd}b\u{fffd}c\nd");
    }

    #[test]
    fn json_cannot_end_its_script() {
        let hostile = ["</script><script>alert(1)</script>", "<!--"];
        let json = json(&hostile);
        assert!(!json.contains('<'), "{json}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).expect("still JSON"), hostile);
    }

    #[test]
    fn what_is_not_a_number_is_null_in_json() {
        assert_eq!(json(&[f64::NAN, 1.5]), "[null,1.5]");
    }

    #[test]
    fn long_text_is_cut_in_the_middle_and_between_characters() {
        assert_eq!(squeezed("äöüß", 4), "äöüß");
        assert_eq!(squeezed("äöüßx", 4), "äö…x");
        assert_eq!((squeezed("ab", 0), squeezed("ab", 1)), ("…".into(), "…".into()));
    }
}
