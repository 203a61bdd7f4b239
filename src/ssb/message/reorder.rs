//! The order that V8 keeps the members of an object in: array indices first, ascending, then the others as they were first
//! named; a name used twice keeps its first place and its last value.

use super::canonical::Span;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Range,
};

/// Up to here comparing each key with each is the fastest. Beyond, keys are sorted: peers choose how many there are.
const PAIRS_MAX: usize = 16;

/// The array index that a key is.
fn index(key: &[u8]) -> Option<u32> {
    let is_index = match key {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 10 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let number = std::str::from_utf8(key).ok().filter(|_| is_index)?.parse().ok()?;
    (number < u32::MAX).then_some(number)
}

/// Whether the members stand as V8 would print them.
pub(super) fn is_in_order(text: &[u8], members: &[Span]) -> bool {
    let key = |span: &Span| text.get(span.key.clone()).unwrap_or_default();
    let may_be_index = |span: &Span| key(span).first().is_some_and(u8::is_ascii_digit);
    if members.iter().any(may_be_index) {
        let places = members.iter().map(|span| index(key(span)).map_or(u32::MAX, |index| index));
        if !places.is_sorted() {
            return false;
        }
    }
    if members.len() > PAIRS_MAX {
        let mut keys: Vec<&[u8]> = members.iter().map(key).collect();
        keys.sort_unstable();
        return keys.windows(2).all(|pair| !matches!(pair, [one, other] if one == other));
    }
    let mut rest = members;
    while let [one, others @ ..] = rest {
        if others.iter().any(|other| key(one) == key(other)) {
            return false;
        }
        rest = others;
    }
    true
}

/// The members in V8's order.
pub(super) fn in_order<'a>(members: Vec<Span>, of: impl Fn(&Range<usize>) -> &'a [u8]) -> Vec<Span> {
    let mut kept: Vec<Span> = Vec::with_capacity(members.len());
    let mut places: BTreeMap<&[u8], usize> = BTreeMap::new();
    for member in members {
        match places.entry(of(&member.key)) {
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(member);
            }
            Entry::Occupied(place) => {
                if let Some(first) = kept.get_mut(*place.get()) {
                    first.value = member.value;
                }
            }
        }
    }
    kept.sort_by_key(|member| index(of(&member.key)).map_or(u32::MAX, |index| index));
    kept
}
