use super::*;
use proptest::prelude::*;

const KEY: &str = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";
const SEED: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const ROOM: &str = "51w4nYL0k7mVzDGw20KqCCjt35y8qLiopbdcWX0EAvQ=";

fn key() -> PublicKey {
    PublicKey::from_base64(KEY).expect("a key")
}

fn net(host: &str, port: u16) -> Transport {
    Transport::Net { host: host.to_owned(), port }
}

fn shs() -> Auth {
    Auth::Shs { key: Some(key()), seed: None }
}

fn read(text: &str) -> Address {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn single(text: &str) -> Endpoint {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The message of an error, which must not show the seed.
fn fault(text: &str) -> String {
    let error = text.parse::<Address>().expect_err(text);
    let told = format!("{error} {error:?}");
    assert!(!told.contains(SEED), "{told}");
    error.to_string()
}

#[test]
fn transports_are_read_and_printed_as_javascript_does() {
    let path = |path: &str| Some(path.to_owned());
    let ws = |host: &str, port, path| Transport::Ws { host: host.to_owned(), port, path };
    let wss = |host: &str, port, path| Transport::Wss { host: host.to_owned(), port, path };
    let onion = |host: &str, port| Transport::Onion { host: host.to_owned(), port };
    let other = |name: &str, data: &[&str]| Transport::Other {
        name: name.to_owned(),
        data: data.iter().map(|data| (*data).to_owned()).collect(),
    };
    for (text, expected, printed) in [
        ("net:example.com:8008", net("example.com", 8008), "net:example.com:8008"),
        ("net:127.0.0.1:0", net("127.0.0.1", 0), "net:127.0.0.1:0"),
        ("net:::1:8008", net("::1", 8008), "net:::1:8008"),
        ("net:!:!:1:8008", net("::1", 8008), "net:::1:8008"),
        ("net:[::1]:8008", net("::1", 8008), "net:::1:8008"),
        ("net::::8008", net("::", 8008), "net::::8008"),
        ("net:fe80::1%wlan0:8008", net("fe80::1%wlan0", 8008), "net:fe80::1%wlan0:8008"),
        ("net:bücher.example:1", net("bücher.example", 1), "net:bücher.example:1"),
        ("localhost:8008", net("localhost", 8008), "net:localhost:8008"),
        ("127.0.0.1:8008", net("127.0.0.1", 8008), "net:127.0.0.1:8008"),
        ("::1:8008", net("::1", 8008), "net:::1:8008"),
        ("fe80::1:8008", net("fe80::1", 8008), "net:fe80::1:8008"),
        ("[fe80::1]:8008", net("fe80::1", 8008), "net:fe80::1:8008"),
        ("unix:/run/mux.sock", Transport::Unix("/run/mux.sock".into()), "unix:/run/mux.sock"),
        ("unix:/a:b c!~!;!!d", Transport::Unix("/a:b c~;!d".into()), "unix:/a:b c!~!;!!d"),
        ("unix:mux.sock", Transport::Unix("mux.sock".into()), "unix:mux.sock"),
        ("ws://h", ws("h", 80, None), "ws://h"),
        ("ws://h:8989", ws("h", 8989, None), "ws://h:8989"),
        ("ws://h:80", ws("h", 80, None), "ws://h"),
        ("ws://h:443/", ws("h", 443, path("/")), "ws://h:443/"),
        ("ws://[::1]:8989/a", ws("::1", 8989, path("/a")), "ws://[::1]:8989/a"),
        ("ws://[::1]", ws("::1", 80, None), "ws://[::1]"),
        ("wss://h", wss("h", 443, None), "wss://h"),
        ("wss://h:80/a:b!~c?d=e", wss("h", 80, path("/a:b~c?d=e")), "wss://h:80/a:b!~c?d=e"),
        ("wss://h?d", wss("h", 443, path("/?d")), "wss://h/?d"),
        ("onion:abc.onion:8008", onion("abc.onion", 8008), "onion:abc.onion:8008"),
        ("bt:AA!:BB::x", other("bt", &["AA:BB", "", "x"]), "bt:AA!:BB::x"),
        ("dht:seed!;!~!!:", other("dht", &["seed;~!", ""]), "dht:seed!;!~!!:"),
    ] {
        for (auth_text, auth) in
            [("", Auth::None), ("~noauth", Auth::NoAuth), (&format!("~shs:{KEY}"), shs())]
        {
            // The shorthand is for plain lines.
            if auth != Auth::None && !text.starts_with(printed.split(':').next().expect("a name")) {
                continue;
            }
            let endpoint = single(&format!("{text}{auth_text}"));
            assert_eq!(endpoint, Endpoint { transport: expected.clone(), auth }, "{text}{auth_text}");
            assert_eq!(endpoint.to_string(), format!("{printed}{auth_text}"));
            assert_eq!(single(&endpoint.to_string()), endpoint);
        }
    }
}

#[test]
fn transforms_are_read_and_printed() {
    let seed = Seed::from_base64(SEED).expect("a seed");
    for (text, expected) in [
        (String::new(), Auth::None),
        ("~noauth".to_owned(), Auth::NoAuth),
        ("~shs".to_owned(), Auth::Shs { key: None, seed: None }),
        (format!("~shs:{KEY}"), shs()),
        (format!("~shs:{KEY}:{SEED}"), Auth::Shs { key: Some(key()), seed: Some(seed) }),
    ] {
        let endpoint = single(&format!("net:h:1{text}"));
        assert_eq!(endpoint.auth, expected);
        assert_eq!(endpoint.to_string(), format!("net:h:1{text}"));
    }
    for text in ["~shs2:x!:y:z", "~noauth:x", "~shs:x:y:z~gzip", "~noauth~noauth", "~a-1"] {
        let endpoint = single(&format!("net:h:1{text}"));
        assert!(matches!(endpoint.auth, Auth::Other(_)), "{text}");
        assert_eq!(endpoint.to_string(), format!("net:h:1{text}"));
    }
    assert_eq!(single(&format!("net:h:1~shs:{KEY}")).key(), Some(key()));
    assert_eq!(single("net:h:1~shs").key(), None);
}

#[test]
fn addresses_from_the_network_are_read() {
    let alternatives = |text: &str| read(text).endpoints().len();
    // A LAN broadcast of `ssb-server`, a room, a peer behind it, an open room's invite, and one with alternatives we
    // do not know.
    assert_eq!(alternatives(&format!("net:192.168.1.10:8008~shs:{KEY};ws://192.168.1.10:8989~shs:{KEY}")), 2);
    assert_eq!(alternatives(&format!("net:hermies.club:8008~shs:{ROOM}")), 1);
    let tunnel = single(&format!("tunnel:@{ROOM}.ed25519:@{KEY}.ed25519~shs:{KEY}"));
    let portal = PublicKey::from_base64(ROOM).expect("a key");
    assert_eq!(tunnel.transport, Transport::Tunnel { portal, target: key() });
    assert_eq!(tunnel.to_string(), format!("tunnel:@{ROOM}.ed25519:@{KEY}.ed25519~shs:{KEY}"));
    let open = format!("net:h:8008~shs:{ROOM}:SSB+Room+PSK3TLYC2T86EHQCUHBUHASCASE18JBV24=");
    assert_eq!(read(&open).to_string(), open);
    let mixed = format!("dht:abc:def~shs:{KEY};channel~noauth;net:h:1~future-shs:a!:b:c;wss://h~shs:{KEY}");
    assert_eq!(alternatives(&mixed), 4);
    assert_eq!(read(&mixed).to_string(), mixed);
}

#[test]
fn what_is_no_address_is_told_with_a_remedy() {
    for (text, part) in [
        ("", "use net:HOST:PORT"),
        (";", "an alternative is empty"),
        ("net:h:1;", "an alternative is empty"),
        ("~shs", "an alternative is empty"),
        ("8008", "names no transport"),
        ("host", "use net:HOST:PORT"),
        ("net", "use net:HOST:PORT"),
        ("net:host", "use net:HOST:PORT"),
        ("net::8008", "the host is missing"),
        ("net:h:", "\"\" is no port"),
        ("net:h:+80", "\"+80\" is no port"),
        ("net:h:65536", "65536"),
        ("host:99999", "99999"),
        ("net:a:b:80", "has a colon"),
        ("net:a b:80", "no host"),
        ("net:a/b:80", "no host"),
        ("net:[h]:80", "brackets"),
        ("[::1:80", "brackets"),
        ("unix:", "use unix:/PATH"),
        ("unix:/wow!", "write `!!`"),
        ("unix:/wow!a", "write `!!`"),
        ("ws:h:80", "slashes"),
        ("ws://", "host is missing"),
        ("ws://:80", "host is missing"),
        ("ws://::1:80", "brackets"),
        ("ws://h:x", "no port"),
        ("ws://u@h", "no host"),
        ("ws://h/a\r\nb", "control"),
        ("ws://h/a#b", "`#`"),
        ("ws://[::1]x:80", "brackets"),
        ("onion:abc.onion", "use onion:HOST:PORT"),
        ("tunnel:a", "use tunnel:@PORTAL"),
        ("tunnel:a:b", "no public key"),
        ("Net:h:1~shs", "names no transport"),
        ("example.com:8008~shs", "use net:HOST:PORT"),
        ("net:h:1~", "is empty"),
        ("net:h:1~shs:", "the key"),
        ("net:h:1~shs:K", "the key"),
        ("net:h:1~Shs", "other than a-z"),
    ] {
        assert!(fault(text).contains(part), "{}", fault(text));
    }
    assert!(fault(&"x".repeat(ADDRESS_BYTES_MAX + 1)).contains("more than 4096"));
    assert!(fault(&"x".repeat(ADDRESS_BYTES_MAX + 1)).len() < 400);
    let many = |count| vec!["net:h:1"; count].join(";");
    assert_eq!(read(&many(ALTERNATIVES_MAX)).endpoints().len(), ALTERNATIVES_MAX);
    assert!(fault(&many(ALTERNATIVES_MAX + 1)).contains("16 alternatives"));
    assert_eq!(Address::new(Vec::new()), None);
    assert!("net:h:1;net:h:2".parse::<Endpoint>().is_err());
}

#[test]
fn seeds_show_in_text_only() {
    let text = format!("net:h:1~shs:{KEY}:{SEED}");
    let address = read(&text);
    assert_eq!(address.to_string(), text);
    assert!(!format!("{address:?}").contains("AQEB") && !format!("{address:?}").contains("[1, 1"));
    let other = read(&format!("net:h:1~shs:{KEY}:{SEED}~gzip"));
    assert!(!format!("{other:?}").contains(SEED));
    for text in [
        format!("net:h:x~shs:{KEY}:{SEED}"),
        format!("net:h:1~shs:@{KEY}.ed25519:{SEED}"),
        format!("net:h:1~shs:{KEY}:{SEED}:{SEED}"),
        format!("net:h:1~shs:{KEY}:{SEED}="),
        format!("net:h!~shs:{KEY}:{SEED}"),
        format!("net:h:1:shs:{KEY}:{SEED}"),
        format!("net:h:x~other:{SEED}"),
        format!("h:1:@{KEY}.ed25519~{SEED}"),
        format!("net:h:1~SHS:{KEY}:{SEED}"),
    ] {
        fault(&text);
    }
}

#[test]
fn invites_of_the_old_form_are_read() {
    let read = |text: &str| Address::from_legacy_invite(text).map(|address| address.to_string());
    for (place, transport) in [
        ("pub.example:8008", "net:pub.example:8008"),
        ("::1:8008", "net:::1:8008"),
        ("abc.onion:8008", "onion:abc.onion:8008"),
        ("ws://pub.example:8989", "ws://pub.example:8989"),
        ("wss://pub.example:443", "wss://pub.example"),
    ] {
        for redirect in ["", "#https://pub.example"] {
            let text = format!("{place}:@{KEY}.ed25519~{SEED}{redirect}");
            assert_eq!(read(&text).as_deref(), Ok(&*format!("{transport}~shs:{KEY}:{SEED}")));
        }
    }
    for text in [
        String::new(),
        format!("pub.example:8008:@{KEY}.ed25519"),
        format!("pub.example:8008:{KEY}~{SEED}"),
        format!("pub.example:@{KEY}.ed25519~{SEED}"),
        format!("pub.example:8008:@{KEY}.ed25519~{SEED}="),
        format!("net:h:1~shs:{KEY}:{SEED}"),
        format!("pub.example:8008:@{KEY}.sha256~{SEED}"),
        "x".repeat(ADDRESS_BYTES_MAX + 1),
    ] {
        let error = Address::from_legacy_invite(&text).expect_err(&text);
        assert!(!format!("{error} {error:?}").contains(SEED), "{error}");
    }
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9.!;~é-]{1,24}",
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| format!("{ip}%eth0")),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let known = ["net", "ws", "wss", "unix", "onion", "tunnel", "shs", "noauth"];
    "[a-z][a-z0-9-]{1,9}".prop_filter("a name not known", move |name| !known.contains(&name.as_str()))
}

