use super::{
    transcript::{Agreement, Hello, joined, seal},
    *,
};
use crate::secret::curve::{Ephemeral, Secret, agree, identity};
use bytes::BytesMut;
use curve25519_dalek::constants::EIGHT_TORSION;
use ed25519_dalek::Signer;
use proptest::prelude::*;
use std::io::IoSlice;

fn alice() -> Keypair {
    Keypair::from_seed(&[1; 32])
}

fn bob() -> Keypair {
    Keypair::from_seed(&[2; 32])
}

fn client() -> Handshake {
    Handshake::client(&NetworkKey::MAIN, &alice(), &bob().public(), &[3; 32]).expect("a good key")
}

fn server() -> Handshake {
    Handshake::server(&NetworkKey::MAIN, &bob(), &[4; 32])
}

/// Moves a message; all of it is taken unless the handshake fails.
fn pass(from: &mut Handshake, to: &mut Handshake) -> Result<Progress, HandshakeError> {
    let message = from.take_output();
    assert!(!message.is_empty() && from.take_output().is_empty(), "one message, once");
    give(to, &message)
}

fn give(to: &mut Handshake, message: &[u8]) -> Result<Progress, HandshakeError> {
    let mut input = Bytes::copy_from_slice(message);
    let progress = to.handle(&mut input);
    assert!(input.is_empty() || progress.is_err());
    progress
}

/// An error is final: the same for ever, and nothing is sent.
fn must_fail(handshake: &mut Handshake, message: &[u8], error: HandshakeError) {
    assert_eq!(give(handshake, message).expect_err("it is wrong"), error);
    assert_eq!(handshake.handle(&mut Bytes::from_static(&[0; 112])).expect_err("it is over"), error);
    assert!(handshake.take_output().is_empty() && handshake.accept().is_none());
}

/// Both ends, with messages 1 to `count` passed and none waiting; and the messages.
fn after(count: usize) -> (Handshake, Handshake, Vec<Message>) {
    let (mut client, mut server, mut messages) = (client(), server(), Vec::new());
    for index in 0..count {
        let (from, to) = if index % 2 == 0 { (&mut client, &mut server) } else { (&mut server, &mut client) };
        messages.push(from.output);
        let progress = pass(from, to).expect("it is genuine");
        if index == 2 {
            assert!(matches!(progress, Progress::Authorise(key) if key == alice().public()));
        }
    }
    (client, server, messages)
}

fn finished() -> (Outcome, Outcome, Message) {
    let (mut client, mut server, _) = after(3);
    let servers = server.accept().expect("it has proved who it is");
    let accept = server.output;
    let Ok(Progress::Done(clients)) = pass(&mut server, &mut client) else { panic!("it is genuine") };
    (clients, servers, accept)
}

#[test]
fn both_ends_learn_who_the_other_is_and_can_talk() {
    let (clients, servers, _) = finished();
    assert_eq!((clients.peer, servers.peer), (bob().public(), alice().public()));
    assert_eq!(clients.to_bytes()[..56], servers.to_bytes()[56..]);
    assert_eq!(clients.to_bytes()[56..], servers.to_bytes()[..56]);
    assert_ne!(clients.to_bytes()[..32], clients.to_bytes()[56..88], "a key for each direction");
    for (from, to) in [(&clients, &servers), (&servers, &clients)] {
        let (mut wire, mut plain) = (BytesMut::new(), BytesMut::new());
        from.sealer().seal(&[IoSlice::new(b"hello")], &mut wire);
        assert!(to.opener().open(&wire, &mut plain).is_ok());
        assert_eq!(plain, "hello");
    }
}

#[test]
fn nothing_secret_is_printed() {
    let (clients, _, _) = finished();
    assert_eq!(format!("{clients:?}"), format!("Outcome {{ peer: {}, .. }}", bob().public()));
    let expected = r#"Handshake { stage: "awaits the client hello", failed: None, .. }"#;
    assert_eq!(format!("{:?}", server()), expected);
}

#[test]
fn a_handshake_is_small() {
    assert!(size_of::<Handshake>() <= 1200, "{}", size_of::<Handshake>());
}

