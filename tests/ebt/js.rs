//! The machine against npm `epidemic-broadcast-trees`, which is what it must understand.

use crate::{
    net::{Frame, Net, OUTSIDE, feed},
    npm::{both, install, program},
    random::Random,
};
use push_mux::PublicKey;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

/// The process of a JavaScript peer.
struct Js {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Js {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Js {
    /// `None` where there is no Node, unless peers are required.
    fn start() -> Option<Self> {
        let (Some(node), Some(npm)) = (program("node"), program("npm")) else {
            assert!(
                env::var_os("PUSH_MUX_REQUIRE_PEERS").is_none_or(|value| value != "1"),
                "PUSH_MUX_REQUIRE_PEERS=1, but node and npm are not both on the path"
            );
            eprintln!("SKIPPED: needs node and npm, which are not both on the path");
            return None;
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
        install(&npm, &folder).expect("npm ci installs the peers");
        let version = Command::new(&node).arg("--version").output().expect("node starts");
        assert!(version.status.success(), "{}", both(&version));
        let mut child = Command::new(node)
            .arg("ebt-peer.mjs")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Some(Self { child, input, output })
    }

    /// Gives a command and collects what was said until it was done.
    fn tell(&mut self, command: &Value) -> Vec<Value> {
        writeln!(self.input, "{command}").expect("node reads");
        let mut said = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).expect("node writes") > 0, "node has ended");
            match serde_json::from_str::<Value>(&line) {
                Ok(value) if value.get("done").is_some() => return said,
                Ok(value) => said.push(value),
                // The package prints what it finds strange.
                Err(_) => eprintln!("node: {line}"),
            }
        }
    }
}

/// The id of one of our nodes.
fn id(at: usize) -> PublicKey {
    feed(200 + at)
}

/// A network of ours with the JavaScript peer outside.
struct Rig {
    net: Net,
    js: Js,
    /// The connections to it, by node.
    conns: BTreeMap<usize, u64>,
    random: Random,
}

impl Rig {
    fn connect(&mut self, at: usize, js_opens: bool) {
        let pair = if js_opens { [OUTSIDE, at] } else { [at, OUTSIDE] };
        self.net.connect(pair[0], pair[1]);
        let conn = *self.net.conns.keys().next_back().expect("the new one");
        self.conns.insert(at, conn);
        self.js(&json!({"op": "connect", "peer": id(at).to_string(), "client": js_opens}));
    }

    fn disconnect(&mut self, at: usize) {
        let conn = self.conns.remove(&at).expect("connected");
        self.net.outside.retain(|(other, _)| *other != conn);
        self.net.disconnect(conn);
        self.js(&json!({"op": "disconnect", "peer": id(at).to_string()}));
    }

    /// A command; frames that it causes are delivered.
    fn js(&mut self, command: &Value) -> Vec<Value> {
        let said = self.js.tell(command);
        for value in &said {
            let Some(frame) = value.get("frame") else { continue };
            let peer = value["peer"].as_str().expect("a peer");
            let at = (0..self.net.nodes.len()).find(|at| id(*at).to_string() == peer).expect("a node");
            let Some(conn) = self.conns.get(&at).copied() else { continue };
            let frame = match (frame.get("author"), frame.get("sequence")) {
                (Some(author), Some(sequence)) => {
                    let author = author.as_str().expect("a feed").parse().expect("a feed");
                    let sequence = u32::try_from(sequence.as_u64().expect("a number")).expect("small");
                    Frame::Message(author, sequence)
                }
                _ => Frame::Notes(frame.to_string().into_bytes()),
            };
            self.net.deliver(conn, frame);
        }
        said
    }

    /// Everything is said and answered on both sides.
    fn settle(&mut self) {
        loop {
            self.net.settle(&mut self.random);
            if self.net.outside.is_empty() {
                return;
            }
            for (conn, frame) in std::mem::take(&mut self.net.outside) {
                let Some(at) = self.conns.iter().find(|(_, other)| **other == conn).map(|(at, _)| *at) else {
                    continue;
                };
                let frame: Value = match frame {
                    Frame::Notes(bytes) => serde_json::from_slice(&bytes).expect("JSON"),
                    Frame::Message(author, sequence) => {
                        json!({"author": author.to_string(), "sequence": sequence, "content": {"type": "test"}})
                    }
                };
                self.js(&json!({"op": "frame", "peer": id(at).to_string(), "frame": frame}));
            }
        }
    }

    fn heads(&mut self) -> Value {
        let said = self.js(&json!({"op": "state"}));
        said.into_iter().find_map(|value| value.get("heads").cloned()).expect("heads")
    }

    fn assert_same(&mut self, at: usize, feed: &PublicKey) {
        let theirs = self.heads().get(feed.to_string()).and_then(Value::as_u64).unwrap_or(0);
        let ours = u64::from(self.net.nodes[at].clock.get(feed).copied().unwrap_or(0));
        assert_eq!(ours, theirs, "{feed}: ours, theirs");
    }
}

const FEEDS: usize = 8;

