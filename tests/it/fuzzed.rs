//! The fuzz bodies, as ordinary tests: shrunk when they fail, and a longer run from a printed seed.

#[cfg(feature = "ssb")]
use crate::fuzz_notes;
use crate::{fuzz_bodies, fuzz_secret};
use proptest::prelude::*;

/// Bytes from a seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("below a usize")
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// Bytes that are frames more often than chance would have it.
fn frame_like(random: &mut Random) -> Vec<u8> {
    let mut bytes = random.bytes(1);
    for _ in 0..random.below(60) {
        let id = [1, 2, 3, 4, 5, 1, -2, -3, -1, 0, 9][random.below(11)];
        let (flags, body) = match random.below(8) {
            0 => (0b1001, b"control".to_vec()),
            1 => (0b1010, format!("[{},{}]", -id, random.next() % 100_000).into_bytes()),
            2 => (0b1110, b"true".to_vec()),
            3 => (0b1110, br#"{"message":"no"}"#.to_vec()),
            4 => (0b0010, b"{}".to_vec()),
            5 => (0b0110, b"{}".to_vec()),
            6 => (u8::try_from(random.below(16)).expect("small"), random.bytes(4)),
            _ => (0b1000, vec![0; random.below(700) + 1]),
        };
        let body_bytes = u32::try_from(body.len()).expect("short");
        bytes.extend(crate::frames::raw_header(flags, body_bytes, id));
        bytes.extend(body);
    }
    bytes
}

fn seeds(count: u64) -> impl Iterator<Item = Random> {
    let base = std::env::var("PUSH_MUX_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
    let first: u64 = base.unwrap_or(0x5eed);
    let count = if base.is_some() { 1 } else { count };
    (first..first + count).map(|seed| {
        // Shown only when the test fails.
        println!("PUSH_MUX_FUZZ_SEED={seed}");
        Random(seed)
    })
}

#[test]
fn seeded_bytes_into_the_decoder() {
    for mut random in seeds(300) {
        let mut bytes = frame_like(&mut random);
        fuzz_bodies::decoder_bytes(&bytes);
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        fuzz_bodies::decoder_bytes(&bytes);
    }
}

#[test]
fn seeded_bytes_into_a_session() {
    for mut random in seeds(400) {
        fuzz_bodies::session_bytes(&frame_like(&mut random));
    }
}

#[test]
fn seeded_operations_on_two_sessions() {
    for mut random in seeds(150) {
        let count = random.below(1500);
        fuzz_bodies::session_ops(&random.bytes(count));
    }
}

#[test]
fn seeded_bytes_into_handshakes() {
    for mut random in seeds(60) {
        let count = random.below(260);
        fuzz_secret::handshake_bytes(&random.bytes(count));
    }
}

#[test]
fn seeded_box_streams() {
    for mut random in seeds(150) {
        let count = random.below(20_000);
        fuzz_secret::boxstream_bytes(&random.bytes(count));
    }
}

#[cfg(feature = "ssb")]
#[test]
fn seeded_notes_and_wants() {
    let key = push_mux::PublicKey([1; 32]);
    let blob = push_mux::ssb::BlobId([1; 32]);
    let parts = ["{", "}", ",", ":", "\"", "clock", "-1", "1.0", "1e9", "[", "]", "null", "\\u0040"];
    for mut random in seeds(300) {
        let mut text = String::from("{");
        for _ in 0..random.below(20) {
            let part = parts[random.below(parts.len())];
            match random.below(6) {
                0 => text.push_str(part),
                1 => text.push_str("\"clock\":{"),
                2 => text.push_str(&format!("\"{blob}\":-{},", random.below(4))),
                _ => text.push_str(&format!("\"{key}\":{},", random.next() % 1_000)),
            }
        }
        fuzz_notes::notes_bytes(text.as_bytes());
        fuzz_notes::notes_bytes((text.trim_end_matches(',').to_owned() + "}").as_bytes());
        let count = random.below(400);
        fuzz_notes::notes_bytes(&random.bytes(count));
    }
}

#[cfg(feature = "ssb")]
#[test]
fn seeded_operations_on_an_exchange() {
    for mut random in seeds(100) {
        let count = random.below(3_000);
        fuzz_notes::exchange_ops(&random.bytes(count));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn budgets_return_to_zero_and_nothing_is_lost_in_any_order(
        operations in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        fuzz_bodies::session_ops(&operations);
    }
}
