//! What the shard that owns a feed does with messages offered for it: each is verified once in the whole process, in batches, and
//! stored in the order of its feed.

use super::{
    Node,
    arrival::Arrival,
    intake::Origin,
    verdict::{Refusal, Verdicts},
};
use crate::{
    PublicKey,
    runtime::wall_ms,
    ssb::{
        message::{HmacKey, LinkError, Message, Unchecked, Verifier, check_link, contact},
        store::{Durability, Entry, Head, Store, StoreError},
    },
};
use bytes::Bytes;
use futures_lite::FutureExt;
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet, VecDeque},
    panic::AssertUnwindSafe,
    rc::Rc,
};

/// Messages verified together: enough for most of what a batch gains, few enough to be done within ten milliseconds.
pub(crate) const BATCH_MESSAGES: usize = 512;

/// Batches that may wait for the disk while the next ones are verified.
const STORING_MAX: usize = 2;

/// A message on its way to being verified.
pub(crate) struct Candidate {
    pub(crate) origin: Origin,
    pub(crate) author: PublicKey,
    pub(crate) sequence: u32,
    pub(crate) value: Bytes,
}

impl Candidate {
    /// Reads the message. It must be of the feed, and of the place in it, by which it was let in: a text that names a member twice
    /// shows one author at the door and has another, whose feed nobody wants or another shard owns.
    fn parse(&self, hmac: Option<&HmacKey>) -> Result<Unchecked, String> {
        let unchecked = Unchecked::parse(&self.value, hmac).map_err(|error| error.to_string())?;
        let Message { author, sequence, .. } = unchecked.message();
        if (*author, *sequence) != (self.author, self.sequence) {
            return Err("its author or sequence is given twice".to_owned());
        }
        Ok(unchecked)
    }
}

/// The feeds that this shard owns.
pub(crate) struct Ingest {
    verifier: RefCell<Verifier>,
    queue: RefCell<VecDeque<Candidate>>,
    heads: RefCell<HashMap<PublicKey, Heads>>,
    /// Feeds that the store is about to forget.
    deleting: RefCell<HashSet<PublicKey>>,
    is_running: Cell<bool>,
    storing: Cell<usize>,
    /// Grows whenever the store refuses: batches that were verified upon what it refused are void.
    age: Cell<u64>,
    /// The store has refused, and has batches yet that may be stored: how far feeds are is not known before their end.
    is_unsure: Cell<bool>,
    room: RefCell<Option<std::task::Waker>>,
}

/// How far a feed is.
#[derive(Clone, Copy, Default)]
struct Heads {
    /// Verified and perhaps still on its way to the store.
    accepted: Option<Head>,
    stored: Option<Head>,
}

impl Ingest {
    /// `seed` is the verifier's: random, and told to nobody.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            verifier: RefCell::new(Verifier::new(seed)),
            queue: RefCell::default(),
            heads: RefCell::default(),
            deleting: RefCell::default(),
            is_running: Cell::new(false),
            storing: Cell::new(0),
            age: Cell::new(0),
            is_unsure: Cell::new(false),
            room: RefCell::default(),
        }
    }

    pub(crate) fn load(&self, feed: PublicKey, head: Head) {
        let heads = Heads { accepted: Some(head), stored: Some(head) };
        self.heads.borrow_mut().insert(feed, heads);
    }

    /// Nothing of this feed is accepted until [`end_deleting`](Self::end_deleting): it would follow what is about to be gone.
    pub(crate) fn begin_deleting(&self, feed: PublicKey) {
        self.deleting.borrow_mut().insert(feed);
    }

    pub(crate) fn end_deleting(&self, feed: &PublicKey, is_gone: bool) {
        self.deleting.borrow_mut().remove(feed);
        if is_gone {
            self.heads.borrow_mut().remove(feed);
        }
    }

    /// The last message that is stored or about to be.
    pub(crate) fn head(&self, feed: &PublicKey) -> Option<Head> {
        self.heads.borrow().get(feed).and_then(|heads| heads.accepted)
    }

    pub(crate) fn len(&self) -> usize {
        self.heads.borrow().len()
    }

    /// A message has reached the store. What was taken back meanwhile, since the store refused another batch, holds again.
    fn stored(&self, message: &Message) {
        let head = Head { sequence: message.sequence, id: message.id };
        let mut heads = self.heads.borrow_mut();
        let heads = heads.entry(message.author).or_default();
        heads.stored = Some(head);
        if heads.accepted.is_none_or(|accepted| accepted.sequence < head.sequence) {
            heads.accepted = Some(head);
        }
    }

    fn accept(&self, message: &Message) {
        let head = Head { sequence: message.sequence, id: message.id };
        self.heads.borrow_mut().entry(message.author).or_default().accepted = Some(head);
    }

    /// The store has refused: what was accepted upon it is not.
    fn roll_back(&self) {
        self.age.set(self.age.get() + 1);
        self.is_unsure.set(true);
        self.heads.borrow_mut().values_mut().for_each(|heads| heads.accepted = heads.stored);
    }

    /// The next candidates: no two for the same place of a feed, since the first may turn out forged and must not take the
    /// other's place.
    fn next_batch(&self) -> Vec<Candidate> {
        let mut queue = self.queue.borrow_mut();
        let mut places = HashSet::with_capacity(BATCH_MESSAGES);
        let count = queue
            .iter()
            .take(BATCH_MESSAGES)
            .take_while(|candidate| places.insert((candidate.author, candidate.sequence)))
            .count();
        queue.drain(..count).collect()
    }
}

