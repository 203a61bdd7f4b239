//! The control stream: its two halves, and the arrays of grants it carries.

use crate::{flow::credit_from_number, wire::Body};
use bytes::BytesMut;
use serde_json::{Value, value::RawValue};
use std::fmt::Write as _;

/// The id of the control stream, on either side; used for nothing else.
pub const CONTROL_ID: i32 = 1;

/// The body that opens it, as text.
pub(crate) const CONTROL_NAME: &[u8] = b"control";

/// Sent once to a peer whose control stream is open: we grant ahead of reading, so no overdraft is needed. push-mux 1.0.7
/// ignores whatever is no array (measured); a peer of our own makes its windows exact.
pub(crate) const HELLO: &[u8] = br#"{"push-mux":2,"overdraft":0}"#;

/// Pairs in one control frame at the most: about 16 KiB of digits.
pub(crate) const PAIRS_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ours {
    #[default]
    Closed,
    Open,
    /// The peer refused it.
    Refused,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Theirs {
    #[default]
    Unseen,
    Open,
    Ended,
    /// Their id 1 is an ordinary stream.
    Ordinary,
}

/// State of the control stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Control {
    pub(crate) ours: Ours,
    pub(crate) theirs: Theirs,
    /// The peer speaks our extension.
    pub(crate) is_ours: bool,
    pub(crate) hello_sent: bool,
    /// Our offer was met with silence for as long as the overdraft could be doubled.
    pub(crate) is_unanswered: bool,
}

impl Control {
    /// Whether the peer limits us: its grants are needed for sending. While our offer is unanswered we hold back too.
    pub(crate) const fn limits_us(&self) -> bool {
        match (self.ours, self.theirs) {
            (Ours::Open, Theirs::Unseen) => !self.is_unanswered,
            (Ours::Open | Ours::Closed, Theirs::Open) => true,
            _ => false,
        }
    }

    /// Whether our grants have somewhere to go. Before the peer's own control stream is there, a peer without flow
    /// control would print each of them as an error.
    pub(crate) const fn can_grant(&self) -> bool {
        // One that ended its own half says nothing about ours: it still sends by our grants.
        matches!((self.ours, self.theirs), (Ours::Open, Theirs::Open | Theirs::Ended))
    }
}

/// What a control frame said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Pairs of the peer's id and total, those that made sense; and how many did not.
    Grants(Vec<(i32, u64)>, u32),
    /// The peer is one of ours and grants ahead of reading.
    Hello,
    /// Something from the future.
    Unknown,
}

/// Reads a control frame. `None` when it is no JSON.
pub(crate) fn read(body: &Body) -> Option<Message> {
    if let Some(pairs) = read_plain(&body.bytes) {
        return Some(Message::Grants(pairs, 0));
    }
    if body.bytes.trim_ascii_start().starts_with(b"[") {
        let values: Vec<&RawValue> = serde_json::from_slice(&body.bytes).ok()?;
        return Some(read_odd(&values));
    }
    match serde_json::from_slice(&body.bytes).ok()? {
        Value::Object(map) if map.contains_key("push-mux") => {
            let is_exact = map.get("overdraft").and_then(Value::as_u64) == Some(0);
            Some(if is_exact { Message::Hello } else { Message::Unknown })
        }
        _ => Some(Message::Unknown),
    }
}

/// Reads an array of plain integers, which is what every grant in use is, without building a tree.
fn read_plain(bytes: &[u8]) -> Option<Vec<(i32, u64)>> {
    let inner = bytes.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut pairs = Vec::with_capacity(inner.len() / 8 + 1);
    let mut numbers = inner.split(|byte| *byte == b',');
    while let Some(id) = numbers.next() {
        let (negative, digits) = match id.strip_prefix(b"-") {
            Some(digits) => (true, digits),
            None => (false, id),
        };
        let id = i32::try_from(read_digits(digits)?).ok()?;
        let total = read_digits(numbers.next()?)?;
        pairs.push((if negative { -id } else { id }, total));
    }
    Some(pairs)
}

fn read_digits(digits: &[u8]) -> Option<u64> {
    // Sixteen digits cover 2^53; longer numbers go the slow way, which clamps them.
    if digits.is_empty() || digits.len() > 15 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| match byte {
        b'0'..=b'9' => Some(number * 10 + u64::from(byte - b'0')),
        _ => None,
    })
}

/// Reads any array: numbers are taken, all else is an oddity; an odd tail is ignored.
///
/// Elements are read one by one, so that a number beyond every float, which JavaScript takes for infinity, spoils its own pair
/// and not the array.
fn read_odd(values: &[&RawValue]) -> Message {
    let mut pairs = Vec::new();
    let mut odd = u32::from(values.len() % 2 == 1);
    for pair in values.chunks_exact(2) {
        let id = pair[0].get().parse::<i32>().ok();
        let total = pair[1].get().parse::<f64>().ok().and_then(credit_from_number);
        match (id, total) {
            (Some(id), Some(total)) => pairs.push((id, total)),
            _ => odd += 1,
        }
    }
    Message::Grants(pairs, odd)
}

/// Writes an array of grants.
#[derive(Debug, Default)]
pub(crate) struct GrantArray {
    text: String,
    pairs: usize,
}

impl GrantArray {
    pub(crate) fn push(&mut self, id: i32, total: u64) {
        let lead = if self.pairs == 0 { '[' } else { ',' };
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{lead}{id},{total}");
        self.pairs += 1;
    }

    pub(crate) const fn pairs(&self) -> usize {
        self.pairs
    }

    /// The JSON text; empties the array.
    pub(crate) fn finish(&mut self) -> BytesMut {
        self.text.push(']');
        self.pairs = 0;
        let json = BytesMut::from(self.text.as_bytes());
        self.text.clear();
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(json: &'static str) -> Message {
        read(&Body::json(json)).expect("it is JSON")
    }

    #[test]
    fn plain_arrays_are_read() {
        assert_eq!(grants("[-2,98359,4,1000]"), Message::Grants(vec![(-2, 98359), (4, 1000)], 0));
        assert_eq!(grants("[]"), Message::Grants(vec![], 0));
        assert_eq!(grants("[ -2 , 5 ]\n"), Message::Grants(vec![(-2, 5)], 0));
    }

    #[test]
    fn what_is_no_credit_is_an_oddity_and_harms_nothing() {
        assert_eq!(grants(r#"[2,"20000",3,7]"#), Message::Grants(vec![(3, 7)], 1));
        assert_eq!(grants("[2,-1]"), Message::Grants(vec![], 1));
        assert_eq!(grants("[2,null,4]"), Message::Grants(vec![], 2));
        assert_eq!(grants("[[2],5]"), Message::Grants(vec![], 1));
        assert_eq!(grants("[2,1e300]"), Message::Grants(vec![(2, (1 << 53) - 1)], 0));
        assert_eq!(grants("[99999999999,5]"), Message::Grants(vec![], 1));
        assert_eq!(grants("[2,1e999,3,4]"), Message::Grants(vec![(3, 4)], 1));
        assert_eq!(grants("[2,12.9]"), Message::Grants(vec![(2, 12)], 0));
        assert_eq!(grants("{\"ping\":1}"), Message::Unknown);
        assert!(read(&Body::json("[2,5")).is_none());
        assert!(read(&Body::json("[,]")).is_none());
    }

    #[test]
    fn what_is_written_is_read() {
        let mut array = GrantArray::default();
        array.push(-2, 98_359);
        array.push(7, 1);
        assert_eq!(array.finish().as_ref(), b"[-2,98359,7,1]");
    }
}
