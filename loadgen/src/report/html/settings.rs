//! Settings as words, for any field that they have or will have.

use serde_json::{Map, Value};

use super::numbers::grouped;
use crate::plan::Settings;

/// Settings by name, as the JSON has them.
pub(crate) type Named = Map<String, Value>;

/// Names that read better otherwise, and the units of their numbers.
const WORDS: [(&str, &str, &str); 7] = [
    ("body", "body", " B"),
    ("credit", "credit", ""),
    ("delay_ms", "delay", " ms"),
    ("duration", "duration", " s"),
    ("megabits", "line", " Mbit/s"),
    ("rate", "rate", " msg/s"),
    ("warmup", "warmup", " s"),
];

/// The settings by name.
pub(crate) fn named(settings: &Settings) -> Named {
    match serde_json::to_value(settings) {
        Ok(Value::Object(named)) => named,
        _ => Named::new(),
    }
}

/// Names of the settings that are not the same in all.
pub(crate) fn differing<'a>(all: impl IntoIterator<Item = &'a Named>) -> Vec<String> {
    let mut all = all.into_iter();
    let Some(first) = all.next() else { return Vec::new() };
    let rest: Vec<&Named> = all.collect();
    first.keys().filter(|&key| rest.iter().any(|other| other.get(key) != first.get(key))).cloned().collect()
}

/// `credit 64 KiB`.
pub(crate) fn phrase(settings: &Named, key: &str) -> String {
    format!("{} {}", name(key), value(settings, key))
}

/// Some settings in one line.
pub(crate) fn phrases(settings: &Named, keys: &[String]) -> String {
    keys.iter().map(|key| phrase(settings, key)).collect::<Vec<_>>().join(", ")
}

/// A name for people.
pub(crate) fn name(key: &str) -> String {
    let known = WORDS.iter().find(|(known, ..)| *known == key);
    known.map_or_else(|| key.replace('_', " "), |(_, name, _)| (*name).to_owned())
}

/// A value for people, with its unit.
pub(crate) fn value(settings: &Named, key: &str) -> String {
    let unit = WORDS.iter().find(|(known, ..)| *known == key).map_or("", |(.., unit)| unit);
    match settings.get(key) {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(word)) => word.parse().map_or_else(|_| word.clone(), binary),
        Some(Value::Number(number)) => format!("{}{unit}", digits(number)),
        Some(other) => other.to_string(),
    }
}

/// The number in a value, for order; words such as `auto` have none.
pub(crate) fn number(settings: &Named, key: &str) -> Option<f64> {
    match settings.get(key)? {
        Value::Number(number) => number.as_f64(),
        Value::String(word) => word.parse().ok(),
        _ => None,
    }
}

fn digits(number: &serde_json::Number) -> String {
    if let Some(whole) = number.as_u64() {
        return grouped(whole);
    }
    match number.as_f64() {
        Some(whole) if whole.fract() == 0.0 && (0.0..1e15).contains(&whole) => grouped(whole as u64),
        Some(broken) => broken.to_string(),
        None => number.to_string(),
    }
}

/// Windows are powers of two more often than not, and are known by these names.
fn binary(bytes: u64) -> String {
    match bytes {
        mebi if mebi >= 1 << 20 && mebi.trailing_zeros() >= 20 => format!("{} MiB", mebi >> 20),
        kibi if kibi >= 1 << 10 && kibi.trailing_zeros() >= 10 => format!("{} KiB", kibi >> 10),
        other => format!("{} B", grouped(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut Settings)) -> Named {
        let mut settings = Settings::base();
        change(&mut settings);
        named(&settings)
    }

    #[test]
    fn only_what_differs_is_named() {
        let (one, other) =
            (with(|_| ()), with(|settings| settings.credit = "65536".parse().expect("a window")));
        assert_eq!(differing([&one, &other, &one]), ["credit"]);
        assert!(differing([&one]).is_empty() && differing([]).is_empty());
        assert_eq!(phrases(&other, &["credit".to_owned(), "body".to_owned()]), "credit 64 KiB, body 64 B");
    }

    #[test]
    fn values_have_their_units() {
        let settings = with(|settings| {
            settings.rate = Some(20_000.0);
            settings.delay_ms = 0.5;
            settings.credit = "1000".parse().expect("a window");
        });
        let values = ["rate", "delay_ms", "credit", "messages", "transport", "no_such"];
        let values = values.map(|key| value(&settings, key));
        assert_eq!(values, ["20\u{202f}000 msg/s", "0.5 ms", "1\u{202f}000 B", "none", "tcp", "none"]);
    }

    #[test]
    fn words_have_no_number() {
        let settings = with(|_| ());
        assert_eq!((number(&settings, "credit"), number(&settings, "body")), (None, Some(64.0)));
    }
}
