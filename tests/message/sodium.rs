//! libsodium as the judge of signatures, one by one, and crafted ones that naive batches take.

use bytes::Bytes;
use curve25519_dalek::{
    EdwardsPoint, Scalar,
    constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION},
};
use push_mux::{
    Keypair, PublicKey,
    ssb::message::{Unchecked, Verifier, create},
};
use sha2::{Digest, Sha512};

/// The rest of a message around the signature, as canonical text and as what is sent.
fn texts(author: &PublicKey, number: u32) -> (String, String) {
    let canonical = format!(
        "{{\n  \"previous\": null,\n  \"sequence\": 1,\n  \"author\": \"{author}\",\n  \"timestamp\": {number},\n  \"hash\": \"sha256\",\n  \
         \"content\": {{\n    \"type\": \"post\"\n  }}\n}}"
    );
    let sent = format!(
        "{{\"previous\":null,\"sequence\":1,\"author\":\"{author}\",\"timestamp\":{number},\"hash\":\"sha256\",\
         \"content\":{{\"type\":\"post\"}}"
    );
    (canonical, sent)
}

/// A message, and what libsodium says of its signature.
struct Case {
    name: String,
    unchecked: Unchecked,
    is_valid: bool,
}

fn case(name: &str, author: &PublicKey, number: u32, signature: &[u8; 64]) -> Case {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let (canonical, sent) = texts(author, number);
    // SAFETY: the pointers are valid for the lengths that the function documents: 64, the message's own, and 32 bytes.
    let result = unsafe {
        assert!(libsodium_sys::sodium_init() >= 0);
        libsodium_sys::crypto_sign_verify_detached(
            signature.as_ptr(),
            canonical.as_ptr(),
            canonical.len() as u64,
            author.0.as_ptr(),
        )
    };
    let sent = format!("{sent},\"signature\":\"{}.sig.ed25519\"}}", STANDARD.encode(signature));
    let unchecked = Unchecked::parse(&Bytes::from(sent), None).expect("its shape is right");
    Case { name: name.to_owned(), unchecked, is_valid: result == 0 }
}

fn challenge(r: &[u8; 32], author: &PublicKey, number: u32) -> Scalar {
    let (canonical, _) = texts(author, number);
    let hash = Sha512::new().chain_update(r).chain_update(author.0).chain_update(canonical);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn joined(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s);
    signature
}

/// A signature with parts of small order added to the key and to the point, made by whoever knows the secret; `number` is the message.
fn mixed(key_part: &EdwardsPoint, point_part: &EdwardsPoint, number: u32) -> (PublicKey, [u8; 64]) {
    let (secret, nonce) = (Scalar::from(0x1234_5678_9abc_u64), Scalar::from(u64::from(number) * 77 + 5));
    let author = PublicKey((secret * ED25519_BASEPOINT_POINT + key_part).compress().0);
    let r = (nonce * ED25519_BASEPOINT_POINT + point_part).compress().0;
    let s = nonce + challenge(&r, &author, number) * secret;
    (author, joined(r, s.to_bytes()))
}

fn flipped(mut bytes: [u8; 32]) -> [u8; 32] {
    bytes[31] ^= 0x80;
    bytes
}

/// Encodings of points whose coordinate is the prime or more.
fn not_canonical() -> Vec<[u8; 32]> {
    let encoding = |low: u8| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (low, 0x7f);
        bytes
    };
    (0xed..=0xff).map(encoding).collect()
}

/// The order of the group, little-endian.
fn order() -> [u8; 32] {
    let mut bytes = (-Scalar::ONE).to_bytes();
    bytes[0] += 1;
    bytes
}

