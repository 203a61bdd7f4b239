//! `push-mux serve`: what it prints, makes, answers and leaves.

use crate::{eventually, push_mux, told};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A server that is killed when a test is over.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server; yields it and its first lines.
fn start(mut command: Command, lines: usize) -> (Running, Vec<String>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut told = Vec::new();
    for _ in 0..lines {
        let mut line = String::new();
        if out.read_line(&mut line).expect("it is text") == 0 {
            let mut error = String::new();
            let _ = child.stderr.take().expect("it is piped").read_to_string(&mut error);
            panic!("it ends with {told:?} and {error}");
        }
        told.push(line.trim_end().to_owned());
    }
    child.stdout = Some(out.into_inner());
    (Running(child), told)
}

/// Asks for the end; yields the exit code, and what else it printed and logged.
fn stop(mut server: Running) -> (Option<i32>, String, String) {
    let id = server.0.id().to_string();
    let status = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
    assert!(status.success());
    let code = eventually("the end", || server.0.try_wait().expect("it can be waited for")).code();
    let (mut out, mut error) = (String::new(), String::new());
    server.0.stdout.take().expect("it is piped").read_to_string(&mut out).expect("it is text");
    server.0.stderr.take().expect("it is piped").read_to_string(&mut error).expect("it is text");
    (code, out, error)
}

fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

fn id_of(dir: &Path) -> String {
    let output =
        push_mux(dir).args(["whoami", "--secret"]).arg(dir.join("secret")).output().expect("it runs");
    told(&output).0.trim().trim_start_matches('@').trim_end_matches(".ed25519").to_owned()
}

#[test]
fn a_first_start_makes_an_identity_and_says_where_to_dial() {
    let home = tempfile::tempdir().expect("there is a place for it");
    let dir = home.path().join("data/pub");
    let metrics = format!("127.0.0.1:{}", free_port());
    let mut command = push_mux(home.path());
    command.args(["serve", "--shards", "1", "--listen", "net:127.0.0.1:0~shs", "--metrics", &metrics]);
    command.args(["--log", "json", "--dir"]).arg(&dir);
    let (server, lines) = start(command, 2);
    let id = id_of(&dir);
    assert!(lines[0].starts_with("net:127.0.0.1:") && lines[0].ends_with(&format!("~shs:{id}")), "{lines:?}");
    assert_eq!(lines[1], format!("unix:{}", dir.join("socket").display()));
    let mode = |name: &str| fs::metadata(dir.join(name)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("secret"), mode("socket")), (0o700, 0o600, 0o600));

    let well = eventually("health", || get(&metrics, "/healthz").filter(|page| page.contains(" 200 OK\r\n")));
    assert!(well.ends_with("\r\n\r\nwell\n"), "{well}");
    let mut call = push_mux(home.path());
    let output = call.args(["call", &lines[0], "no.such.method"]).output().expect("it runs");
    assert!(told(&output).2.contains("not in list of allowed methods"), "{:?}", told(&output));
    eventually("the figures", || {
        let page = get(&metrics, "/metrics")?;
        page.contains("push_mux_calls_refused_total 1\n").then_some(())
    });

    let (code, out, log) = stop(server);
    assert_eq!((code, out.as_str()), (Some(0), ""), "nothing else stands on standard output: {log}");
    assert!(!dir.join("socket").exists(), "it is put away");
    let first = log.lines().next().expect("it logs");
    let entry: serde_json::Value = serde_json::from_str(first).expect("each line is JSON");
    assert_eq!(entry["message"], "made a new identity");
    assert!(!log.contains(".ed25519\",\"private"), "and no key in it");
}

#[test]
fn a_second_start_keeps_the_identity_and_takes_file_and_environment() {
    let home = tempfile::tempdir().expect("there is a place for it");
    let file = home.path().join("pub.toml");
    let dir = home.path().join("d");
    let text = format!("dir = {:?}\nlisten = [\"net:127.0.0.1:0~shs\"]\nshards = 7\nno-socket = true\n", dir);
    fs::write(&file, text).expect("it can be written");
    let begin = || {
        let mut command = push_mux(home.path());
        command.args(["serve", "--config"]).arg(&file).env("PUSH_MUX_SHARDS", "1");
        start(command, 1)
    };
    let (server, _) = begin();
    let id = id_of(&dir);
    stop(server);
    let (server, lines) = begin();
    assert!(lines[0].ends_with(&id), "{lines:?}");
    assert!(!dir.join("socket").exists(), "it was not wanted");
    // It has listened since it said so; once it answers it also catches signals.
    let output = push_mux(home.path()).args(["call", &lines[0], "manifest"]).output().expect("it runs");
    assert_eq!(told(&output).1, Some(0), "{:?}", told(&output));
    assert_eq!(stop(server).0, Some(0));
}

#[test]
fn options_in_effect_are_printed_and_nothing_is_made() {
    let home = tempfile::tempdir().expect("there is a place for it");
    let key = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let mut command = push_mux(home.path());
    command.args(["serve", "--print-config", "--hops", "3"]);
    command.env("PUSH_MUX_NETWORK_KEY", key).env("PUSH_MUX_MAX_BLOBS_BYTES", "2048MiB");
    let (out, code, error) = told(&command.output().expect("it runs"));
    assert_eq!((code, error.as_str()), (Some(0), ""));
    for line in ["hops = 3", "max-blobs-bytes = \"2GiB\"", "# network-key is set, and not shown"] {
        assert!(out.lines().any(|own| own == line), "{line} is not in\n{out}");
    }
    assert!(!out.contains(key), "{out}");
    assert_eq!(fs::read_dir(home.path()).expect("it is there").count(), 0, "nothing was made");
}

#[test]
fn a_start_that_fails_says_why_in_one_line() {
    let home = tempfile::tempdir().expect("there is a place for it");
    let file = home.path().join("pub.toml");
    fs::write(&file, "hops = 1\nhopps = 2\n").expect("it can be written");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = taken.local_addr().expect("it is bound").to_string();
    let _held = TcpListener::bind(&taken);
    let fails = |args: &[&str]| {
        let (out, code, error) =
            told(&push_mux(home.path()).arg("serve").args(args).output().expect("it runs"));
        assert_eq!((out.as_str(), code), ("", Some(1)), "{error}");
        error.lines().last().unwrap_or_default().to_owned()
    };
    let wrong = fails(&["--config", file.to_str().expect("it is text")]);
    assert_eq!(wrong, format!("{}:2: \"hopps\" is no option", file.display()));
    let missing = fails(&["--config", "/no/such/file"]);
    assert_eq!(missing, "/no/such/file: No such file or directory (os error 2)");
    let metrics = fails(&["--listen", "net:127.0.0.1:0~shs", "--metrics", "192.0.2.1:1"]);
    assert!(metrics.starts_with("cannot serve metrics on 192.0.2.1:1: "), "{metrics}");
}