#[test]
fn bytes_behind_the_last_message_are_left_for_the_box_stream() {
    let (mut client, mut server, _) = after(3);
    let _outcome = server.accept();
    let mut input = Bytes::from([&*server.take_output(), b"rest"].concat());
    assert!(matches!(client.handle(&mut input), Ok(Progress::Done(_))));
    assert_eq!(input, "rest");
    assert_eq!(client.handle(&mut input).expect_err("it is over"), HandshakeError::Over);
    assert_eq!(input, "rest");

    let (_, mut server, messages) = after(2);
    let mut input = Bytes::from([&*client_auth(&messages), b"rest"].concat());
    for _ in 0..2 {
        assert!(matches!(server.handle(&mut input), Ok(Progress::Authorise(_))));
        assert_eq!(input, "rest");
    }
}

/// The message 3 that belongs to messages 1 and 2 of [`after`].
fn client_auth(messages: &[Message]) -> Message {
    let mut client = client();
    give(&mut client, &messages[1]).map(|_| client.output).expect("it is genuine")
}

#[test]
fn a_refused_peer_gets_no_byte() {
    let (_, mut server, _) = after(3);
    assert!(server.take_output().is_empty());
    assert!(server.accept().is_some());
    assert_eq!(server.take_output().len(), ACCEPT_BYTES);
    assert!(server.accept().is_none() && server.take_output().is_empty(), "once");
}

#[test]
fn nobody_can_be_accepted_before_proving_who_it_is() {
    for count in 0..3 {
        let (mut client, mut server, _) = after(count);
        assert!(server.accept().is_none() && client.accept().is_none());
    }
}

#[test]
fn every_bit_of_every_message_counts() {
    let errors: [&[HandshakeError]; 4] = [
        &[HandshakeError::ClientHelloNetwork],
        &[HandshakeError::ServerHelloNetwork],
        &[HandshakeError::ClientAuthBox],
        &[HandshakeError::ServerAcceptBox],
    ];
    for (count, errors) in errors.iter().enumerate() {
        let (mut client, mut server, _) = after(count);
        let _outcome = server.accept();
        let (from, to) = if count % 2 == 0 { (client, &mut server) } else { (server, &mut client) };
        for bit in 0..from.output.len() * 8 {
            let mut message = from.output;
            message.bytes[bit / 8] ^= 1 << (bit % 8);
            let error = give(&mut to.clone(), &message).expect_err("it was changed");
            assert!(errors.contains(&error), "message {}, bit {bit}: {error}", count + 1);
        }
        assert!(give(to, &from.output).is_ok(), "unchanged it is right");
    }
}

#[test]
fn another_network_is_told_apart_by_both() {
    let other = NetworkKey::new([9; 32]);
    let mut stranger = Handshake::client(&other, &alice(), &bob().public(), &[3; 32]).expect("a good key");
    must_fail(&mut server(), &stranger.take_output(), HandshakeError::ClientHelloNetwork);
    let hello = Hello::new(&other, &Ephemeral::from_seed(&[5; 32]).public);
    must_fail(&mut client(), &hello.0, HandshakeError::ServerHelloNetwork);
}

#[test]
fn a_client_that_dials_another_key_is_not_understood() {
    let mallory = Keypair::from_seed(&[6; 32]).public();
    let mut client = Handshake::client(&NetworkKey::MAIN, &alice(), &mallory, &[3; 32]).expect("a good key");
    let mut server = server();
    assert!(pass(&mut client, &mut server).is_ok() && pass(&mut server, &mut client).is_ok());
    must_fail(&mut server, &client.take_output(), HandshakeError::ClientAuthBox);
}

#[test]
fn messages_of_another_run_are_refused() {
    let (_, _, old) = after(3);
    let (_, _, old_accept) = finished();
    // A replayed message 1 is answered, as anybody's would be; what follows it no longer fits.
    let mut server = Handshake::server(&NetworkKey::MAIN, &bob(), &[7; 32]);
    assert!(matches!(give(&mut server, &old[0]), Ok(Progress::NeedsMore)));
    must_fail(&mut server, &old[2], HandshakeError::ClientAuthBox);
    let mut client =
        Handshake::client(&NetworkKey::MAIN, &alice(), &bob().public(), &[8; 32]).expect("a good key");
    assert!(matches!(give(&mut client, &old[1]), Ok(Progress::NeedsMore)));
    must_fail(&mut client, &old_accept, HandshakeError::ServerAcceptBox);
}

