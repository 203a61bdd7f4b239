//! Messages that lie, authors who block, feeds that begin anew, and a store that refuses for a while.

use crate::rig::{Rig, as_peer, eventually, keypair, run, serve_options};
use push_mux::{
    Address, BodyKind, CallError, Client, Keypair, PublicKey,
    mux::Outgoing,
    runtime::Shutdown,
    ssb::{
        MessageId, Pub, PubError, PubOptions,
        message::{Message, create},
        store::{
            Bounds, Contact, Durability, Entry, Head, KeyAndValue, MemoryStore, Store, StoreError,
            StoreSpace, Stored,
        },
    },
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// The first messages of a feed.
fn feed(author: &Keypair, contents: &[Value]) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for content in contents {
        let head = messages.last().map(|last| (last.sequence, last.id));
        let content = content.to_string();
        messages.push(create(author, head, 1.0, content.as_bytes(), None).expect("it is valid"));
    }
    messages
}

fn posts(count: usize) -> Vec<Value> {
    (0..count).map(|number| json!({ "type": "post", "text": number.to_string() })).collect()
}

fn import(rig: &Rig, messages: &[Message]) -> Result<(), CallError> {
    rig.run(async |client| {
        let mut sink = client.sink("feeds.import", ()).await?;
        for message in messages {
            sink.send(Outgoing::borrowed(BodyKind::Json, &message.value)).await?;
        }
        sink.finish().await
    })
}

fn latest(rig: &Rig, feed: PublicKey) -> Result<Value, CallError> {
    rig.call("latestSequence", (feed.to_string(),))
}

#[test]
fn a_message_is_of_the_feed_that_it_says_first() {
    let rig = Rig::new(1, &[]);
    let (shown, real) = (keypair(2).public(), keypair(3).public());
    let message = feed(&keypair(3), &posts(1)).remove(0);
    let text = String::from_utf8(message.value.to_vec()).expect("it is text");
    let author = format!("\"author\":\"{real}\",");
    let twice = text.replace(&author, &format!("\"author\":\"{shown}\","));
    let twice = twice.replace("\"signature\"", &format!("{author}\"signature\""));
    let forged = Message { value: twice.into(), ..message.clone() };
    assert!(import(&rig, &[forged]).is_err());
    assert!(latest(&rig, shown).is_err() && latest(&rig, real).is_err());
    import(&rig, &[message]).unwrap();
    assert_eq!(latest(&rig, real), Ok(json!(1)));
}

#[test]
fn whom_an_author_blocks_gets_no_history_stream_of_theirs() {
    let rig = Rig::new(1, &[]);
    let [author, blocked] = [2, 3].map(|number| keypair(number).public());
    let mut contents = posts(2);
    contents.push(json!({ "type": "contact", "contact": blocked.to_string(), "blocking": true }));
    import(&rig, &feed(&keypair(2), &contents)).unwrap();
    let asked = json!({ "id": author.to_string() });
    let count = async |client: Client| {
        let mut rx = client.source("createHistoryStream", (&asked,)).await?;
        let mut count = 0;
        while rx.next().await.transpose()?.is_some() {
            count += 1;
        }
        Ok::<_, CallError>(count)
    };
    assert_eq!(rig.run_as(4, count), Ok(3));
    assert!(rig.run_as(3, count).is_err());
    assert_eq!(rig.run(count), Ok(3));
}

#[test]
fn a_deleted_feed_begins_anew() {
    let rig = Rig::new(1, &[]);
    let author = keypair(2).public();
    let messages = feed(&keypair(2), &posts(20));
    import(&rig, &messages).unwrap();
    for _ in 0..5 {
        rig.call("feeds.delete", (author.to_string(),)).unwrap();
        assert!(latest(&rig, author).is_err());
        import(&rig, &messages).unwrap();
        assert_eq!(latest(&rig, author), Ok(json!(20)));
    }
    let length = rig.run(async |client| {
        let mut rx = client.source("createLogStream", (json!({ "live": true }),)).await.unwrap();
        for _ in 0..20 {
            rx.next().await.unwrap().unwrap();
        }
        client.call::<Value>("feeds.delete", (author.to_string(),)).await.unwrap();
        client.call::<Value>("publish", (json!({ "type": "post" }),)).await.unwrap();
        rx.next().await.unwrap().unwrap().bytes.len()
    });
    assert!(length > 0);
}

