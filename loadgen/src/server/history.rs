//! `createHistoryStream`: the messages of one feed, as Secure Scuttlebutt peers ask for them.

use std::collections::HashMap;
use std::future::pending;

use bytes::Bytes;
use push_mux::mux::{GATHER_BYTES_MIN, Outgoing};
use push_mux::{BodyKind, Call, CallError, SendStream};
use serde::Deserialize;

use super::fault::{Fault, spoiled};
use crate::feed::{FeedSet, Message};

/// All feeds, by author; shared by the shards, which only read.
#[derive(Debug, Default)]
pub(crate) struct History {
    feeds: HashMap<String, Vec<Message>>,
}

impl History {
    /// Keeps these feeds.
    pub(crate) fn new(set: FeedSet) -> Self {
        Self { feeds: set.feeds.into_iter().map(|feed| (feed.author, feed.messages)).collect() }
    }

    /// Who has a feed.
    pub(crate) fn authors(&self) -> Vec<String> {
        self.feeds.keys().cloned().collect()
    }

    /// Messages of a feed from a sequence number on; nothing of a feed that nobody has heard of.
    fn from(&self, author: &str, sequence: u64) -> &[Message] {
        let messages = self.feeds.get(author).map_or(&[][..], Vec::as_slice);
        &messages[messages.partition_point(|message| message.sequence < sequence)..]
    }
}

/// The argument, as peers write it.
#[derive(Debug, Default, Deserialize)]
struct Query {
    id: Option<String>,
    sequence: Option<i64>,
    seq: Option<i64>,
    limit: Option<i64>,
    live: Option<bool>,
    old: Option<bool>,
    keys: Option<bool>,
    values: Option<bool>,
}

impl Query {
    fn start(&self) -> Result<u64, CallError> {
        if self.sequence.is_some() && self.seq.is_some() && self.sequence != self.seq {
            return Err(CallError::new("sequence and seq say different things"));
        }
        Ok(self.sequence.or(self.seq).and_then(|from| u64::try_from(from).ok()).unwrap_or(0))
    }

    fn limit(&self) -> usize {
        self.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
    }

    /// What is sent of a message.
    fn pick<'a>(&self, message: &'a Message) -> Result<&'a Bytes, CallError> {
        if !self.keys.unwrap_or(true) {
            return Ok(&message.value);
        }
        let wanted = if self.values.unwrap_or(true) { &message.stored } else { &message.key };
        wanted.as_ref().ok_or_else(|| {
            CallError::new("the feed file gives messages without their keys: ask with keys: false")
        })
    }
}

/// Serves one call.
pub(crate) async fn serve(
    history: &History,
    fault: &Fault,
    call: &Call,
    tx: &mut SendStream,
) -> Result<(), CallError> {
    let query = call.arg::<Option<Query>>(0)?.unwrap_or_default();
    let id =
        query.id.as_deref().ok_or_else(|| CallError::new("createHistoryStream needs the id of a feed"))?;
    let (start, limit) = (query.start()?, query.limit());
    let messages = if query.old.unwrap_or(true) { history.from(id, start) } else { &[] };
    let messages = &messages[..messages.len().min(limit)];
    let mut is_spoiled = !messages.is_empty() && fault.take();
    for message in messages {
        let bytes = query.pick(message)?;
        if std::mem::take(&mut is_spoiled) {
            tx.send(Outgoing::owned(BodyKind::Json, spoiled(bytes))).await?;
        } else if bytes.len() < GATHER_BYTES_MIN {
            // Short bodies are copied anyway; borrowed, their count of users stays out of other shards' caches.
            tx.send(Outgoing::borrowed(BodyKind::Json, bytes)).await?;
        } else {
            tx.send(Outgoing::owned(BodyKind::Json, bytes.clone())).await?;
        }
    }
    if query.live.unwrap_or(false) && messages.len() < limit {
        // Nothing is ever added here: the stream stays open until its caller aborts it.
        pending::<()>().await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::make_up;

    fn query(json: &str) -> Query {
        serde_json::from_str(json).expect("an object")
    }

    #[test]
    fn the_sequence_itself_is_included() {
        let set = make_up(10, 1);
        let author = set.feeds[0].author.clone();
        let history = History::new(set);
        assert_eq!(history.from(&author, 0).len(), 10);
        assert_eq!(history.from(&author, 4)[0].sequence, 4);
        assert_eq!(history.from(&author, 11).len(), 0);
        assert_eq!(history.from("@nobody", 0).len(), 0);
    }

    #[test]
    fn both_names_of_the_sequence_are_read() {
        assert_eq!(query(r#"{"sequence":3}"#).start(), Ok(3));
        assert_eq!(query(r#"{"seq":3}"#).start(), Ok(3));
        assert_eq!(query(r#"{"seq":3,"sequence":3}"#).start(), Ok(3));
        assert_eq!(query(r#"{"seq":-1}"#).start(), Ok(0));
        assert!(query(r#"{"seq":3,"sequence":4}"#).start().is_err());
    }

    #[test]
    fn a_limit_below_zero_is_none() {
        for (json, limit) in [(r#"{"limit":-1}"#, usize::MAX), ("{}", usize::MAX), (r#"{"limit":2}"#, 2)] {
            assert_eq!(query(json).limit(), limit);
        }
    }

    #[test]
    fn keys_and_values_choose_what_is_sent() {
        let message = &make_up(1, 1).feeds[0].messages[0];
        let picked = |json| query(json).pick(message).cloned();
        assert_eq!(picked(r#"{"keys":false}"#), Ok(message.value.clone()));
        assert_eq!(picked("{}").ok(), message.stored);
        assert_eq!(picked(r#"{"values":false}"#).ok(), message.key);
        let bare = Message { stored: None, key: None, ..message.clone() };
        assert!(query("{}").pick(&bare).is_err());
        assert!(query(r#"{"keys":false}"#).pick(&bare).is_ok());
    }
}
