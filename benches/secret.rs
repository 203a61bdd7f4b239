//! Handshake and box-stream in memory, beside what they are made of: the ciphers and the public-key operations alone, and
//! libsodium doing the same.

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dryoc::classic::{
    crypto_core::{crypto_scalarmult, crypto_scalarmult_base},
    crypto_secretbox::{crypto_secretbox_detached, crypto_secretbox_open_detached},
};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use push_mux::secret::{Handshake, Keypair, NetworkKey, Opener, Progress, Sealer};
use std::{hint::black_box, io::IoSlice};

const KEY: [u8; 32] = [7; 32];
const NONCE: [u8; 24] = [9; 24];
const STREAM_BYTES: usize = 256 << 10;
const SEGMENT_BYTES: usize = 4096;
const SMALL_BYTES: usize = 64;
const SMALL_SEGMENTS: usize = 1000;

mod libsodium {
    use libsodium_sys::{crypto_secretbox_detached, crypto_secretbox_open_detached, sodium_init};

    pub(super) fn init() {
        // SAFETY: may be called at any time, any number of times.
        assert!(unsafe { sodium_init() } >= 0);
    }

    pub(super) fn seal(
        cipher: &mut [u8],
        mac: &mut [u8; 16],
        plain: &[u8],
        nonce: &[u8; 24],
        key: &[u8; 32],
    ) {
        assert!(cipher.len() == plain.len());
        let len = plain.len() as u64;
        // SAFETY: all pointers are valid for the lengths that the function documents, `cipher` for `len` bytes.
        unsafe {
            let (cipher, mac) = (cipher.as_mut_ptr(), mac.as_mut_ptr());
            crypto_secretbox_detached(cipher, mac, plain.as_ptr(), len, nonce.as_ptr(), key.as_ptr());
        }
    }

    pub(super) fn open(plain: &mut [u8], cipher: &[u8], mac: &[u8; 16], nonce: &[u8; 24], key: &[u8; 32]) {
        assert!(cipher.len() == plain.len());
        let len = plain.len() as u64;
        // SAFETY: all pointers are valid for the lengths that the function documents, `plain` for `len` bytes.
        let result = unsafe {
            let (plain, cipher) = (plain.as_mut_ptr(), cipher.as_ptr());
            crypto_secretbox_open_detached(plain, cipher, mac.as_ptr(), len, nonce.as_ptr(), key.as_ptr())
        };
        assert_eq!(result, 0);
    }
}

/// Counts as the box-stream does.
fn increment(nonce: &mut [u8; 24]) -> [u8; 24] {
    let before = *nonce;
    let mut low = [0; 8];
    low.copy_from_slice(&nonce[16..]);
    nonce[16..].copy_from_slice(&u64::from_be_bytes(low).wrapping_add(1).to_be_bytes());
    before
}

fn boxes(c: &mut Criterion) {
    libsodium::init();
    let mut group = c.benchmark_group("box");
    for len in [18, SMALL_BYTES, SEGMENT_BYTES] {
        let (plain, mut cipher, mut opened) = (vec![5; len], vec![0; len], vec![0; len]);
        let mut mac = [0; 16];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("dryoc seal {len} B"), |b| {
            b.iter(|| crypto_secretbox_detached(&mut cipher, &mut mac, black_box(&plain), &NONCE, &KEY));
        });
        group.bench_function(format!("dryoc open {len} B"), |b| {
            b.iter(|| crypto_secretbox_open_detached(&mut opened, black_box(&cipher), &mac, &NONCE, &KEY));
        });
        group.bench_function(format!("libsodium seal {len} B"), |b| {
            b.iter(|| libsodium::seal(&mut cipher, &mut mac, black_box(&plain), &NONCE, &KEY));
        });
        group.bench_function(format!("libsodium open {len} B"), |b| {
            b.iter(|| libsodium::open(&mut opened, black_box(&cipher), &mac, &NONCE, &KEY));
        });
    }
    group.finish();
}

fn sealed(plain: &[u8], pieces: usize) -> BytesMut {
    let (mut sealer, mut out) = (Sealer::new(&KEY, &NONCE), BytesMut::new());
    plain.chunks(pieces).for_each(|piece| sealer.seal(&[IoSlice::new(piece)], &mut out));
    out
}

fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal");
    let plain = vec![5; STREAM_BYTES];
    let mut out = BytesMut::with_capacity(Sealer::sealed_len(STREAM_BYTES));
    let mut sealer = Sealer::new(&KEY, &NONCE);
    group.throughput(Throughput::Bytes(STREAM_BYTES as u64));
    for (name, slice) in [("256 KiB, one slice", STREAM_BYTES), ("256 KiB, slices of 1000 B", 1000)] {
        let slices: Vec<IoSlice<'_>> = plain.chunks(slice).map(IoSlice::new).collect();
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                sealer.seal(black_box(&slices), &mut out);
            });
        });
    }
    let mut nonce = NONCE;
    group.bench_function("256 KiB, libsodium", |b| {
        b.iter(|| {
            out.clear();
            for body in black_box(&plain).chunks(SEGMENT_BYTES) {
                let (mut header, mut sealed, mut mac, mut body_mac) = ([0; 18], [0; 18], [0; 16], [0; 16]);
                let start = out.len();
                out.resize(start + 34 + body.len(), 0);
                let header_nonce = increment(&mut nonce);
                libsodium::seal(&mut out[start + 34..], &mut body_mac, body, &increment(&mut nonce), &KEY);
                header[2..].copy_from_slice(&body_mac);
                libsodium::seal(&mut sealed, &mut mac, &header, &header_nonce, &KEY);
                out[start..start + 16].copy_from_slice(&mac);
                out[start + 16..start + 34].copy_from_slice(&sealed);
            }
        });
    });
    group.throughput(Throughput::Elements(SMALL_SEGMENTS as u64));
    group.bench_function("1000 segments of 64 B", |b| {
        b.iter(|| {
            out.clear();
            for body in black_box(&plain).chunks(SMALL_BYTES).take(SMALL_SEGMENTS) {
                sealer.seal(&[IoSlice::new(body)], &mut out);
            }
        });
    });
    group.finish();
}

fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    let plain = vec![5; STREAM_BYTES];
    let wire = sealed(&plain, STREAM_BYTES);
    let mut out = BytesMut::with_capacity(2 * STREAM_BYTES);
    group.throughput(Throughput::Bytes(STREAM_BYTES as u64));
    for (name, chunk) in [("256 KiB, one chunk", wire.len()), ("256 KiB, chunks of 16 KiB", 16 << 10)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                let mut opener = Opener::new(&KEY, &NONCE);
                for chunk in black_box(&wire).chunks(chunk) {
                    let _ = opener.open(chunk, &mut out).expect("it is genuine");
                }
            });
        });
    }
    group.bench_function("256 KiB, libsodium", |b| {
        b.iter(|| {
            out.clear();
            let mut nonce = NONCE;
            for segment in black_box(&wire).chunks(34 + SEGMENT_BYTES) {
                let mut header = [0; 18];
                let mac = segment.first_chunk().expect("it is long");
                libsodium::open(&mut header, &segment[16..34], mac, &increment(&mut nonce), &KEY);
                let (start, body_mac) = (out.len(), header.last_chunk().expect("it is long"));
                out.resize(start + segment.len() - 34, 0);
                libsodium::open(&mut out[start..], &segment[34..], body_mac, &increment(&mut nonce), &KEY);
            }
        });
    });
    let wire = sealed(&plain[..SMALL_BYTES * SMALL_SEGMENTS], SMALL_BYTES);
    group.throughput(Throughput::Elements(SMALL_SEGMENTS as u64));
    group.bench_function("1000 segments of 64 B", |b| {
        b.iter(|| {
            out.clear();
            let _ = Opener::new(&KEY, &NONCE).open(black_box(&wire), &mut out).expect("it is genuine");
        });
    });
    group.finish();
}

fn handshake(c: &mut Criterion) {
    let (ours, theirs) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
    let network = NetworkKey::MAIN;
    let mut group = c.benchmark_group("handshake");
    group.bench_function("both sides", |b| {
        b.iter(|| {
            let mut client =
                Handshake::client(&network, &ours, &theirs.public(), &[3; 32]).expect("a good key");
            let mut server = Handshake::server(&network, &theirs, &[4; 32]);
            let pass = |from: &mut Handshake, to: &mut Handshake| {
                to.handle(&mut Bytes::copy_from_slice(&from.take_output())).expect("it is genuine")
            };
            let _ = pass(&mut client, &mut server);
            let _ = pass(&mut server, &mut client);
            let _ = pass(&mut client, &mut server);
            let outcome = server.accept().expect("it has proved who it is");
            let Progress::Done(same) = pass(&mut server, &mut client) else { panic!("it is over") };
            (outcome, same)
        });
    });
    let (scalar, signing) = ([3; 32], SigningKey::from_bytes(&[1; 32]));
    let (verifying, message) = (signing.verifying_key(), [6; 96]);
    let point = verifying.to_montgomery().to_bytes();
    let signature = signing.sign(&message);
    let mut shared = [0; 32];
    group.bench_function("base point times scalar", |b| {
        b.iter(|| crypto_scalarmult_base(&mut shared, black_box(&scalar)));
    });
    group.bench_function("point times scalar, ladder", |b| {
        b.iter(|| crypto_scalarmult(&mut shared, black_box(&scalar), &point));
    });
    group.bench_function("point times scalar, Edwards", |b| {
        b.iter(|| black_box(&verifying).to_edwards().mul_clamped(scalar).to_montgomery());
    });
    group.bench_function("decompress", |b| {
        b.iter(|| VerifyingKey::from_bytes(black_box(verifying.as_bytes())))
    });
    group.bench_function("sign", |b| b.iter(|| signing.sign(black_box(&message))));
    group.bench_function("verify", |b| b.iter(|| verifying.verify_strict(black_box(&message), &signature)));
    group.finish();
}

criterion_group!(benches, boxes, seal, open, handshake);
criterion_main!(benches);