/// One life of two peers: what they want and have is random, so are appends, and so is who calls whom.
fn life(js: Js, seed: u64) -> Js {
    let mut random = Random(seed);
    let base = random.below(1 << 16);
    let mut rig = Rig { net: Net::default(), js, conns: BTreeMap::new(), random: Random(seed) };
    rig.js(&json!({"op": "start", "id": feed(199).to_string()}));
    // A feed has one author: even ones write there, odd ones here.
    let mut wants: [Vec<bool>; 2] =
        [0, 1].map(|side| (0..FEEDS).map(|n| n % 2 == side || random.chance(70)).collect());
    let name = |n: usize| {
        PublicKey(std::array::from_fn(|at| if at == 31 { n as u8 } else { (base >> (at % 2 * 8)) as u8 }))
    };
    rig.net.add_node((0..FEEDS).filter(|n| wants[1][*n]).map(name));
    for n in (0..FEEDS).filter(|n| wants[0][*n]) {
        rig.js(&json!({"op": "request", "feed": name(n).to_string(), "value": true}));
    }
    let append = |rig: &mut Rig, n: usize| match n % 2 {
        0 => drop(rig.js(&json!({"op": "append", "feed": name(n).to_string()}))),
        _ => rig.net.append(0, &name(n), None),
    };
    (0..random.below(40)).for_each(|_| append(&mut rig, random.below(FEEDS)));
    for _ in 0..4 {
        let js_opens = random.chance(50);
        rig.connect(0, js_opens);
        for _ in 0..random.below(12) {
            match random.below(10) {
                0..6 => append(&mut rig, random.below(FEEDS)),
                6..8 => rig.settle(),
                _ => {
                    let n = random.below(FEEDS);
                    if random.chance(50) {
                        // Only more of it: a peer of JavaScript that lets go of a feed says nothing of it.
                        wants[0][n] = true;
                        rig.js(&json!({"op": "request", "feed": name(n).to_string(), "value": true}));
                    } else if n.is_multiple_of(2) {
                        wants[1][n] = !wants[1][n];
                        rig.net.set_wanted(0, &name(n), wants[1][n]);
                    }
                }
            }
        }
        rig.settle();
        for n in (0..FEEDS).filter(|n| wants[0][*n] && wants[1][*n]) {
            rig.assert_same(0, &name(n));
        }
        rig.disconnect(0);
        if random.chance(30) {
            // It lost messages that are ours, and not what we are known to have.
            let n = random.below(FEEDS) | 1;
            rig.js(&json!({"op": "forget", "feed": name(n).to_string(), "left": random.below(4)}));
        }
        (0..random.below(6)).for_each(|_| append(&mut rig, random.below(FEEDS)));
    }
    rig.js
}

#[test]
fn javascript_and_we_agree_on_every_feed_that_both_want() {
    let Some(mut js) = Js::start() else { return };
    for seed in 0..60 {
        // Shown only when the test fails.
        println!("seed {seed}");
        js = life(js, seed);
    }
}

#[test]
fn javascript_between_two_of_us_passes_feeds_on() {
    let Some(js) = Js::start() else { return };
    let mut rig = Rig { net: Net::default(), js, conns: BTreeMap::new(), random: Random(7) };
    rig.js(&json!({"op": "start", "id": feed(199).to_string()}));
    for n in 0..4 {
        rig.js(&json!({"op": "request", "feed": feed(n).to_string(), "value": true}));
    }
    for _ in 0..2 {
        rig.net.add_node((0..4).map(feed));
    }
    for n in 0..4 {
        (0..5).for_each(|_| rig.net.append(n % 2, &feed(n), None));
    }
    rig.connect(0, true);
    rig.connect(1, false);
    // It asks one peer at a time, and looks for another by a timer of its own.
    for _ in 0..20 {
        rig.settle();
        thread::sleep(Duration::from_millis(20));
        rig.js(&json!({"op": "state"}));
    }
    for n in 0..4 {
        rig.assert_same(0, &feed(n));
        rig.assert_same(1, &feed(n));
    }
    (0..4).for_each(|n| rig.net.append(n % 2, &feed(n), None));
    rig.settle();
    for n in 0..4 {
        rig.assert_same(0, &feed(n));
        rig.assert_same(1, &feed(n));
    }
}

#[test]
fn blocks_hold_between_javascript_and_us() {
    let Some(js) = Js::start() else { return };
    let mut rig = Rig { net: Net::default(), js, conns: BTreeMap::new(), random: Random(7) };
    rig.js(&json!({"op": "start", "id": feed(199).to_string()}));
    rig.net.add_node((0..3).map(feed));
    for n in 0..3 {
        rig.js(&json!({"op": "request", "feed": feed(n).to_string(), "value": true}));
    }
    rig.js(&json!({"op": "block", "feed": feed(0).to_string(), "target": id(0).to_string()}));
    rig.js(&json!({"op": "append", "feed": feed(0).to_string()}));
    rig.net.append(0, &feed(1), None);
    rig.net.append(0, &feed(2), None);
    rig.net.set_block(&feed(1), OUTSIDE, true);
    rig.connect(0, true);
    rig.settle();
    assert_eq!(rig.net.nodes[0].clock.get(&feed(0)), None, "it blocks us from its own");
    assert_eq!(rig.heads(), json!({feed(0).to_string(): 1, feed(2).to_string(): 1}), "and we it from one");
    rig.net.set_block(&feed(1), OUTSIDE, false);
    rig.settle();
    assert_eq!(rig.heads()[feed(1).to_string()], 1, "until its author lets it");
}
