//! TLS: names, truncation, tampering, goodbyes, and what is kept at rest.

use super::rig::{Pair, bytes, configs, tls_client, tls_server};
use crate::runtime::transport::{Incoming, StageError, TlsError, TlsStage, client_config, server_config};
use bytes::{Bytes, BytesMut};
use rustls::{CertificateError, Error};
use std::{io::IoSlice, path::Path};

fn connected() -> Pair {
    let mut pair = Pair::new(vec![tls_client("example.org")], vec![tls_server()], &[100_000]);
    pair.connect();
    pair
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let mut pair = Pair::new(vec![tls_client("example.com")], vec![tls_server()], &[1_000]);
    pair.run();
    assert!(!pair.client.is_ready());
    let error = pair.client.result.expect_err("it is refused");
    assert!(matches!(&error, StageError::Tls(Error::InvalidCertificate(_))), "{error}");
    assert_eq!(error.name(), "tls_certificate");
    assert_eq!(pair.server.result.expect_err("it is told").name(), "tls_alert");
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("other.pem");
    let made = rcgen::generate_simple_self_signed(["example.org".to_owned()]).expect("a certificate");
    std::fs::write(&other, made.cert.pem()).expect("it can be written");
    let config = client_config(Some(&other)).expect("a client");
    let client = TlsStage::client(config, "example.org").expect("a good name");
    let mut pair = Pair::new(vec![Box::new(client)], vec![tls_server()], &[1_000]);
    pair.run();
    let error = pair.client.result.expect_err("it is refused");
    let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let unfit = Error::InvalidCertificate(CertificateError::BadSignature);
    assert!(error == StageError::Tls(unknown) || error == StageError::Tls(unfit), "{error}");
}

#[test]
fn a_name_that_is_none_is_refused() {
    let stage = TlsStage::client(configs().1.clone(), "not a name");
    assert_eq!(stage.err().expect("it is refused").name(), "address");
}

/// Whoever cuts the line cannot make it look like an end.
#[test]
fn a_truncated_line_is_not_closed() {
    let mut pair = connected();
    pair.client_sends(&bytes(40_000), 40_000);
    pair.client.close(&mut pair.to_server);
    let all = pair.to_server.split().freeze();
    // Without the last byte of the close_notify, and before that in the middle of the last record.
    pair.server.receive(all.slice(..all.len() - 100), &mut pair.to_client);
    assert_eq!((pair.server.received.len(), &pair.server.result), (32_768, &Ok(Incoming::Open)));
    pair.server.receive(all.slice(all.len() - 100..all.len() - 1), &mut pair.to_client);
    assert_eq!((pair.server.received.len(), &pair.server.result), (40_000, &Ok(Incoming::Open)));
    pair.server.receive(all.slice(all.len() - 1..), &mut pair.to_client);
    assert_eq!(pair.server.result, Ok(Incoming::Closed));
    assert!(pair.server.received[..] == bytes(40_000));
}

#[test]
fn a_flipped_bit_ends_the_connection() {
    let mut pair = connected();
    pair.client_sends(b"payload", 7);
    let last = pair.to_server.len() - 1;
    pair.to_server[last] ^= 1;
    pair.run();
    let error = pair.server.result.clone().expect_err("it is refused");
    assert_eq!((&error, error.name()), (&StageError::Tls(Error::DecryptError), "tls"));
    assert!(pair.server.received.is_empty() && !pair.server.is_ready());
    assert_eq!(pair.client.result.clone().expect_err("it is told").name(), "tls_alert");
    assert_eq!(pair.server.send(&[IoSlice::new(b"x")], &mut pair.to_client), Err(StageError::Over));
}

#[test]
fn garbage_is_refused() {
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    let mut server = tls_server();
    let error = server.receive(Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"), &mut up, &mut down);
    assert_eq!(error.expect_err("it is refused").name(), "tls");
    assert!(up.is_empty() && !down.is_empty(), "an alert");
    assert_eq!(server.receive(Bytes::from_static(b"more"), &mut up, &mut down), Ok(Incoming::Closed));
}

#[test]
fn a_goodbye_is_answered_and_nothing_follows_it() {
    let mut pair = connected();
    pair.client.close(&mut pair.to_server);
    assert_eq!(pair.client.send(&[IoSlice::new(b"x")], &mut pair.to_server), Err(StageError::Over));
    // What follows a close_notify is not read, however it looks.
    pair.to_server.extend_from_slice(&[0; 100]);
    pair.run();
    assert_eq!(pair.results(), [&Ok(Incoming::Closed); 2]);
    assert_eq!(pair.server.send(&[IoSlice::new(b"x")], &mut pair.to_client), Err(StageError::Over));
}

#[test]
fn after_our_goodbye_the_peer_may_finish() {
    let mut pair = connected();
    pair.server.close(&mut pair.to_client);
    pair.client_sends(b"last words", 10);
    pair.server.receive(pair.to_server.split().freeze(), &mut BytesMut::new());
    assert_eq!((&pair.server.received[..], &pair.server.result), (&b"last words"[..], &Ok(Incoming::Open)));
    pair.run();
    assert_eq!(pair.results(), [&Ok(Incoming::Closed); 2]);
}

#[test]
fn nothing_is_sent_before_the_handshake() {
    let mut pair = Pair::new(vec![tls_client("example.org")], vec![tls_server()], &[100]);
    assert_eq!(pair.client.send(&[IoSlice::new(b"x")], &mut pair.to_server), Err(StageError::NotReady));
    assert_eq!(pair.server.send(&[IoSlice::new(b"x")], &mut pair.to_client), Err(StageError::NotReady));
    pair.connect();
}

#[test]
fn files_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["a", "b"] {
        let made = rcgen::generate_simple_self_signed(["example.org".to_owned()]).expect("a certificate");
        std::fs::write(at(&format!("{name}.cert")), made.cert.pem()).expect("it can be written");
        std::fs::write(at(&format!("{name}.key")), made.signing_key.serialize_pem())
            .expect("it can be written");
    }
    assert!(server_config(&at("a.cert"), &at("a.key")).is_ok());
    let fault = |cert: &Path, key: &Path| server_config(cert, key).expect_err("it does not fit");
    let named = |error: TlsError, name: &str| assert!(error.to_string().contains(name), "{error}");
    named(fault(&at("a.cert"), &at("b.key")), "a.cert");
    named(fault(&at("none.cert"), &at("a.key")), "none.cert");
    named(fault(&at("a.cert"), &at("none.key")), "none.key");
    named(fault(&at("a.key"), &at("a.key")), "a.key");
    named(fault(&at("a.cert"), &at("a.cert")), "a.cert");
    named(client_config(Some(&at("none.cert"))).expect_err("it is not there"), "none.cert");
}