/// A batch that was verified, on its way to the store.
struct Batch {
    entries: Vec<Entry>,
    origins: Vec<Origin>,
    age: u64,
}

impl Node {
    /// Takes messages for feeds that this shard owns.
    pub(crate) fn ingest(self: &Rc<Self>, candidates: impl IntoIterator<Item = Candidate>) {
        self.ingest.queue.borrow_mut().extend(candidates);
        if !self.ingest.is_running.replace(true) {
            let node = Rc::clone(self);
            glommio::spawn_local(async move {
                if AssertUnwindSafe(node.run_ingest()).catch_unwind().await.is_err() {
                    tracing::error!(
                        "looking at messages panicked: those of that batch are lost, and asked for again"
                    );
                }
                node.ingest.is_running.set(false);
            })
            .detach();
        }
    }

    async fn run_ingest(self: &Rc<Self>) {
        loop {
            let candidates = self.ingest.next_batch();
            if candidates.is_empty() {
                break;
            }
            if self.ingest.is_unsure.replace(false) {
                self.storing_room(1).await;
            }
            let mut verdicts = Verdicts::default();
            let batch = self.verify(candidates, &mut verdicts);
            verdicts.send(self);
            if !batch.entries.is_empty() {
                self.storing_room(STORING_MAX).await;
                self.start_storing(batch, Durability::Process);
            }
            glommio::executor().yield_if_needed().await;
        }
    }

    /// Verifies a batch. What is refused has its verdict at once; what is accepted, when it is stored.
    fn verify(&self, candidates: Vec<Candidate>, verdicts: &mut Verdicts) -> Batch {
        let mut batch = Batch { entries: Vec::new(), origins: Vec::new(), age: self.ingest.age.get() };
        let (mut unchecked, mut origins) = (Vec::new(), Vec::new());
        for candidate in candidates {
            // The cheapest first: most of what several peers send is known.
            let have = self.ingest.head(&candidate.author).map_or(0, |head| head.sequence);
            if candidate.sequence <= have {
                self.metrics.duplicate(1);
                verdicts.known(candidate.origin);
                continue;
            }
            if self.ingest.deleting.borrow().contains(&candidate.author) {
                verdicts.refuse(candidate.origin, candidate.author, Refusal::NotStored, self);
                continue;
            }
            match candidate.parse(self.common.options.hmac.as_ref()) {
                Ok(message) => {
                    unchecked.push(message);
                    origins.push((candidate.origin, candidate.author));
                }
                Err(reason) => {
                    verdicts.refuse(candidate.origin, candidate.author, Refusal::Invalid(reason), self);
                }
            }
        }
        let verified = self.ingest.verifier.borrow_mut().verify(&mut unchecked);
        self.metrics.verified(verified.len() as u64);
        let received_ms = wall_ms();
        for (verified, (origin, author)) in verified.into_iter().zip(origins) {
            let message = match verified {
                Ok(message) => message,
                Err(error) => {
                    verdicts.refuse(origin, author, Refusal::Invalid(error.to_string()), self);
                    continue;
                }
            };
            let head = self.ingest.head(&message.author).map(|head| (head.sequence, head.id));
            match check_link(head, &message) {
                Ok(()) => {
                    self.ingest.accept(&message);
                    let contact = contact(&message);
                    batch.entries.push(Entry { message, received_ms, contact });
                    batch.origins.push(origin);
                }
                Err(LinkError::Known) => verdicts.known(origin),
                Err(LinkError::Gap { have }) => {
                    verdicts.refuse(origin, message.author, Refusal::Gap { have }, self);
                }
                Err(LinkError::Fork) => {
                    self.keep_fork(&message);
                    verdicts.refuse(origin, message.author, Refusal::Fork, self);
                }
            }
        }
        batch
    }

    /// A message that its author signed and that contradicts another one: both together are the proof. The other one is in
    /// the store.
    fn keep_fork(&self, message: &Message) {
        tracing::warn!(feed = %message.author, sequence = message.sequence, id = %message.id, "a feed is forked");
        let key = [b"fork/", &message.author.0[..]].concat();
        self.set_value_later(key, Some(message.value.to_vec()));
    }

