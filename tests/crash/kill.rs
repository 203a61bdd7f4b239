//! A child that is killed.

use crate::{
    Random,
    made::{FEEDS, author, check, entry, heads, open},
    now, rounds,
};
use push_mux::ssb::store::{Durability, FjallStore, Store};
use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Where the child works. Without it, the child's part is no test.
const DIR: &str = "PUSH_MUX_CRASH_DIR";

/// A feed that is longer is deleted: checking stays quick.
const LONG: u32 = 200;

/// Heads of feeds after a write; 0 for one that is deleted.
type Heads = BTreeMap<u8, u32>;

fn say(what: &str, heads: &Heads) {
    let heads: Vec<_> = heads.iter().map(|(number, end)| format!("{number}:{end}")).collect();
    let line = format!("crash {what} {}\n", heads.join(" "));
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).expect("the parent reads");
}

fn hear(line: &str) -> Option<(String, Heads)> {
    let mut words =
        line.strip_suffix('\n')?.strip_prefix("crash ")?.split(' ').filter(|word| !word.is_empty());
    let what = words.next()?.to_string();
    let heads = words.map(|word| {
        let (number, end) = word.split_once(':').expect("a feed and its end");
        (number.parse().expect("a feed"), end.parse().expect("an end"))
    });
    Some((what, heads.collect()))
}

/// One write, said before and after.
fn work(store: &FjallStore, random: &mut Random, known: &mut Heads) {
    let mut after = Heads::new();
    if let Some((number, _)) = known.iter().find(|(_, end)| **end > LONG) {
        after.insert(*number, 0);
        say("begins", &after);
        store.delete_feed(&author(*number)).expect("the feed is deleted");
    } else {
        let mut batch = Vec::new();
        for _ in 0..=random.below(6) {
            let number = random.below(FEEDS.into()) as u8;
            let end = *after.get(&number).or_else(|| known.get(&number)).unwrap_or(&0);
            let count = 1 + random.below(40) as u32;
            batch.extend((end + 1..=end + count).map(|sequence| entry(author(number), sequence)));
            after.insert(number, end + count);
        }
        say("begins", &after);
        let durability = if random.below(20) == 0 { Durability::Disk } else { Durability::Process };
        store.append(&batch, durability).expect("the batch is appended");
    }
    say("has", &after);
    known.extend(after);
    if random.below(100) == 0 {
        store.compact().expect("the tables are merged");
    }
}

#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Some(dir) = env::var_os(DIR) else { return };
    let store = open(Path::new(&dir)).expect("the store opens");
    let (mut random, mut known) = (Random::new(), heads(&store));
    loop {
        work(&store, &mut random, &mut known);
    }
}

/// Runs the child for so long. What is known to be stored, and what it was about to do when it died.
fn run(dir: &Path, life: Duration, is_patient: bool, known: &mut Heads) -> Option<Heads> {
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args(["kill::child", "--exact", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let out = child.stdout.take().expect("it has a pipe");
    let (works, at_work) = mpsc::channel();
    let reader = thread::spawn(move || {
        let (mut reader, mut said) = (BufReader::new(out), Vec::new());
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
            let heard = hear(&line);
            if heard.is_some() {
                let _late = works.send(());
            }
            said.extend(heard);
            line.clear();
        }
        said
    });
    if is_patient {
        // It has opened the store and begins to write.
        let _said = at_work.recv_timeout(Duration::from_secs(60));
    }
    thread::sleep(life);
    assert_eq!(child.try_wait().expect("the child can be looked at"), None, "the child failed by itself");
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
    let mut begun = None;
    for (what, heads) in reader.join().expect("the reader ends") {
        begun = None;
        match what.as_str() {
            "has" => known.extend(heads),
            _ => begun = Some(heads),
        }
    }
    known.retain(|_, end| *end > 0);
    begun
}

#[test]
fn what_was_stored_when_a_process_was_killed_is_there() {
    let mut dir = tempfile::tempdir().expect("a directory");
    let (mut random, mut known) = (Random::new(), Heads::new());
    let (mut died_at_work, mut writes) = (0, 0);
    let (mut opening, mut checking) = (Duration::ZERO, Duration::ZERO);
    for round in 0..rounds() {
        if round % 5 == 0 {
            // Begun anew: it may die while it makes the store.
            dir = tempfile::tempdir().expect("a directory");
            known.clear();
        }
        // Now and then it dies while it opens the store.
        let is_patient = random.below(5) > 0;
        let life = Duration::from_micros(random.below(150_000));
        let begun = run(dir.path(), life, is_patient, &mut known);
        let reopened = now();
        let store = open(dir.path()).expect("the store opens after a crash");
        opening += reopened.elapsed();
        let found = check(&store);
        drop(store);
        checking += reopened.elapsed();
        writes += usize::from(found != known || begun.is_some());
        let mut with_the_last = known.clone();
        with_the_last.extend(begun.clone().unwrap_or_default());
        with_the_last.retain(|_, end| *end > 0);
        assert!(
            found == known || found == with_the_last,
            "round {round}: neither all of the last write nor nothing of it\nknown {known:?}\nfound {found:?}\nbegun {begun:?}"
        );
        died_at_work += u32::from(begun.is_some());
        known = found;
    }
    println!("{} rounds, {died_at_work} of them in the middle of a write", rounds());
    println!("opening took {opening:?}, with checking and closing {checking:?}");
    assert!(writes > 0, "the child has written nothing, so nothing was tested");
}
