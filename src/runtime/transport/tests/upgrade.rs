//! What is no upgrade is refused, in HTTP.

use super::rig::{End, Pair, ws_client, ws_server};
use crate::runtime::transport::{Incoming, Stage, StageError, WsLimits, WsStage};
use bytes::{Bytes, BytesMut};

/// The example of RFC 6455, 1.2, with one header left out or others added.
fn request(without: &str, more: &str) -> String {
    let headers = [
        "Host: server.example.com",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Origin: http://example.com",
        "Sec-WebSocket-Version: 13",
    ];
    let kept: Vec<&str> = headers
        .into_iter()
        .filter(|header| without.is_empty() || !header.starts_with(&format!("{without}:")))
        .collect();
    format!("GET /chat HTTP/1.1\r\n{}\r\n{more}\r\n", kept.join("\r\n"))
}

/// What a server says to `request`, whole and byte by byte; the two must agree.
fn ask(request: &[u8]) -> (Result<Incoming, StageError>, String) {
    let answers = [request.len().max(1), 1].map(|size| {
        let (mut end, mut down) = (End::new(vec![ws_server()]), BytesMut::new());
        for chunk in request.chunks(size) {
            end.receive(Bytes::copy_from_slice(chunk), &mut down);
        }
        assert!(end.received.is_empty());
        (end.result, String::from_utf8(down.to_vec()).expect("HTTP is text"))
    });
    assert_eq!(answers[0], answers[1]);
    answers[1].clone()
}

fn refused(request: &[u8], status: &str, name: &str) -> String {
    let (result, answer) = ask(request);
    assert_eq!(result.expect_err("it is refused").name(), name);
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(&format!("Content-Length: {}", body.len())) && head.contains("close"), "{answer}");
    answer
}

#[test]
fn the_example_of_the_standard_is_accepted() {
    let (result, answer) = ask(request("", "").as_bytes());
    assert_eq!(result, Ok(Incoming::Open));
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(
        answer.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
        "{answer}"
    );
}

#[test]
fn the_origin_is_kept() {
    let origin = |request: String| {
        let mut stage = WsStage::server(WsLimits::default());
        stage.receive(request.into(), &mut BytesMut::new(), &mut BytesMut::new()).expect("it is accepted");
        stage.origin().map(str::to_owned)
    };
    assert_eq!(origin(request("", "")).as_deref(), Some("http://example.com"));
    assert_eq!(origin(request("Origin", "")), None);
}

#[test]
fn extensions_and_subprotocols_are_not_taken() {
    let offers = "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: chat\r\n";
    let (result, answer) = ask(request("", offers).as_bytes());
    assert_eq!(result, Ok(Incoming::Open));
    assert!(!answer.contains("deflate") && !answer.contains("chat"), "{answer}");
}

#[test]
fn plain_http_is_told_to_upgrade() {
    let answer = refused(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "426", "ws_upgrade");
    assert!(answer.contains("\r\nUpgrade: websocket\r\n"), "{answer}");
    refused(request("Upgrade", "").as_bytes(), "426", "ws_upgrade");
    refused(request("Connection", "").as_bytes(), "426", "ws_upgrade");
    refused(request("Sec-WebSocket-Version", "").as_bytes(), "426", "ws_upgrade");
}

#[test]
fn a_request_without_a_proper_key_is_refused() {
    refused(request("Sec-WebSocket-Key", "").as_bytes(), "400", "ws_upgrade");
    let short = request("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAA\r\n");
    refused(short.as_bytes(), "400", "ws_upgrade");
}

#[test]
fn other_methods_and_garbage_are_refused_at_once() {
    refused(b"POST / HTTP/1.1\r\n", "400", "ws_upgrade");
    refused(&[0x16, 3, 1, 2, 0, 1], "400", "ws_upgrade");
    refused(b"GET / HTTP/1.0\r\n\r\n", "400", "ws_upgrade");
    refused(b"GET \xff\xff\r\n\r\n", "400", "ws_upgrade");
}

#[test]
fn bytes_before_the_answer_are_refused() {
    let (mut end, mut down) = (End::new(vec![ws_server()]), BytesMut::new());
    end.receive((request("", "") + "x").into(), &mut down);
    assert_eq!(end.result.expect_err("it is refused").name(), "ws_upgrade");
    assert!(down.starts_with(b"HTTP/1.1 400 "));
}

#[test]
fn a_head_has_bounds() {
    let fits = 8192 - request("", "X: \r\n").len();
    assert_eq!(ask(request("", &format!("X: {}\r\n", "x".repeat(fits))).as_bytes()).0, Ok(Incoming::Open));
    refused(request("", &format!("X: {}\r\n", "x".repeat(fits + 1))).as_bytes(), "431", "ws_head_size");
    refused(format!("GET /{}", "x".repeat(20_000)).as_bytes(), "431", "ws_head_size");
    assert_eq!(ask(request("", &"X: y\r\n".repeat(58)).as_bytes()).0, Ok(Incoming::Open));
    refused(request("", &"X: y\r\n".repeat(59)).as_bytes(), "431", "ws_head_size");
}

#[test]
fn a_client_names_host_port_and_path() {
    for (host, path, line, named) in [
        ("example.org", "/a?b", "GET /a?b HTTP/1.1\r\n", "Host: example.org:8989\r\n"),
        ("::1", "", "GET / HTTP/1.1\r\n", "Host: [::1]:8989\r\n"),
    ] {
        let mut down = BytesMut::new();
        WsStage::client(host, 8989, path).expect("it can be asked for").start(&mut down);
        let request = String::from_utf8(down.to_vec()).expect("HTTP is text");
        assert!(request.starts_with(line) && request.contains(named), "{request}");
    }
    for (host, path) in [("a b", "/"), ("", "/"), ("a/b", "/"), ("u@a", "/"), ("example.org", "/\r\nX: y")] {
        assert_eq!(
            WsStage::client(host, 1, path).err().expect("no address").name(),
            "address",
            "{host}{path}"
        );
    }
}

#[test]
fn a_client_takes_only_the_answer_to_its_key() {
    let mut pair = Pair::new(vec![ws_client()], vec![ws_server()], &[10_000]);
    pair.server.receive(pair.to_server.split().freeze(), &mut pair.to_client);
    let good = String::from_utf8(pair.to_client.split().to_vec()).expect("HTTP is text");
    assert!(good.starts_with("HTTP/1.1 101 "), "{good}");
    let accept = good.to_lowercase().find("sec-websocket-accept: ").expect("it is there") + 22;
    let wrong_key = format!("{}AAAA{}", &good[..accept], &good[accept + 4..]);
    let more = |header: &str| good.replacen("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"), 1);
    for bad in [
        wrong_key,
        good.replace("101 Switching Protocols", "404 Not Found"),
        good.replace("websocket", "h2c"),
        more("Sec-WebSocket-Extensions: permessage-deflate"),
        more("Sec-WebSocket-Protocol: chat"),
        "SSH-2.0-server\r\n".to_owned(),
    ] {
        let (mut client, mut down) = (End::new(vec![ws_client()]), BytesMut::new());
        client.receive(bad.clone().into(), &mut down);
        assert_eq!(client.result.expect_err(&bad).name(), "ws_upgrade_refused");
        assert!(down.is_empty());
    }
    pair.client.receive(good.into(), &mut pair.to_server);
    assert!(pair.client.is_ready());
}
