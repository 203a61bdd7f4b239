use super::{
    layers::variable,
    logs::Format,
    resolve::{Resolved, print, resolve},
    settings::{self, Setting, Shape, Shown},
    *,
};
use clap::Parser;
use std::{collections::BTreeMap, path::Path};

const FEEDS: [&str; 3] = [
    "@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519",
    "@AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519",
    "@AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519",
];
const KEYS: [&str; 3] = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
];

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

fn args(words: &[String]) -> ServeArgs {
    let words = std::iter::once("serve".to_owned()).chain(words.iter().cloned());
    Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).serve
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let home = [("HOME", "/home/x")];
    home.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn of_file(text: &str) -> Result<Resolved, String> {
    resolve(&ServeArgs::default(), &environment(&[]), Some((Path::new("/etc/p.toml"), text)))
}

fn of_flags(words: &[&str]) -> Result<Resolved, String> {
    resolve(&args(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()), &environment(&[]), None)
}

/// Three values of an option that are not its default.
fn samples(setting: &Setting) -> [String; 3] {
    let of = |values: [&str; 3]| values.map(str::to_owned);
    match setting.name {
        "dir" => of(["/a", "/b", "/c"]),
        "listen" => of(["net:1.1.1.1:1~shs", "ws://x.y:2~shs", "unix:/s"]),
        "no-socket" => of(["true", "true", "true"]),
        "connect" => KEYS.map(|key| format!("net:a.b:8008~shs:{key}")),
        "replicate" => of(FEEDS),
        "network-key" | "hmac-key" => of(KEYS),
        "host" => of(["a.example", "192.0.2.1", "2001:db8::1"]),
        "tls-certificate" => of(["a.pem", "b.pem", "c.pem"]),
        "tls-key" => of(["a.key", "b.key", "c.key"]),
        "backend" => of(["ring", "epoll", "ring"]),
        "congestion" => of(["bbr", "cubic", "reno"]),
        "metrics" => of(["127.0.0.1:1", "[::1]:2", "0.0.0.0:3"]),
        "log-format" => of(["json", "json", "json"]),
        "log-filter" => of(["push_mux=debug", "warn", "error"]),
        _ => match setting.value {
            "BYTES" => of(["3KiB", "6MiB", "7GiB"]),
            "SECONDS" | "N" => of(["11", "12", "13"]),
            _ => panic!("{} has no samples: give it some", setting.name),
        },
    }
}

/// What a value is when it is the one in effect.
fn expected(setting: &Setting, value: &str) -> Shown {
    match (setting.shape, setting.name, setting.value) {
        (Shape::Flag, ..) => Shown::Flag(value == "true"),
        (Shape::Many, ..) => Shown::Texts(vec![value.to_owned()]),
        (_, "network-key" | "hmac-key", _) => Shown::Secret(true),
        (.., "N" | "SECONDS") => Shown::Bare(value.to_owned()),
        _ => Shown::Text(value.to_owned()),
    }
}

fn in_toml(setting: &Setting, value: &str) -> String {
    match setting.shape {
        Shape::Flag => format!("{} = {value}\n", setting.name),
        Shape::Many => format!("{} = [{value:?}]\n", setting.name),
        Shape::One if matches!(setting.value, "N" | "SECONDS") => format!("{} = {value}\n", setting.name),
        Shape::One => format!("{} = {value:?}\n", setting.name),
    }
}

fn in_flags(setting: &Setting, value: &str) -> Vec<String> {
    let flag = format!("--{}", setting.name);
    if setting.shape == Shape::Flag { vec![flag] } else { vec![flag, value.to_owned()] }
}

