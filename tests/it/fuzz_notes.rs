//! Bodies of fuzz targets for what peers say of feeds and blobs; ordinary tests run them with seeded input.

use push_mux::{
    PublicKey,
    ssb::{
        BlobId,
        ebt::{Clock, Exchange, ExchangeLimits, Local, Note, NoteError, Role},
        wants::{Wants, WantsLimits},
    },
};
use std::collections::BTreeSet;

/// Feeds 0 to 15 of one repeated byte, as they are here.
#[derive(Default)]
struct Feeds {
    sequences: [u32; 16],
    is_unwanted: [bool; 16],
    is_blocked: [bool; 16],
}

impl Feeds {
    fn at(feed: &PublicKey) -> Option<usize> {
        let first = usize::from(feed.0[0]);
        (first < 16 && feed.0 == [feed.0[0]; 32]).then_some(first)
    }
}

impl Local for Feeds {
    fn sequence(&self, feed: &PublicKey) -> u32 {
        Self::at(feed).map_or(0, |at| self.sequences[at])
    }

    fn wants(&self, feed: &PublicKey) -> bool {
        Self::at(feed).is_some_and(|at| !self.is_unwanted[at])
    }

    fn may_send(&self, feed: &PublicKey) -> bool {
        Self::at(feed).is_none_or(|at| !self.is_blocked[at])
    }

    fn for_each_wanted(&self, visit: &mut dyn FnMut(&PublicKey)) {
        (0..16).map(feed).filter(|feed| self.wants(feed)).for_each(|feed| visit(&feed));
    }
}

fn feed(number: u8) -> PublicKey {
    PublicKey([number % 16; 32])
}

/// Bytes as notes: what is read is bounded, and reads back from what is written of it. The same bytes as wants do no harm.
pub(crate) fn notes_bytes(input: &[u8]) {
    match Note::read_all(input, 8) {
        Ok(notes) => {
            assert!(notes.len() <= 8);
            for (_, note) in notes {
                assert!(note.sequence().is_none_or(|sequence| sequence < 1 << 30));
                assert_eq!(Note::from_number(note.number().into()), note);
            }
        }
        Err(NoteError::TooMany { entries_max }) => assert_eq!(entries_max, 8),
        Err(NoteError::Json(_)) => {}
    }
    let mut wants = Wants::new(WantsLimits { shared_max: 4, ..WantsLimits::default() });
    wants.handle_open(1, feed(1));
    // What was asked for before a fault stands, and is within the bound.
    let _ = wants.handle_frame(1, input, |_: &BlobId| None);
    let mut frame = Vec::new();
    assert!(wants.poll_frame(1, &mut frame));
    assert!(frame.len() <= 2 + 4 * 76, "{}", frame.len());
    let saved = Clock::from_bytes(input);
    assert!(saved.is_ok_and(|clock| clock.len() <= input.len() / 36) || !input.len().is_multiple_of(36));
}

/// Pairs of bytes as things that happen to an exchange, after any saved clock: nothing crosses twice, nothing goes to whom it must not, and
/// what is kept is bounded.
pub(crate) fn exchange_ops(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let mut local = Feeds::default();
    let role = if first & 1 == 0 { Role::Acceptor } else { Role::Opener };
    let limits =
        ExchangeLimits { unwanted_max: 4, answers_max: 4, note_bytes_max: 300, ..Default::default() };
    let saved = rest
        .get(..36 * 3)
        .map_or_else(Clock::default, |bytes| Clock::from_bytes(bytes).expect("of that length"));
    let mut exchange = Exchange::new(role, saved, limits, &local);
    let mut crossed = BTreeSet::new();
    for pair in rest.chunks_exact(2) {
        let (feed, number) = (feed(pair[1] >> 4), u32::from(pair[1] & 15));
        let at = Feeds::at(&feed).expect("one of them");
        match pair[0] % 10 {
            0 | 1 => {
                let note = if number == 15 { Note::NONE } else { Note::new(number, pair[0] % 20 < 10) };
                let strange = PublicKey([pair[0]; 32]);
                let frame = format!("{{\"{feed}\":{},\"{strange}\":{number}}}", note.number());
                exchange.handle_notes(frame.as_bytes(), &local, |_| {}).expect("notes");
                for (feed, note) in Note::read_all(frame.as_bytes(), 2).expect("notes") {
                    if note == Note::NONE {
                        crossed.retain(|(other, _)| *other != feed);
                    }
                }
            }
            2 => drop(exchange.handle_message(&feed, number, &local)),
            3 | 4 => {
                local.sequences[at] += number;
                exchange.handle_appended(&feed, &local);
            }
            5 => {
                local.is_unwanted[at] = number < 5;
                local.is_blocked[at] = number > 10;
                let _ = exchange.handle_wanted(&feed, &local);
            }
            6 => exchange.set_receive(&feed, number < 8, &local),
            7 if number == 0 => exchange.refuse(&feed),
            7 | 8 => {
                let mut frame = Vec::new();
                if exchange.poll_notes(&local, &mut frame) {
                    assert!(frame.len() <= 300);
                    Note::read_all(&frame, 100).expect("what we write can be read");
                }
            }
            _ => send(&mut exchange, &local, number, &mut crossed),
        }
        assert!(exchange.feeds() <= 16 + 4);
        assert!(exchange.clock().len() <= 16 + 4);
    }
}

fn send(exchange: &mut Exchange, local: &Feeds, count: u32, crossed: &mut BTreeSet<(PublicKey, u32)>) {
    let Some((feed, from)) = exchange.poll_send(local) else { return };
    assert!(local.wants(&feed) && local.may_send(&feed));
    let mut sent = 0;
    for sequence in (from..=local.sequence(&feed)).take(count as usize) {
        assert!(exchange.owes(&feed, sequence, local));
        assert!(crossed.insert((feed, sequence)), "{feed}:{sequence} twice");
        sent = sequence;
    }
    exchange.handle_sent(&feed, sent, local);
}