fn data() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[!:;~a-f/@é \n-]{0,12}", 1..4)
}

fn transport() -> impl Strategy<Value = Transport> {
    let key = || any::<[u8; 32]>().prop_map(PublicKey);
    let path = || prop::option::of("/[!:;~a-z?=/]{0,12}");
    prop_oneof![
        (host(), any::<u16>()).prop_map(|(host, port)| Transport::Net { host, port }),
        (host(), any::<u16>()).prop_map(|(host, port)| Transport::Onion { host, port }),
        (host(), any::<u16>(), path()).prop_map(|(host, port, path)| Transport::Ws { host, port, path }),
        (host(), any::<u16>(), path()).prop_map(|(host, port, path)| Transport::Wss { host, port, path }),
        "[!:;~a-z/é \n]{1,24}".prop_map(|path| Transport::Unix(path.into())),
        (key(), key()).prop_map(|(portal, target)| Transport::Tunnel { portal, target }),
        (name(), data()).prop_map(|(name, data)| Transport::Other { name, data }),
    ]
}

fn auth() -> impl Strategy<Value = Auth> {
    let seed = || any::<[u8; 32]>().prop_map(Seed::new);
    let protocol = || (name(), data()).prop_map(|(name, data)| Protocol { name, data });
    prop_oneof![
        Just(Auth::None),
        Just(Auth::NoAuth),
        Just(Auth::Shs { key: None, seed: None }),
        (any::<[u8; 32]>(), prop::option::of(seed()))
            .prop_map(|(key, seed)| Auth::Shs { key: Some(PublicKey(key)), seed }),
        prop::collection::vec(protocol(), 1..3).prop_map(Auth::Other),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(endpoints in prop::collection::vec((transport(), auth()), 1..4)) {
        let endpoints: Vec<_> =
            endpoints.into_iter().map(|(transport, auth)| Endpoint { transport, auth }).collect();
        let address = Address::new(endpoints).expect("not too many");
        let printed = address.to_string();
        prop_assert_eq!(printed.parse::<Address>(), Ok(address), "{}", printed);
    }

    /// What is read prints as text that means the same, and from then on stays as it is.
    #[test]
    fn no_text_panics(text in "((net|ws|wss|unix|onion|tunnel|~shs|~noauth|[a-z]{2}|//|\\[|\\]|::1|80|[0-9]{1,6}|[!:;~@/?#é ])[:;~!]?){0,10}") {
        let _ = Address::from_legacy_invite(&text);
        if let Ok(address) = text.parse::<Address>() {
            let printed = address.to_string();
            prop_assert_eq!(printed.parse::<Address>(), Ok(address), "{} as {}", text, printed);
        }
    }

    #[test]
    fn no_characters_panic(text in any::<String>()) {
        let _ = Address::from_legacy_invite(&text);
        let _ = text.parse::<Address>();
    }
}
