//! The keys and records of the one key space, told apart by their first byte.
//!
//! | key | record |
//! |---|---|
//! | `m` author(32) sequence(4) | received(8) position(8) id(32) value |
//! | `i` id(32) | author(32) sequence(4) |
//! | `l` position(8) | author(32) sequence(4) |
//! | `h` author(32) | sequence(4) id(32) |
//! | `c` author(32) target(32) | stance(1) |
//! | `d` author(32), a feed that is being deleted | nothing |
//! | `v` key | value |
//! | `x` name | what the store knows of itself |
//!
//! Numbers are big-endian, so that keys sort as they count.

use super::{Contact, Head, Stance, StoreError, Stored};
use crate::{PublicKey, ssb::MessageId};
use bytes::Bytes;

/// Bytes of a message's record before its value.
const RECORD_HEAD_BYTES: usize = 48;

pub(super) const HEADS: &[u8] = b"h";
pub(super) const CONTACTS: &[u8] = b"c";
pub(super) const DOOMED: &[u8] = b"d";
pub(super) const LOG: &[u8] = b"l";
pub(super) const LOG_END: &[u8] = b"xlog_end";
pub(super) const FORMAT: &[u8] = b"xformat";

/// The place of a message: its feed and its sequence.
pub(super) type Place = (PublicKey, u32);

fn key<const N: usize>(kind: u8, parts: &[&[u8]]) -> [u8; N] {
    let mut key = [kind; N];
    let mut at = 1;
    for part in parts {
        key[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    debug_assert_eq!(at, N);
    key
}

pub(super) fn message((author, sequence): Place) -> [u8; 37] {
    key(b'm', &[&author.0, &sequence.to_be_bytes()])
}

pub(super) fn feed(author: &PublicKey) -> [u8; 33] {
    key(b'm', &[&author.0])
}

pub(super) fn id(id: &MessageId) -> [u8; 33] {
    key(b'i', &[&id.0])
}

pub(super) fn log(position: u64) -> [u8; 9] {
    key(b'l', &[&position.to_be_bytes()])
}

pub(super) fn head(author: &PublicKey) -> [u8; 33] {
    key(b'h', &[&author.0])
}

pub(super) fn contact(author: &PublicKey, target: &PublicKey) -> [u8; 65] {
    key(b'c', &[&author.0, &target.0])
}

pub(super) fn contacts(author: &PublicKey) -> [u8; 33] {
    key(b'c', &[&author.0])
}

pub(super) fn doomed(author: &PublicKey) -> [u8; 33] {
    key(b'd', &[&author.0])
}

pub(super) fn value(name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(b'v');
    key.extend_from_slice(name);
    key
}

pub(super) fn place_record((author, sequence): Place) -> [u8; 36] {
    let mut record = [0; 36];
    record[..32].copy_from_slice(&author.0);
    record[32..].copy_from_slice(&sequence.to_be_bytes());
    record
}

pub(super) fn head_record(head: &Head) -> [u8; 36] {
    let mut record = [0; 36];
    record[..4].copy_from_slice(&head.sequence.to_be_bytes());
    record[4..].copy_from_slice(&head.id.0);
    record
}

pub(super) fn message_record(received_ms: f64, position: u64, id: &MessageId, value: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(RECORD_HEAD_BYTES + value.len());
    record.extend_from_slice(&received_ms.to_be_bytes());
    record.extend_from_slice(&position.to_be_bytes());
    record.extend_from_slice(&id.0);
    record.extend_from_slice(value);
    record
}

pub(super) fn stance_record(stance: Stance) -> [u8; 1] {
    [match stance {
        Stance::Follows => 1,
        Stance::Blocks => 2,
        Stance::Neutral => 0,
    }]
}

/// What a damaged key or record is answered with: the engine checks sums, so it is a bug or a foreign store.
fn unreadable(what: &str) -> StoreError {
    StoreError::Damaged(format!("it holds a {what} of another form"))
}

fn split<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    Some((*first, rest))
}

pub(super) fn read_u64(bytes: &[u8]) -> Result<u64, StoreError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| unreadable("number"))
}

pub(super) fn read_position(key: &[u8]) -> Result<u64, StoreError> {
    read_u64(key.get(1..).unwrap_or_default())
}

pub(super) fn read_author(key: &[u8]) -> Result<PublicKey, StoreError> {
    let bytes = key.get(1..).unwrap_or_default();
    bytes.try_into().map(PublicKey).map_err(|_| unreadable("feed"))
}

pub(super) fn read_place(record: &[u8]) -> Result<Place, StoreError> {
    let read = || {
        let (author, rest) = split::<32>(record)?;
        Some((PublicKey(author), u32::from_be_bytes(rest.try_into().ok()?)))
    };
    read().ok_or_else(|| unreadable("place"))
}

pub(super) fn read_head(record: &[u8]) -> Result<Head, StoreError> {
    let read = || {
        let (sequence, rest) = split::<4>(record)?;
        Some(Head { sequence: u32::from_be_bytes(sequence), id: MessageId(rest.try_into().ok()?) })
    };
    read().ok_or_else(|| unreadable("head"))
}

pub(super) fn read_contact(key: &[u8], record: &[u8]) -> Result<Contact, StoreError> {
    let read = || {
        let (author, target) = split::<32>(key.get(1..)?)?;
        let stance = match record {
            [0] => Stance::Neutral,
            [1] => Stance::Follows,
            [2] => Stance::Blocks,
            _ => return None,
        };
        Some(Contact { author: PublicKey(author), target: PublicKey(target.try_into().ok()?), stance })
    };
    read().ok_or_else(|| unreadable("contact"))
}

/// A message and its position in the log, out of its key and record. The value shares the record's bytes.
pub(super) fn read_message(key: &[u8], record: Bytes) -> Result<(u64, Stored), StoreError> {
    let read = || {
        let (author, sequence) = read_place(key.get(1..)?).ok()?;
        let (received, rest) = split::<8>(&record)?;
        let (position, rest) = split::<8>(rest)?;
        let (id, _) = split::<32>(rest)?;
        let stored = Stored {
            id: MessageId(id),
            author,
            sequence,
            received_ms: f64::from_be_bytes(received),
            value: record.slice(RECORD_HEAD_BYTES..),
        };
        Some((u64::from_be_bytes(position), stored))
    };
    read().ok_or_else(|| unreadable("message"))
}