#[test]
fn reflected_and_reordered_messages_are_refused() {
    let mut client = client();
    let hello = client.take_output();
    must_fail(&mut client, &hello, HandshakeError::ServerHelloReflected);

    let (_, mut server, messages) = after(1);
    let own = server.take_output();
    assert!(matches!(give(&mut server, &own), Ok(Progress::NeedsMore)), "too short to judge");
    must_fail(&mut server, &messages[0], HandshakeError::ClientAuthBox);

    let (_, _, messages) = after(3);
    must_fail(&mut self::server(), &messages[2], HandshakeError::ClientHelloNetwork);
    let (mut client, _, _) = after(2);
    must_fail(&mut client, &[&messages[1][..], &messages[0]].concat(), HandshakeError::ServerAcceptBox);
}

#[test]
fn a_cut_message_only_waits() {
    for (count, bytes) in [HELLO_BYTES, HELLO_BYTES, AUTH_BYTES, ACCEPT_BYTES].into_iter().enumerate() {
        let (mut client, mut server, _) = after(count);
        let _outcome = server.accept();
        let (from, to) = if count % 2 == 0 { (client, &mut server) } else { (server, &mut client) };
        assert_eq!(from.output.len(), bytes);
        assert!(matches!(give(to, &from.output[..bytes - 1]), Ok(Progress::NeedsMore)));
        assert!(to.take_output().is_empty());
        assert!(give(to, &from.output[bytes - 1..]).is_ok());
    }
}

/// All points of order 1 to 8 as X25519 keys, the encodings above the field's order too.
fn low_order_keys() -> Vec<[u8; 32]> {
    let mut keys: Vec<[u8; 32]> =
        EIGHT_TORSION.iter().map(|point| point.to_montgomery().to_bytes()).collect();
    for first in [0xec, 0xed, 0xee] {
        keys.push(joined(&[&[first], &[0xff; 30], &[0x7f]]));
    }
    keys.push(joined(&[&[1], &[0; 31]]));
    keys.extend(keys.clone().iter().map(|key| joined::<32>(&[&key[..31], &[key[31] | 0x80]])));
    keys
}

#[test]
fn ephemeral_keys_of_low_order_are_refused() {
    for key in low_order_keys() {
        let hello = Hello::new(&NetworkKey::MAIN, &key);
        must_fail(&mut server(), &hello.0, HandshakeError::ClientHelloKey);
        must_fail(&mut client(), &hello.0, HandshakeError::ServerHelloKey);
    }
}

/// The torsion points as Ed25519 keys, and those with a coordinate above the field's order.
fn bad_identities() -> Vec<PublicKey> {
    let torsion = EIGHT_TORSION.iter().map(|point| PublicKey(point.compress().to_bytes()));
    let beyond = (0xed..=0xff)
        .flat_map(|first| [0x7f, 0xff].map(|last| PublicKey(joined(&[&[first], &[0xff; 30], &[last]]))));
    let off_curve = PublicKey(joined(&[&[2], &[0; 31]]));
    torsion.chain(beyond).chain([off_curve]).collect()
}

#[test]
fn nobody_dials_a_key_that_nobody_owns() {
    for key in bad_identities() {
        let error = Handshake::client(&NetworkKey::MAIN, &alice(), &key, &[3; 32]).expect_err("it is bad");
        assert_eq!(error, HandshakeError::ServerKey, "{key}");
    }
}

/// A client made by hand, which seals what it likes into message 3.
fn forged_auth(server_hello: &Message, signature: &[u8; 64], key: &PublicKey) -> [u8; AUTH_BYTES] {
    let ephemeral = Ephemeral::from_seed(&[3; 32]);
    let public = server_hello.last_chunk().expect("64 bytes");
    let bob = identity(&bob().public()).expect("a good key");
    let agreement = Agreement {
        network: NetworkKey::MAIN,
        ab: ephemeral.agree(public).expect("a good key"),
        a_server: ephemeral.agree_with_identity(&bob).expect("a good key"),
    };
    seal(&agreement.auth_key(), joined::<96>(&[signature, &key.0]))
}

