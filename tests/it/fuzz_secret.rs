//! The bodies of the fuzz targets of the layer `secret`, as plain functions over bytes.

use bytes::{Bytes, BytesMut};
use push_mux::secret::{
    ACCEPT_BYTES, AUTH_BYTES, BoxStreamError, HELLO_BYTES, Handshake, HandshakeError, Keypair, NetworkKey,
    Opened, Opener, Progress, SEGMENT_BYTES_MAX, Sealer,
};
use std::io::IoSlice;

const KEY: [u8; 32] = [5; 32];
const NONCE: [u8; 24] = [0xff; 24];

/// Who the input speaks to, and how far that one has come.
fn victim(choice: u8) -> (Handshake, usize) {
    let (ours, theirs) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
    let mut client =
        Handshake::client(&NetworkKey::MAIN, &ours, &theirs.public(), &[3; 32]).expect("the key is good");
    let mut server = Handshake::server(&NetworkKey::MAIN, &theirs, &[4; 32]);
    if choice & 2 != 0 {
        let _ = server.handle(&mut Bytes::copy_from_slice(&client.take_output())).expect("it is genuine");
    }
    if choice & 3 == 3 {
        let _ = client.handle(&mut Bytes::copy_from_slice(&server.take_output())).expect("it is genuine");
    }
    match choice & 3 {
        0 => (server, HELLO_BYTES),
        1 => (client, HELLO_BYTES),
        2 => (server, AUTH_BYTES),
        _ => (client, ACCEPT_BYTES),
    }
}

/// Bytes, cut in any way, into either role before any message: no panic, never a success, an error once a message is
/// whole (but for a hello, which the input may know from a corpus), and errors that stay.
pub(crate) fn handshake_bytes(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let (mut handshake, wanted) = victim(*first);
    let _ = handshake.take_output();
    let mut fed = 0;
    let mut failed: Option<HandshakeError> = None;
    for chunk in rest.chunks(usize::from(first >> 2).max(1)) {
        let mut bytes = Bytes::copy_from_slice(chunk);
        let result = handshake.handle(&mut bytes);
        fed += chunk.len();
        match (result, failed) {
            (Err(error), None) => failed = Some(error),
            (Err(error), Some(first)) => assert_eq!(error, first, "errors are sticky"),
            (Ok(Progress::NeedsMore), None) => {
                assert!(bytes.is_empty());
                assert!(fed < wanted || wanted == HELLO_BYTES, "a forged message is no message");
            }
            (result, failed) => panic!("{result:?} after {failed:?}"),
        }
        assert!(failed.is_none() || handshake.take_output().is_empty(), "nothing is sent after a failure");
    }
}

/// A stream that the input writes, cuts and damages: what opens is always the beginning of what was sealed.
pub(crate) fn boxstream_bytes(input: &[u8]) {
    let [write, cut, at, bit, body @ ..] = input else { return };
    let (mut sealer, mut wire) = (Sealer::new(&KEY, &NONCE), BytesMut::new());
    for piece in body.chunks(usize::from(*write) * 37 + 1) {
        let middle = piece.len() / 3;
        sealer.seal(&[IoSlice::new(&piece[..middle]), IoSlice::new(&piece[middle..])], &mut wire);
    }
    sealer.seal_goodbye(&mut wire);
    let is_damaged = bit & 8 != 0;
    if is_damaged {
        let at = usize::from(*at) * 257 % wire.len();
        wire[at] ^= 1 << (bit & 7);
    }
    let (mut opener, mut out) = (Opener::new(&KEY, &NONCE), BytesMut::new());
    let mut last = Ok(Opened::More);
    for chunk in wire.chunks(usize::from(*cut) * 33 + 1) {
        let result = opener.open(chunk, &mut out);
        assert!(last.is_ok() || result == last, "errors are sticky");
        assert!(body.starts_with(&out), "wrong plaintext");
        last = result;
    }
    if is_damaged {
        assert!(matches!(last, Err(BoxStreamError::HeaderForged | BoxStreamError::BodyForged)), "{last:?}");
        assert_eq!(opener.end(), last.map(drop));
    } else {
        assert_eq!((last, opener.end(), &out[..]), (Ok(Opened::Goodbye), Ok(()), body));
    }
    raw_bytes(body);
}

/// Bytes that nobody sealed yield nothing, and nothing is kept of them beyond a segment.
fn raw_bytes(bytes: &[u8]) {
    let (mut opener, mut out) = (Opener::new(&KEY, &NONCE), BytesMut::new());
    let result = opener.open(bytes, &mut out);
    let is_short = bytes.len() < 34;
    assert_eq!(result.is_ok(), is_short, "{result:?}");
    assert!(out.is_empty() && out.capacity() <= bytes.len() + SEGMENT_BYTES_MAX);
}
