//! Frames as a raw peer writes and reads them, ids as that peer counts.

use bytes::Bytes;
use push_mux::wire::{Body, BodyKind, Decoder, Frame, GOODBYE, Header, Item};

pub(crate) fn text(text: &str) -> Body {
    Body::text(text)
}

pub(crate) fn json(json: &str) -> Body {
    Body::json(json.to_owned())
}

pub(crate) fn binary(bytes: usize) -> Body {
    Body::binary(vec![b'.'; bytes])
}

/// A data frame of a stream, or its opening.
pub(crate) fn data(id: i32, body: &Body) -> Vec<u8> {
    frame(id, true, false, body)
}

/// The end of a half.
pub(crate) fn end(id: i32, body: &Body) -> Vec<u8> {
    frame(id, true, true, body)
}

/// A request (positive id) or its answer (negative id).
pub(crate) fn ask(id: i32, body: &Body) -> Vec<u8> {
    frame(id, false, false, body)
}

/// An error in answer to a request.
pub(crate) fn fail(id: i32, body: &Body) -> Vec<u8> {
    frame(id, false, true, body)
}

pub(crate) fn frame(id: i32, stream: bool, end: bool, body: &Body) -> Vec<u8> {
    let body_bytes = u32::try_from(body.bytes.len()).expect("test bodies are short");
    let header = Header { id, stream, end, kind: body.kind, body_bytes };
    let mut wire = header.encode().to_vec();
    wire.extend_from_slice(&body.bytes);
    wire
}

/// Nine bytes that may lie about what follows.
pub(crate) fn raw_header(flags: u8, body_bytes: u32, id: i32) -> [u8; 9] {
    let mut head = [0; 9];
    head[0] = flags;
    head[1..5].copy_from_slice(&body_bytes.to_be_bytes());
    head[5..].copy_from_slice(&id.to_be_bytes());
    head
}

/// A frame as a line of a transcript.
pub(crate) fn show(frame: &Frame) -> String {
    let header = frame.header;
    let word = match (header.stream, header.end) {
        (true, false) => "data",
        (true, true) => "end",
        (false, false) => "ask",
        (false, true) => "fail",
    };
    format!("{} {word} {:?}", header.id, frame.body)
}

/// All frames that the decoder has whole, runs taken apart; the goodbye is `None`.
pub(crate) fn frames(decoder: &mut Decoder) -> Vec<Option<Frame>> {
    let mut frames = Vec::new();
    while let Some(item) = decoder.next_item().expect("the bytes are frames") {
        match item {
            Item::Frame(frame) => frames.push(Some(frame)),
            Item::Goodbye => frames.push(None),
            Item::Run(mut run) => {
                let id = run.id;
                while let Some(body) = run.pop() {
                    let body_bytes = u32::try_from(body.bytes.len()).expect("it came from a header");
                    frames.push(Some(Frame { header: Header::data(id, body.kind, body_bytes), body }));
                }
            }
        }
    }
    frames
}

/// The transcript of whole bytes.
pub(crate) fn transcript(decoder: &mut Decoder, bytes: Bytes) -> Vec<String> {
    decoder.push(bytes);
    frames(decoder).iter().map(|frame| frame.as_ref().map_or_else(|| "goodbye".to_owned(), show)).collect()
}

pub(crate) fn goodbye() -> Vec<u8> {
    GOODBYE.to_vec()
}

pub(crate) fn kind_named(name: &str) -> BodyKind {
    match name {
        "binary" => BodyKind::Binary,
        "text" => BodyKind::Text,
        _ => BodyKind::Json,
    }
}