/// A store that refuses to write when told so.
#[derive(Default)]
struct Flaky {
    inner: MemoryStore,
    is_full: AtomicBool,
}

impl Flaky {
    fn admit(&self) -> Result<(), StoreError> {
        match self.is_full.load(Ordering::Relaxed) {
            true => Err(StoreError::Full { free_bytes: 0, min_bytes: 1 }),
            false => Ok(()),
        }
    }
}

impl Store for Flaky {
    fn heads(&self) -> Result<Vec<(PublicKey, Head)>, StoreError> {
        self.inner.heads()
    }

    fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        self.inner.contacts()
    }

    fn append(&self, batch: &[Entry], durability: Durability) -> Result<(), StoreError> {
        self.admit()?;
        self.inner.append(batch, durability)
    }

    fn message(&self, id: &MessageId) -> Result<Option<Stored>, StoreError> {
        self.inner.message(id)
    }

    fn range(&self, author: &PublicKey, from: u32, bounds: Bounds) -> Result<Vec<Stored>, StoreError> {
        self.inner.range(author, from, bounds)
    }

    fn log(&self, from: u64, bounds: Bounds) -> Result<Vec<(u64, Stored)>, StoreError> {
        self.inner.log(from, bounds)
    }

    fn log_end(&self) -> u64 {
        self.inner.log_end()
    }

    fn delete_feed(&self, author: &PublicKey) -> Result<(), StoreError> {
        self.inner.delete_feed(author)
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.inner.compact()
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.value(key)
    }

    fn set_value(&self, key: &[u8], value: Option<&[u8]>, durability: Durability) -> Result<(), StoreError> {
        self.admit()?;
        self.inner.set_value(key, value, durability)
    }

    fn values(&self, prefix: &[u8]) -> Result<Vec<KeyAndValue>, StoreError> {
        self.inner.values(prefix)
    }

    fn space(&self) -> Result<StoreSpace, StoreError> {
        self.inner.space()
    }
}

/// A pub on a store that is ours; stopped when dropped.
struct Other {
    address: Address,
    shutdown: Shutdown,
    thread: Option<JoinHandle<Result<(), PubError>>>,
    _dir: tempfile::TempDir,
}

impl Other {
    /// With its own identity a client may call everything.
    const NUMBER: u8 = 9;

    fn new(store: Arc<Flaky>, connect: &Address, feed: PublicKey) -> Self {
        let dir = tempfile::tempdir().expect("there is a disk");
        let mut options = PubOptions::new(dir.path());
        options.serve = serve_options(Self::NUMBER);
        options.connect = vec![connect.clone()];
        options.replicate = vec![feed];
        let listen = ["net:127.0.0.1:0~shs".parse().expect("an address")];
        let server = Pub::with_store(options, &listen, store).expect("it can be bound");
        let (address, shutdown) = (server.addresses().remove(0), server.shutdown());
        let thread = Some(thread::spawn(move || server.serve()));
        Self { address, shutdown, thread, _dir: dir }
    }

    fn call(&self, name: &'static str, args: Value) -> Result<Value, CallError> {
        run(&self.address, as_peer(Self::NUMBER), async |client| client.call(name, (args,)).await)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.shutdown.ask();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_store_that_was_full_is_filled_once_there_is_room() {
    let author = keypair(2).public();
    let source = Rig::with(1, &[], |options| options.replicate = vec![author]);
    let messages = feed(&keypair(2), &posts(3_000));
    import(&source, &messages).unwrap();
    let store = Arc::new(Flaky::default());
    store.is_full.store(true, Ordering::Relaxed);
    let other = Other::new(Arc::clone(&store), &source.address, author);
    let is_read_only = || other.call("status", Value::Null).unwrap()["readOnly"] == true;
    eventually("it is read-only", is_read_only);
    assert!(other.call("publish", json!({ "type": "post" })).is_err());
    thread::sleep(Duration::from_millis(1_500));
    assert!(is_read_only());
    store.is_full.store(false, Ordering::Relaxed);
    eventually("all is there", || {
        other.call("latestSequence", json!(author.to_string())) == Ok(json!(3_000))
    });
    assert!(!is_read_only());
    let published = other.call("publish", json!({ "type": "post" })).unwrap();
    assert_eq!(published["value"]["sequence"], 1);
}