fn plus(mut bytes: [u8; 32], other: &[u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    for (byte, other) in bytes.iter_mut().zip(other) {
        let sum = u16::from(*byte) + u16::from(*other) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    bytes
}

fn crafted() -> Vec<Case> {
    let none = EIGHT_TORSION[0];
    let mut cases = Vec::new();
    for (at, key_part) in EIGHT_TORSION.iter().enumerate() {
        for (with, point_part) in EIGHT_TORSION.iter().enumerate() {
            for number in 0..6 {
                let (author, signature) = mixed(key_part, point_part, number);
                cases.push(case(&format!("parts {at} and {with}, {number}"), &author, number, &signature));
            }
        }
        // Keys and points that are nothing but a part of small order, with the encodings that have their sign turned.
        for bytes in [key_part.compress().0, flipped(key_part.compress().0)] {
            let author = PublicKey(bytes);
            for number in 0..5 {
                let s = Scalar::from(u64::from(number));
                let r = (s * ED25519_BASEPOINT_POINT).compress().0;
                cases.push(case(
                    &format!("key of small order {at}"),
                    &author,
                    number,
                    &joined(r, s.to_bytes()),
                ));
                cases.push(case(&format!("all small {at}"), &author, number, &joined(bytes, [0; 32])));
                let (author, _) = mixed(&none, &none, number);
                let s = challenge(&bytes, &author, number) * Scalar::from(0x1234_5678_9abc_u64);
                cases.push(case(
                    &format!("point of small order {at}"),
                    &author,
                    number,
                    &joined(bytes, s.to_bytes()),
                ));
            }
        }
    }
    for bytes in not_canonical().into_iter().flat_map(|bytes| [bytes, flipped(bytes)]) {
        let (author, signature) = mixed(&none, &none, 3);
        let [_, s] = [0, 32].map(|at| <[u8; 32]>::try_from(&signature[at..at + 32]).expect("half"));
        cases.push(case("point not canonical", &author, 3, &joined(bytes, s)));
        let s = Scalar::from(9_u64);
        let r = (s * ED25519_BASEPOINT_POINT).compress().0;
        cases.push(case("key not canonical", &PublicKey(bytes), 3, &joined(r, s.to_bytes())));
    }
    let (author, signature) = mixed(&none, &none, 4);
    let [r, s] = [0, 32].map(|at| <[u8; 32]>::try_from(&signature[at..at + 32]).expect("half"));
    cases.push(case("right", &author, 4, &signature));
    cases.push(case("s of another spelling", &author, 4, &joined(r, plus(s, &order()))));
    cases.push(case("s with a bit above", &author, 4, &joined(r, flipped(s))));
    cases.push(case("no scalar", &author, 4, &joined(r, [0xff; 32])));
    cases.push(case("no point", &author, 4, &joined([2; 32], s)));
    cases.push(case("the point of the other sign", &author, 4, &joined(flipped(r), s)));
    cases.push(case("the key of the other sign", &PublicKey(flipped(author.0)), 4, &signature));
    cases
}

fn honest(count: usize) -> Vec<Unchecked> {
    let keypairs: Vec<Keypair> = (0..5).map(|seed| Keypair::from_seed(&[seed; 32])).collect();
    let one = |at: usize| {
        let content = format!(r#"{{"type":"post","text":"{at}"}}"#);
        let message = create(&keypairs[at % 5], None, 1.5e12, content.as_bytes(), None).expect("valid");
        Unchecked::parse(&message.value, None).expect("valid")
    };
    (0..count).map(one).collect()
}

#[test]
fn each_is_judged_as_libsodium_judges_it() {
    let cases = crafted();
    for case in &cases {
        assert_eq!(case.unchecked.clone().verify().is_ok(), case.is_valid, "{}", case.name);
    }
    let valid = cases.iter().filter(|case| case.is_valid).count();
    assert!(valid > 20 && valid < cases.len() / 2, "{valid} of {} are valid", cases.len());
}

#[test]
fn batches_hide_nothing() {
    let cases = crafted();
    let mut verifier = Verifier::new([5; 32]);
    let honest = honest(127);
    // One of each kind, and all that libsodium takes.
    let mut seen = std::collections::BTreeSet::new();
    let cases = cases.iter().filter(|case| case.is_valid || seen.insert(case.name.split(',').next()));
    for (at, case) in cases.enumerate() {
        let mut batch = honest.clone();
        let place = at * 31 % 128;
        batch.insert(place, case.unchecked.clone());
        let verdicts = verifier.verify(&mut batch);
        assert!(batch.is_empty() && verdicts.len() == 128);
        for (at, verdict) in verdicts.iter().enumerate() {
            assert_eq!(verdict.is_ok(), at != place || case.is_valid, "{} at {place}: {at}", case.name);
        }
    }
}

#[test]
fn wrong_signatures_do_not_cover_up_for_each_other() {
    let cases = crafted();
    let mut verifier = Verifier::new([6; 32]);
    // All together, those whose faults cancel out among them, in chunks of many sizes.
    for size in [1, 47, 48, 128, 511, 513, cases.len()] {
        for chunk in cases.chunks(size) {
            let mut batch: Vec<Unchecked> = chunk.iter().map(|case| case.unchecked.clone()).collect();
            let verdicts = verifier.verify(&mut batch);
            for (case, verdict) in chunk.iter().zip(&verdicts) {
                assert_eq!(verdict.is_ok(), case.is_valid, "{} in {size}", case.name);
                assert!(
                    verdict.as_ref().is_ok_and(|message| message == case.unchecked.message())
                        || verdict.is_err()
                );
            }
        }
    }
}

#[test]
fn pairs_that_cancel_out_are_found_in_a_batch_of_valid_ones() {
    let none = EIGHT_TORSION[0];
    let mut verifier = Verifier::new([8; 32]);
    let honest = honest(126);
    for round in 0..64 {
        // A part and its opposite, or twice the one of order two, which a sum of both does not show.
        let parts = if round % 2 == 0 { [1, 7] } else { [4, 4] };
        let cases = [0, 1].map(|at| {
            let number = 2 * round + at;
            let (author, signature) = mixed(&none, &EIGHT_TORSION[parts[at as usize]], number);
            case("cancels out", &author, number, &signature)
        });
        let mut batch = honest.clone();
        batch.extend(cases.iter().map(|case| case.unchecked.clone()));
        let verdicts = verifier.verify(&mut batch);
        assert!(verdicts[..126].iter().all(Result::is_ok));
        assert!(verdicts[126..].iter().all(Result::is_err) && cases.iter().all(|case| !case.is_valid));
    }
}
