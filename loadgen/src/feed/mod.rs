//! The messages that are replicated: from a file, made up, or signed.
//!
//! A message is kept as the very bytes of its JSON, because a replica is right only if it has those bytes: parsing and
//! writing again would change what is measured, and could hide what a server changed.

mod made_up;
mod signed;

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) use self::made_up::make_up;
pub(crate) use self::signed::{Corpus, Holder, keypair};

/// All messages of one author, in the order of their sequence numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feed {
    /// The author's id, `@....ed25519`.
    pub(crate) author: String,
    /// Ascending by sequence number.
    pub(crate) messages: Vec<Message>,
}

/// One message, as the bytes that stood in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its place in the feed, from 1.
    pub(crate) sequence: u64,
    /// The message's own JSON.
    pub(crate) value: Bytes,
    /// Its id, a JSON string; absent where the file had the bare message.
    pub(crate) key: Option<Bytes>,
    /// The object of key, value and timestamp; absent as well.
    pub(crate) stored: Option<Bytes>,
}

/// The feeds of several authors, in the order in which the authors first appear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeedSet {
    /// One for each author.
    pub(crate) feeds: Vec<Feed>,
}

impl FeedSet {
    /// Messages of all feeds.
    pub(crate) fn messages(&self) -> u64 {
        self.feeds.iter().map(|feed| feed.messages.len() as u64).sum()
    }

    /// Bytes of all messages.
    pub(crate) fn bytes(&self) -> u64 {
        self.feeds.iter().flat_map(|feed| &feed.messages).map(|message| message.value.len() as u64).sum()
    }
}

/// Reads the messages of a file, at most `limit` of them.
pub(crate) fn load(path: &Path, limit: Option<u64>) -> anyhow::Result<FeedSet> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    read(std::io::BufReader::new(file), limit)
        .with_context(|| format!("{} is not a feed file", path.display()))
}

/// What a line must say for its message to find its place; the rest is not looked at.
#[derive(Deserialize)]
struct Head {
    author: String,
    sequence: u64,
}

/// A message with its key, as stores and streams hand it out.
#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// Reads JSON lines, each a message or an object whose `value` is one.
pub(crate) fn read(mut lines: impl BufRead, limit: Option<u64>) -> anyhow::Result<FeedSet> {
    let mut authors: HashMap<String, usize> = HashMap::new();
    let mut found: Vec<(String, Vec<Message>)> = Vec::new();
    let (mut line, mut number, mut messages) = (String::new(), 0u64, 0u64);
    while limit.is_none_or(|limit| messages < limit) {
        line.clear();
        number += 1;
        if lines.read_line(&mut line).with_context(|| format!("line {number}"))? == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        let (author, message) = parse(line.trim()).with_context(|| format!("line {number}"))?;
        let at = *authors.entry(author).or_insert_with_key(|author| {
            found.push((author.clone(), Vec::new()));
            found.len() - 1
        });
        found[at].1.push(message);
        messages += 1;
    }
    ensure!(messages > 0, "it holds no message");
    let feeds = found.into_iter().map(|(author, messages)| in_order(author, messages));
    Ok(FeedSet { feeds: feeds.collect::<anyhow::Result<_>>()? })
}

fn parse(line: &str) -> anyhow::Result<(String, Message)> {
    // Parts of a line share its bytes.
    let line = Bytes::copy_from_slice(line.as_bytes());
    let stored: Stored<'_> = serde_json::from_slice(&line)?;
    let part = |raw: &RawValue| line.slice_ref(raw.get().as_bytes());
    let value = stored.value.map_or_else(|| line.clone(), part);
    let key = stored.key.filter(|_| stored.value.is_some()).map(part);
    let head: Head = serde_json::from_slice(&value).context("not a message")?;
    let stored = key.is_some().then(|| line.clone());
    Ok((head.author, Message { sequence: head.sequence, value, key, stored }))
}

fn in_order(author: String, mut messages: Vec<Message>) -> anyhow::Result<Feed> {
    messages.sort_by_key(|message| message.sequence);
    if let Some(pair) = messages.windows(2).find(|pair| pair[0].sequence == pair[1].sequence) {
        bail!("{author} has two messages with the sequence number {}", pair[0].sequence);
    }
    Ok(Feed { author, messages })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = r#"{"previous":null,"author":"@a.ed25519","sequence":1,"content":{"x":1.0e2}}"#;

    fn stored(sequence: u64, author: &str) -> String {
        format!(
            r#"{{"key":"%k.sha256","value":{{"author":"{author}","sequence":{sequence},"text":"\u00e9"}},"timestamp":1.5}}"#
        )
    }

    #[test]
    fn bytes_are_kept_as_they_stand() {
        let set = read(BARE.as_bytes(), None).expect("a bare message");
        let bare = &set.feeds[0].messages[0];
        assert_eq!((bare.value.as_ref(), &bare.key, &bare.stored), (BARE.as_bytes(), &None, &None));
        let set = read(stored(1, "@b.ed25519").as_bytes(), None).expect("a message with its key");
        let text = r#"{"author":"@b.ed25519","sequence":1,"text":"\u00e9"}"#;
        let message = &set.feeds[0].messages[0];
        assert_eq!((message.sequence, message.value.as_ref()), (1, text.as_bytes()));
        assert_eq!(message.key.as_deref(), Some(&br#""%k.sha256""#[..]));
        assert_eq!(message.stored.as_deref(), Some(stored(1, "@b.ed25519").as_bytes()));
        assert_eq!((set.messages(), set.bytes()), (1, text.len() as u64));
    }

    #[test]
    fn every_author_has_a_feed_in_the_order_of_sequences() {
        let lines = [stored(2, "@b"), stored(1, "@a"), String::new(), stored(1, "@b")].join("\r\n");
        let set = read(lines.as_bytes(), None).expect("three messages");
        let authors: Vec<_> = set.feeds.iter().map(|feed| feed.author.as_str()).collect();
        assert_eq!(authors, ["@b", "@a"]);
        assert!(set.feeds[0].messages[0].value.starts_with(br#"{"author":"@b","sequence":1"#));
        assert!(set.feeds[0].messages[1].value.starts_with(br#"{"author":"@b","sequence":2"#));
    }

    #[test]
    fn a_limit_ends_the_reading_early() {
        let lines = [stored(1, "@a"), stored(2, "@a"), "not even JSON".to_owned()].join("\n");
        assert_eq!(read(lines.as_bytes(), Some(2)).expect("two messages").messages(), 2);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (bad, why) in
            [("{", "EOF"), ("[]", "invalid"), (r#"{"author":"@a"}"#, "sequence"), ("7", "invalid")]
        {
            let lines = format!("{BARE}\n{bad}\n");
            let error = format!("{:#}", read(lines.as_bytes(), None).expect_err(bad));
            assert!(error.starts_with("line 2: ") && error.contains(why), "{error}");
        }
        let twice = format!("{BARE}\n{BARE}");
        assert!(read(twice.as_bytes(), None).expect_err("twice").to_string().contains("sequence number 1"));
        assert!(read("\n\n".as_bytes(), None).expect_err("empty").to_string().contains("no message"));
    }
}