/// Whether the key in effect is this one; keys are not shown.
fn has_key(resolved: &Resolved, setting: &Setting, value: &str) -> bool {
    let key = values::key(value).expect("a sample is a key");
    match setting.name {
        "network-key" => resolved.network.as_bytes() == &key,
        "hmac-key" => resolved.options.hmac.is_some_and(|hmac| hmac.0 == key),
        _ => true,
    }
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    for setting in settings::all() {
        let [in_file, in_environment, in_flag] = samples(setting);
        let variable = variable(setting.name);
        // Certificate and key are wanted together.
        let also = match setting.name {
            "tls-certificate" => "tls-key = \"other.key\"\n",
            "tls-key" => "tls-certificate = \"other.pem\"\n",
            _ => "",
        };
        let file = in_toml(setting, &in_file) + also;
        let flags = args(&in_flags(setting, &in_flag));
        let none = args(&[]);
        for (flags, environment_has, file_has, wanted) in [
            (&none, false, false, None),
            (&none, false, true, Some(&in_file)),
            (&none, true, false, Some(&in_environment)),
            (&none, true, true, Some(&in_environment)),
            (&flags, false, false, Some(&in_flag)),
            (&flags, false, true, Some(&in_flag)),
            (&flags, true, false, Some(&in_flag)),
            (&flags, true, true, Some(&in_flag)),
        ] {
            let pairs = [(variable.as_str(), in_environment.as_str())];
            let environment = environment(if environment_has { &pairs } else { &[] });
            let text = if file_has { file.as_str() } else { also };
            let resolved = resolve(flags, &environment, Some((Path::new("f"), text)));
            let resolved = match (resolved, wanted) {
                (Ok(resolved), _) => resolved,
                (Err(error), None) if !also.is_empty() => {
                    assert_eq!(error, "tls-certificate and tls-key are wanted together");
                    continue;
                }
                (Err(error), _) => panic!("{}: {error}", setting.name),
            };
            let shown = (setting.show)(&resolved);
            match wanted {
                Some(value) => {
                    assert_eq!(shown, expected(setting, value), "{}", setting.name);
                    let is_key = matches!(shown, Shown::Secret(_));
                    assert!(!is_key || has_key(&resolved, setting, value), "{}", setting.name);
                }
                None => {
                    for value in [&in_file, &in_environment, &in_flag] {
                        assert_ne!(shown, expected(setting, value), "{} is its default", setting.name);
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_printed_reads_back_and_has_no_key() {
    let mut words = Vec::new();
    for setting in settings::all().filter(|setting| setting.shape != Shape::Flag) {
        words.extend(in_flags(setting, &samples(setting)[1]));
    }
    for words in [words, Vec::new()] {
        let text = print(&resolve(&args(&words), &environment(&[]), None).expect("it resolves"));
        assert!(!text.contains("network-key =") && !text.contains("hmac-key ="), "{text}");
        let again = of_file(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let without_keys = |text: &str| {
            let lines =
                text.lines().filter(|line| !line.contains("network-key") && !line.contains("hmac-key"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(without_keys(&print(&again)), without_keys(&text));
        for setting in settings::all() {
            assert!(text.contains(setting.name), "{} is not printed", setting.name);
        }
    }
}

#[test]
fn nothing_said_is_a_pub_for_this_machine_alone() {
    let resolved = of_flags(&[]).expect("it resolves");
    assert_eq!(resolved.options.dir, Path::new("/home/x/.local/share/push-mux"));
    assert_eq!(resolved.secret(), Path::new("/home/x/.local/share/push-mux/secret"));
    let listeners: Vec<_> = resolved.listeners().iter().map(ToString::to_string).collect();
    assert_eq!(listeners, ["net:127.0.0.1:8008~shs", "unix:/home/x/.local/share/push-mux/socket"]);
    assert_eq!((resolved.metrics, resolved.log.format), (None, Format::Text));
    let xdg = environment(&[("XDG_DATA_HOME", "/data")]);
    let resolved = resolve(&ServeArgs::default(), &xdg, None).expect("it resolves");
    assert_eq!(resolved.options.dir, Path::new("/data/push-mux"));
    let relative = environment(&[("XDG_DATA_HOME", "data")]);
    let resolved = resolve(&ServeArgs::default(), &relative, None).expect("it resolves");
    assert_eq!(resolved.options.dir, Path::new("/home/x/.local/share/push-mux"), "no relative one counts");
    let homeless = resolve(&ServeArgs::default(), &BTreeMap::new(), None).expect_err("there is no place");
    assert!(homeless.contains("--dir"), "{homeless}");
    let named = resolve(&args(&["--dir".to_owned(), "/d".to_owned()]), &BTreeMap::new(), None);
    assert_eq!(named.expect("it resolves").options.dir, Path::new("/d"));
}

#[test]
fn the_socket_is_there_unless_it_is_unwanted() {
    let listeners = |words: &[&str]| {
        let resolved = of_flags(words)?;
        Ok::<_, String>(resolved.listeners().iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let both = listeners(&["--dir", "/d", "--listen", "net:0.0.0.0:1~shs", "--listen", "unix:/e"]);
    assert_eq!(both.unwrap(), ["net:0.0.0.0:1~shs", "unix:/e", "unix:/d/socket"]);
    assert_eq!(listeners(&["--no-socket"]).unwrap(), ["net:127.0.0.1:8008~shs"]);
    let nowhere = of_file("listen = []\nno-socket = true").expect_err("nobody could come");
    assert!(nowhere.contains("nothing to listen on"), "{nowhere}");
    assert_eq!(of_file("listen = []\ndir = '/d'").unwrap().listeners().len(), 1);
    let deep = format!("/{}", "d".repeat(110));
    let error = of_flags(&["--dir", &deep]).expect_err("the path is too long");
    assert!(error.contains("shorter dir"), "{error}");
    of_flags(&["--dir", &deep, "--no-socket"]).expect("there is no socket");
}

#[test]
fn a_mistake_in_a_file_is_found_by_its_line() {
    for (text, wanted) in [
        ("hops = 1\nhop = 2\n", "/etc/p.toml:2: \"hop\" is no option; \"hops\" is"),
        ("max_feeds = 2\n", "/etc/p.toml:1: \"max_feeds\" is no option; \"max-feeds\" is"),
        ("\n\nfoo = 2\n", "/etc/p.toml:3: \"foo\" is no option"),
        ("[serve]\nhops = 1\n", "/etc/p.toml:1: \"serve\" is no option"),
        ("hops = 1\n\nhops = 2\n", "/etc/p.toml:3: duplicate key"),
        ("hops = -1\n", "/etc/p.toml:1: hops: \"-1\" is no whole number of at least 0, or too large"),
        ("# x\nhops = true\n", "/etc/p.toml:2: hops: a string or a number is wanted"),
        ("hops = [1]\n", "/etc/p.toml:1: hops: a string or a number is wanted"),
        ("listen = \"net:a:1~shs\"\n", "/etc/p.toml:1: listen: a list of strings is wanted"),
        ("listen = [[]]\n", "/etc/p.toml:1: listen: a list of strings is wanted"),
        ("no-socket = 1\n", "/etc/p.toml:1: no-socket: true or false is wanted"),
        ("a = \n", "/etc/p.toml:1: "),
    ] {
        let error = of_file(text).expect_err(text);
        assert!(error.starts_with(wanted), "{text:?}: {error}");
    }
}

#[test]
fn values_that_do_not_fit_are_refused_with_their_origin() {
    for (flag, value, wanted) in [
        ("--listen", "net:0.0.0.0:8008", "~shs"),
        ("--listen", "onion:x.onion:1~shs", "cannot be listened on"),
        ("--listen", "wss://x:1~shs", "tls-certificate"),
        ("--connect", "net:a:1", "net:HOST:PORT~shs:KEY"),
        ("--connect", "nonsense", "nonsense"),
        ("--replicate", "@x.ed25519", "is no feed"),
        ("--hops", "x", "--hops: \"x\" is no whole number"),
        ("--max-connections", "0", "at least 1"),
        ("--max-feeds", "99999999999999999999999", "too large"),
        ("--max-blobs-bytes", "5 MB", "10GiB"),
        ("--max-blobs-bytes", "99999999999GiB", "10GiB"),
        ("--host", "net:a~shs", "is no host"),
        ("--host", "", "is no host"),
        ("--metrics", "9108", "127.0.0.1:9108"),
        ("--log-format", "xml", "neither text nor json"),
        ("--log-filter", "push_mux=loud", "is no log filter"),
        ("--backend", "kqueue", "kqueue"),
        ("--shards", "0", "at least 1"),
        ("--max-idle-seconds", "0", "at least 1"),
        ("--tls-key", "k", "wanted together"),
    ] {
        let error = of_flags(&[&format!("{flag}={value}")]).expect_err(flag);
        assert!(error.contains(wanted), "{flag} {value}: {error}");
    }
    let secret = of_flags(&["--network-key", "secretsecret"]).expect_err("it is no key");
    assert_eq!(secret, "--network-key: base64 of 32 bytes is wanted", "a key is not repeated");
    let variables = environment(&[("PUSH_MUX_HOPS", "many")]);
    let error = resolve(&ServeArgs::default(), &variables, None).expect_err("it is no number");
    assert!(error.starts_with("PUSH_MUX_HOPS: \"many\""), "{error}");
}

#[test]
fn the_environment_has_lists_flags_and_strangers() {
    let variables = environment(&[
        ("PUSH_MUX_REPLICATE", &format!(" {} {}", FEEDS[0], FEEDS[1])),
        ("PUSH_MUX_NO_SOCKET", "no"),
        ("PUSH_MUX_HOPS", ""),
        ("PUSH_MUX_SERVICE_HOST", "10.0.0.1"),
        ("PUSH_MUX_LOG", "debug"),
    ]);
    let resolved = resolve(&ServeArgs::default(), &variables, None).expect("it resolves");
    assert_eq!(resolved.options.replicate.len(), 2);
    assert!(resolved.has_socket);
    assert_eq!(resolved.options.hops, 2, "an empty variable says nothing");
    assert_eq!(resolved.log.filter, "debug", "as for all commands");
    let alias = args(&["--log".to_owned(), "json".to_owned()]);
    assert_eq!(resolve(&alias, &variables, None).expect("it resolves").log.format, Format::Json);
}

#[test]
fn numbers_in_files_may_be_written_in_all_ways_of_toml() {
    let resolved = of_file("max-feeds = 1_000\nmax-blob-bytes = 0x10\nhops = \"3\"\n").expect("it resolves");
    assert_eq!(resolved.options.feeds_max, 1000);
    assert_eq!((resolved.options.blob_bytes_max, resolved.options.hops), (16, 3));
}

#[test]
fn the_example_in_the_docs_sets_every_option() {
    let text = include_str!("../../../../docs/push-mux.toml");
    of_file(text).unwrap_or_else(|error| panic!("{error}"));
    // What is commented out must be right too. A sentence has no `=` right behind its first word.
    let is_option = |line: &str| {
        let name = line.trim_start_matches("# ").split_once(" = ").map(|(name, _)| name);
        name.is_some_and(|name| !name.contains(' '))
    };
    let bare = text.lines().map(|line| if is_option(line) { line.trim_start_matches("# ") } else { line });
    let all = bare.collect::<Vec<_>>().join("\n");
    of_file(&all).unwrap_or_else(|error| panic!("{error}"));
    let table: toml::Table = all.parse().expect("it has been read");
    let named: Vec<_> = table.keys().map(String::as_str).collect();
    for setting in settings::all() {
        assert!(named.contains(&setting.name), "{} is not in docs/push-mux.toml", setting.name);
    }
}

#[test]
fn the_help_and_the_docs_tell_the_defaults_of_limits() {
    let operations = include_str!("../../../../docs/OPERATIONS.md");
    let defaults = of_flags(&[]).expect("it resolves");
    for setting in
        settings::all().filter(|setting| setting.name.starts_with("max-") || setting.name.starts_with("min-"))
    {
        let (Shown::Bare(default) | Shown::Text(default)) = (setting.show)(&defaults) else {
            panic!("{} has no default", setting.name)
        };
        let told = format!("[default: {default}]");
        assert!(
            setting.help.ends_with(&told),
            "--{}: {} does not end with {told}",
            setting.name,
            setting.help
        );
        let row = format!("| `--{}` | {default} |", setting.name);
        assert!(operations.contains(&row), "docs/OPERATIONS.md has no row {row}");
    }
}