    /// Waits until the store has less than `max` batches.
    async fn storing_room(&self, max: usize) {
        std::future::poll_fn(|cx| {
            if self.ingest.storing.get() < max {
                return std::task::Poll::Ready(());
            }
            *self.ingest.room.borrow_mut() = Some(cx.waker().clone());
            std::task::Poll::Pending
        })
        .await;
    }

    fn start_storing(self: &Rc<Self>, batch: Batch, durability: Durability) {
        self.ingest.storing.set(self.ingest.storing.get() + 1);
        let node = Rc::clone(self);
        glommio::spawn_local(async move {
            let (entries, origins) = (batch.entries, batch.origins);
            let stored = node.store_batch(entries, batch.age, durability).await;
            node.ingest.storing.set(node.ingest.storing.get() - 1);
            if let Some(waker) = node.ingest.room.borrow_mut().take() {
                waker.wake();
            }
            let mut verdicts = Verdicts::default();
            match stored {
                Ok(entries) => {
                    origins.iter().for_each(|origin| verdicts.known(*origin));
                    node.announce(entries, origins);
                }
                Err(entries) => {
                    for (entry, origin) in entries.iter().zip(origins) {
                        verdicts.refuse(origin, entry.message.author, Refusal::NotStored, &node);
                    }
                }
            }
            verdicts.send(&node);
        })
        .detach();
    }

    /// Appends on the blocking thread, which works batch by batch in the order in which they are given to it.
    async fn store_batch(
        &self,
        entries: Vec<Entry>,
        age: u64,
        durability: Durability,
    ) -> Result<Vec<Entry>, Vec<Entry>> {
        if self.ingest.age.get() != age {
            return Err(entries);
        }
        let append = move |store: &dyn Store| {
            let appended = store.append(&entries, durability);
            (entries, appended)
        };
        let (entries, appended) = self.write(append).await;
        match appended {
            Ok(()) => {
                self.note_stored(&entries);
                Ok(entries)
            }
            Err(error) => {
                self.ingest.roll_back();
                self.report_store(&error);
                Err(entries)
            }
        }
    }

    fn note_stored(&self, entries: &[Entry]) {
        self.metrics.stored(entries.len() as u64);
        entries.iter().for_each(|entry| self.ingest.stored(&entry.message));
    }

    /// Stores a message of our own, on the disk before anybody sees it: a lost tail would fork our feed.
    ///
    /// # Errors
    /// [`StoreError`]: the message does not exist then.
    pub(crate) async fn store_own(self: &Rc<Self>, message: Message) -> Result<(), StoreError> {
        self.ingest.accept(&message);
        let contact = contact(&message);
        let entries = vec![Entry { message, received_ms: wall_ms(), contact }];
        let age = self.ingest.age.get();
        match self.store_batch(entries, age, Durability::Disk).await {
            Ok(entries) => {
                self.announce(entries, vec![Origin::Ours]);
                Ok(())
            }
            Err(_) => Err(StoreError::Engine("the message could not be stored".to_owned())),
        }
    }

    fn announce(&self, entries: Vec<Entry>, origins: Vec<Origin>) {
        let arrivals: std::sync::Arc<[Arrival]> =
            entries.into_iter().zip(origins).map(|(entry, origin)| Arrival::new(entry, origin)).collect();
        self.common.mesh.tell_all(move |node| node.handle_arrivals(&arrivals));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keypair, ssb::message::create};

    fn message(ingest: &Ingest, author: u8) -> Message {
        let keypair = Keypair::from_seed(&[author; 32]);
        let head = ingest.head(&keypair.public()).map(|head| (head.sequence, head.id));
        let message = create(&keypair, head, 1.0, br#"{"type":"test"}"#, None).expect("it is valid");
        ingest.accept(&message);
        message
    }

    #[test]
    fn what_is_stored_after_another_batch_failed_is_the_head() {
        let ingest = Ingest::new([7; 32]);
        let first = message(&ingest, 1);
        ingest.stored(&first);
        let second = message(&ingest, 1);
        let lost = message(&ingest, 2);
        ingest.roll_back();
        assert_eq!(ingest.head(&second.author).map(|head| head.sequence), Some(1));
        ingest.stored(&second);
        assert_eq!(ingest.head(&second.author).map(|head| head.id), Some(second.id));
        assert_eq!(ingest.head(&lost.author), None);
        let (third, fourth) = (message(&ingest, 1), message(&ingest, 1));
        ingest.stored(&third);
        assert_eq!(ingest.head(&fourth.author).map(|head| head.id), Some(fourth.id));
    }
}
