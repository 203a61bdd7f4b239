//! The notes of `ebt.replicate`: how far a peer has each feed, and whether it wants more.

use std::fmt::Write;

use push_mux::PublicKey;
use push_mux::ssb::ebt::Note;

/// Entries of a frame of ours.
const ENTRIES: usize = 500;

/// Entries that a frame of the pub may have.
pub(super) const ENTRIES_MAX: usize = 1_000_000;

/// The argument of `ebt.replicate`.
pub(super) fn options() -> [serde_json::Value; 1] {
    [serde_json::json!({ "version": 3, "format": "classic" })]
}

/// Frames that say this of feeds.
pub(super) fn frames(notes: &[(PublicKey, Note)]) -> Vec<String> {
    notes.chunks(ENTRIES).map(frame).collect()
}

fn frame(notes: &[(PublicKey, Note)]) -> String {
    let mut frame = String::from("{");
    for (number, (feed, note)) in notes.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(frame, "{comma}\"{feed}\":{}", note.number());
    }
    frame.push('}');
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_say_what_they_are_told() {
        let notes: Vec<_> = (0..=u8::MAX)
            .flat_map(|byte| [1, 2, 3].map(|more| PublicKey([byte ^ more; 32])))
            .zip((0..).map(|sequence| Note::new(sequence, sequence % 2 == 0)))
            .collect();
        let frames = frames(&notes);
        assert_eq!(frames.len(), 2);
        let read = |frame: &String| Note::read_all(frame.as_bytes(), ENTRIES).expect("notes");
        assert_eq!(frames.iter().flat_map(read).collect::<Vec<_>>(), notes);
    }
}
