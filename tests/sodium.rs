//! libsodium as the judge: what is sealed here opens there, and the other way round.

use bytes::BytesMut;
use push_mux::secret::{Opened, Opener, Sealer};
use std::io::IoSlice;

const KEY: [u8; 32] = [11; 32];
const HEADER_BOX_BYTES: usize = 34;
const MAC_BYTES: usize = 16;

/// libsodium's `crypto_secretbox`, MAC first.
fn secretbox(plain: &[u8], nonce: &[u8; 24]) -> Vec<u8> {
    let mut sealed = vec![0; MAC_BYTES + plain.len()];
    // SAFETY: the pointers are valid for the lengths that the function documents, `sealed` for 16 bytes more than `plain`.
    let result = unsafe {
        assert!(libsodium_sys::sodium_init() >= 0);
        let (sealed, len) = (sealed.as_mut_ptr(), plain.len() as u64);
        libsodium_sys::crypto_secretbox_easy(sealed, plain.as_ptr(), len, nonce.as_ptr(), KEY.as_ptr())
    };
    assert_eq!(result, 0);
    sealed
}

/// libsodium's `crypto_secretbox_open`.
fn secretbox_open(sealed: &[u8], nonce: &[u8; 24]) -> Option<Vec<u8>> {
    let mut plain = vec![0; sealed.len().checked_sub(MAC_BYTES)?];
    // SAFETY: the pointers are valid for the lengths that the function documents, `plain` for 16 bytes less than `sealed`.
    let result = unsafe {
        assert!(libsodium_sys::sodium_init() >= 0);
        let (plain, len) = (plain.as_mut_ptr(), sealed.len() as u64);
        libsodium_sys::crypto_secretbox_open_easy(plain, sealed.as_ptr(), len, nonce.as_ptr(), KEY.as_ptr())
    };
    (result == 0).then_some(plain)
}

/// libsodium's own counting is little-endian; box-stream's is not.
fn next(nonce: &mut [u8; 24]) -> [u8; 24] {
    let now = *nonce;
    for byte in nonce.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    now
}

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|index| ((index * 31 + len) % 256).to_le_bytes()[0]).collect()
}

/// Every length up to 300, those around powers of two and vector widths, and the longest.
fn lengths() -> Vec<usize> {
    let around = [384, 512, 640, 768, 1024, 1088, 1536, 2048, 3072, 4000, 4096]
        .into_iter()
        .flat_map(|len| (len - 3_usize..=len + 3).filter(|len| *len <= 4096));
    (1..=300).chain(around).collect()
}

fn nonces() -> [[u8; 24]; 3] {
    let mut before_carry = [3; 24];
    before_carry[16..].fill(0xff);
    before_carry[23] = 0xf0;
    [[3; 24], before_carry, [0xff; 24]]
}

#[test]
fn libsodium_opens_what_is_sealed_here() {
    for start in nonces() {
        let (mut sealer, mut nonce) = (Sealer::new(&KEY, &start), start);
        for len in lengths() {
            let (plain, mut wire) = (plain(len), BytesMut::new());
            sealer.seal(&[IoSlice::new(&plain)], &mut wire);
            let (header_box, body) = wire.split_at(HEADER_BOX_BYTES);
            let header = secretbox_open(header_box, &next(&mut nonce)).expect("a header");
            assert_eq!(header[..2], u16::try_from(len).expect("at most 4096").to_be_bytes());
            let sealed = [&header[2..], body].concat();
            assert_eq!(secretbox_open(&sealed, &next(&mut nonce)), Some(plain), "{len} bytes");
        }
        let mut wire = BytesMut::new();
        sealer.seal_goodbye(&mut wire);
        assert_eq!(secretbox_open(&wire, &nonce), Some(vec![0; 18]), "the goodbye");
    }
}

#[test]
fn what_libsodium_sealed_opens_here() {
    for start in nonces() {
        let (mut opener, mut nonce) = (Opener::new(&KEY, &start), start);
        let mut out = BytesMut::new();
        for len in lengths() {
            let (plain, header_nonce) = (plain(len), next(&mut nonce));
            let body = secretbox(&plain, &next(&mut nonce));
            let length = u16::try_from(len).expect("at most 4096").to_be_bytes();
            let header = [&length[..], &body[..MAC_BYTES]].concat();
            let wire = [&secretbox(&header, &header_nonce)[..], &body[MAC_BYTES..]].concat();
            assert_eq!(opener.open(&wire, &mut out), Ok(Opened::More), "{len} bytes");
            assert_eq!(out.split(), plain);
        }
        assert_eq!(opener.open(&secretbox(&[0; 18], &nonce), &mut out), Ok(Opened::Goodbye));
    }
}
