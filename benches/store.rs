//! How fast feeds are stored and read again. Run by hand, in a directory on the disk in question:
//! `TMPDIR=/path cargo bench --bench store`, with `PUSH_MUX_BENCH_MESSAGES` for another number than 400,000.

use push_mux::{
    PublicKey,
    ssb::{
        MessageId,
        message::Message,
        store::{Bounds, Durability, Entry, FjallStore, Store, StoreOptions},
    },
};
use std::time::{Duration, Instant};

const FEEDS: u64 = 1_000;
const BATCH: usize = 128;
const VALUE_BYTES: usize = 600;

/// Bytes that do not compress better than signatures and keys do.
fn noise(state: &mut u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        chunk.copy_from_slice(&state.to_le_bytes());
    }
    bytes
}

struct Feed {
    author: PublicKey,
    sequence: u32,
    previous: Option<MessageId>,
}

impl Feed {
    fn next(&mut self, state: &mut u64) -> Entry {
        let mut value = format!("{{\"author\":\"{:?}\",\"content\":\"", self.author).into_bytes();
        while value.len() < VALUE_BYTES {
            value.extend(noise(state).map(|byte| b'0' + byte % 64));
        }
        self.sequence += 1;
        let id = MessageId(noise(state));
        let previous = self.previous.replace(id);
        let timestamp = f64::from(self.sequence);
        let (author, sequence) = (self.author, self.sequence);
        let message = Message { author, sequence, previous, id, timestamp, value: value.into() };
        Entry { message, received_ms: timestamp, contact: None }
    }
}

fn rate(what: &str, messages: usize, begun: Instant) {
    #[expect(clippy::cast_precision_loss, reason = "a rate is printed")]
    let rate = messages as f64 / begun.elapsed().as_secs_f64();
    println!("{what:<48} {rate:>12.0} messages/s");
}

#[expect(clippy::disallowed_methods, reason = "time is what is measured")]
fn begin() -> Instant {
    Instant::now()
}

const BOUNDS: Bounds = Bounds { messages_max: BATCH, bytes_max: usize::MAX };

/// Appends so many messages as peers send them: runs of a feed, several peers at once, 16 messages of each of 8 feeds.
fn fill(store: &FjallStore, feeds: &mut [Feed], total: usize, state: &mut u64) -> usize {
    let mut spent = Duration::ZERO;
    let mut stored = 0;
    while stored < total {
        let mut batch = Vec::with_capacity(BATCH);
        for _ in 0..BATCH / 16 {
            let [low, high, ..] = noise(state);
            let at = usize::from(u16::from_le_bytes([low, high])) * feeds.len() / 65_536;
            batch.extend((0..16).map(|_| feeds[at].next(state)));
        }
        let begun = begin();
        store.append(&batch, Durability::Process).expect("the batch is stored");
        spent += begun.elapsed();
        stored += batch.len();
    }
    rate("append, 128 messages of 8 feeds", stored, begin() - spent);

    let begun = begin();
    for _ in 0..50 {
        store.append(&[feeds[0].next(state)], Durability::Disk).expect("the message is stored");
    }
    rate("append, one message, on the disk", 50, begun);
    stored
}

/// Reads all feeds, and returns the ids of some messages.
fn read_all(store: &FjallStore, feeds: &[Feed], what: &str) -> Vec<MessageId> {
    let begun = begin();
    let (mut count, mut ids) = (0, Vec::new());
    for feed in feeds {
        let mut from = 1;
        while from <= feed.sequence {
            let found = store.range(&feed.author, from, BOUNDS).expect("the range is read");
            from += u32::try_from(found.len()).expect("few");
            count += found.len();
            ids.extend(found.first().map(|stored| stored.id));
        }
    }
    rate(what, count, begun);
    ids
}

/// Reads the beginnings of a few feeds again and again.
fn read_few(store: &FjallStore, feeds: &[Feed], what: &str) {
    let begun = begin();
    let mut count = 0;
    for _ in 0..400 {
        for feed in feeds.iter().take(20) {
            count += store.range(&feed.author, 1, BOUNDS).expect("the range is read").len();
        }
    }
    rate(what, count, begun);
}

fn main() {
    let total = std::env::var("PUSH_MUX_BENCH_MESSAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(400_000);
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut feeds: Vec<_> = (0..FEEDS)
        .map(|_| Feed { author: PublicKey(noise(&mut state)), sequence: 0, previous: None })
        .collect();
    let dir = tempfile::tempdir().expect("a directory");
    let open = || FjallStore::open(dir.path(), StoreOptions::default()).expect("the store opens");
    let store = open();
    let stored = fill(&store, &mut feeds, total, &mut state);
    read_all(&store, &feeds, "range, all feeds, as written");
    read_few(&store, &feeds, "range, 20 feeds again and again, as written");
    let begun = begin();
    store.compact().expect("the tables are merged");
    println!("compact {:?}", begun.elapsed());
    drop(store);
    let begun = begin();
    let store = open();
    println!("open {:?}", begun.elapsed());
    let ids = read_all(&store, &feeds, "range, all feeds, first read");
    read_all(&store, &feeds, "range, all feeds, second read");
    read_few(&store, &feeds, "range, 20 feeds again and again");
    let begun = begin();
    let found = ids.iter().filter(|id| store.message(id).expect("the message is read").is_some()).count();
    rate("message by id", found, begun);
    let (begun, mut at) = (begin(), 0);
    loop {
        let found = store.log(at, BOUNDS).expect("the log is read");
        let Some((last, _)) = found.last() else { break };
        at = last + 1;
    }
    rate("log", stored, begun);
}
