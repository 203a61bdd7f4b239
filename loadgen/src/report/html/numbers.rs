//! Numbers as people read them.

use crate::report::row::Row;
use crate::report::table;

/// What a reader sees where there is no number.
pub(crate) const NONE: &str = "–";

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things: `10.4M`.
    Count,
    /// A ratio or a part of something: `0.92`.
    Plain,
    /// Microseconds: `85 µs`, `1.2 ms`.
    Micros,
    /// Bytes: `8.4 MB`, decimal as in the tables.
    Bytes,
    /// Seconds: `0.5 s`.
    Seconds,
    /// A part of all, as a percentile: `99.9 %`.
    Percentile,
}

impl Unit {
    /// The number with its unit, to three figures, without zeros at the end.
    pub(crate) fn write(self, number: f64) -> String {
        if !number.is_finite() {
            return NONE.to_owned();
        }
        match self {
            Self::Count | Self::Plain => trimmed(&table::short(number)),
            Self::Micros => scaled(number, &[(1e6, "s"), (1e3, "ms"), (1.0, "µs"), (1e-3, "ns")]),
            Self::Bytes => scaled(number, &[(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")]),
            Self::Seconds => format!("{} s", trimmed(&format!("{number:.2}"))),
            Self::Percentile if number >= 1.0 => "max".to_owned(),
            Self::Percentile => format!("{} %", trimmed(&format!("{:.5}", number * 100.0))),
        }
    }
}

/// In the largest unit that leaves something before the point; `units` from large to small.
fn scaled(number: f64, units: &[(f64, &str)]) -> String {
    // Where rounding to three figures would give 1000, the larger unit is the right one.
    let fits = |&&(size, _): &&(f64, &str)| number.abs() >= size * 0.9995;
    let Some(&(size, unit)) = units.iter().find(fits).or_else(|| units.last()) else {
        return NONE.to_owned();
    };
    if number == 0.0 {
        return "0".to_owned();
    }
    format!("{} {unit}", trimmed(&table::short(number / size)))
}

/// Without zeros that say nothing: `5.00M` is `5M`.
fn trimmed(text: &str) -> String {
    let (digits, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    format!("{digits}{unit}")
}

/// To three figures, and what there is in place of a number that is none.
pub(crate) fn short(number: f64) -> String {
    if number.is_finite() { table::short(number) } else { NONE.to_owned() }
}

/// Digits in threes, with the narrow space between them that does not break.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Bytes as the tables write them: `8.4`, in units of 1,000,000.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// Whether anything was measured: rows that failed at once hold zeros that mean nothing.
pub(crate) const fn is_measured(row: &Row) -> bool {
    !row.runs.is_empty() || row.messages > 0 || row.messages_per_second.is_some()
}

/// `1 run`, `3 runs`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number as u64), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_largest_that_fit() {
        for (unit, number, text) in [
            (Unit::Count, 5e6, "5M"),
            (Unit::Count, 10_440_000.0, "10.4M"),
            (Unit::Plain, 0.5, "0.5"),
            (Unit::Micros, 85.0, "85 µs"),
            (Unit::Micros, 999.96, "1 ms"),
            (Unit::Micros, 0.2, "200 ns"),
            (Unit::Micros, 2.5e6, "2.5 s"),
            (Unit::Bytes, 65_536.0, "65.5 kB"),
            (Unit::Bytes, 0.0, "0"),
            (Unit::Seconds, 0.5, "0.5 s"),
            (Unit::Seconds, 10.0, "10 s"),
            (Unit::Percentile, 0.999, "99.9 %"),
            (Unit::Percentile, 1.0, "max"),
        ] {
            assert_eq!(unit.write(number), text);
        }
    }

    #[test]
    fn what_is_no_number_is_a_dash() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!((Unit::Bytes.write(number), short(number)), (NONE.to_owned(), NONE.to_owned()));
        }
    }

    #[test]
    fn digits_stand_in_threes() {
        assert_eq!(
            (grouped(12), grouped(1_234_567)),
            ("12".to_owned(), "1\u{202f}234\u{202f}567".to_owned())
        );
        assert_eq!((counted(1, "run"), counted(0, "run")), ("1 run".to_owned(), "0 runs".to_owned()));
    }
}