#[test]
fn a_client_must_sign_with_the_key_it_shows() {
    let (_, server, messages) = after(2);
    let signature = alice().signing().sign(b"something else").to_bytes();
    for (key, error) in bad_identities()
        .into_iter()
        .map(|key| (key, HandshakeError::ClientAuthKey))
        .chain([(alice().public(), HandshakeError::ClientAuthSignature)])
    {
        let message = forged_auth(&messages[1], &signature, &key);
        must_fail(&mut server.clone(), &message, error);
    }
    // With the identity as key, R = 0 and S = 0 would verify for any message if nobody looked at the order.
    let neutral = PublicKey(joined(&[&[1], &[0; 31]]));
    let signature = joined(&[&neutral.0, &[0; 32]]);
    let message = forged_auth(&messages[1], &signature, &neutral);
    must_fail(&mut server.clone(), &message, HandshakeError::ClientAuthKey);
}

#[test]
fn a_server_must_sign_what_was_said() {
    let (client, _, messages) = after(2);
    let ephemeral = Ephemeral::from_seed(&[4; 32]);
    let public = messages[0].last_chunk().expect("64 bytes");
    let scalar = bob().signing().to_scalar_bytes();
    let agreement = Agreement {
        network: NetworkKey::MAIN,
        ab: ephemeral.agree(public).expect("a good key"),
        a_server: agree(&scalar, public).expect("a good key"),
    };
    let alice = identity(&alice().public()).expect("a good key");
    let client_b: Secret = ephemeral.agree_with_identity(&alice).expect("a good key");
    let signature = bob().signing().sign(b"something else").to_bytes();
    let message: [u8; ACCEPT_BYTES] = seal(&agreement.accept_key(&client_b), signature);
    must_fail(&mut client.clone(), &message, HandshakeError::ServerAcceptSignature);
}

#[test]
fn names_are_different() {
    let names: std::collections::BTreeSet<&str> = [
        HandshakeError::ServerKey,
        HandshakeError::ClientHelloNetwork,
        HandshakeError::ClientHelloKey,
        HandshakeError::ServerHelloNetwork,
        HandshakeError::ServerHelloKey,
        HandshakeError::ServerHelloReflected,
        HandshakeError::SharedSecret,
        HandshakeError::ClientAuthBox,
        HandshakeError::ClientAuthKey,
        HandshakeError::ClientAuthSignature,
        HandshakeError::ServerAcceptBox,
        HandshakeError::ServerAcceptSignature,
        HandshakeError::Truncated,
        HandshakeError::Over,
    ]
    .iter()
    .map(HandshakeError::name)
    .collect();
    assert_eq!(names.len(), 14);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_do_not_matter(cuts in prop::collection::vec(1_usize..70, 1..12), seed in any::<[u8; 32]>()) {
        let ours = Keypair::from_seed(&seed);
        let mut client = Handshake::client(&NetworkKey::MAIN, &ours, &bob().public(), &seed).expect("a good key");
        let mut server = server();
        let (mut cuts, mut outcomes) = (cuts.iter().cycle(), Vec::new());
        for turn in 0..4 {
            let (from, to) = if turn % 2 == 0 { (&mut client, &mut server) } else { (&mut server, &mut client) };
            let message = from.take_output();
            let mut rest = &message[..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().expect("endless")));
                match give(to, now).expect("it is genuine") {
                    Progress::NeedsMore => {}
                    Progress::Authorise(key) => {
                        prop_assert_eq!(key, ours.public());
                        outcomes.extend(to.accept());
                    }
                    Progress::Done(outcome) => outcomes.push(outcome),
                }
                rest = later;
            }
        }
        prop_assert_eq!(outcomes.len(), 2);
        prop_assert_eq!(&outcomes[0].to_bytes()[..56], &outcomes[1].to_bytes()[56..]);
    }
}
