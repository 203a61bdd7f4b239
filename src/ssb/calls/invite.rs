//! Invites: a code lets somebody be followed by the pub. Kept by the registrar, so that uses are counted in one place.

use super::{args, messages::published, span::store_error};
use crate::{
    Call, CallError, Keypair, PublicKey, Router,
    runtime::identity_file,
    secret::{Auth, Transport},
    ssb::{
        message::Message,
        node::{Invite, Node, REGISTRAR},
        store::{Durability, Store},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::rc::Rc;

/// Uses of one invite at the most.
const USES_MAX: u32 = 1_000_000;

pub(super) fn routes(router: Router, node: &Rc<Node>) -> Router {
    let (create, redeem, address) = (Rc::clone(node), Rc::clone(node), Rc::clone(node));
    router
        .on_async("invite.create", async move |call: Call| {
            let asked: Option<Asked> = call.arg(0)?;
            let options = asked.map_or_else(Options::default, Asked::options);
            let ask = move |node: Rc<Node>| async move { create_here(&node, options).await };
            create.ask_later(REGISTRAR, ask).await
        })
        .on_async("invite.use", async move |call: Call| {
            let invite =
                call.peer().key.ok_or_else(|| CallError::new("an invite is used with its own key"))?;
            let wanted: Option<Use> = call.arg(0)?;
            let feed = wanted
                .and_then(|wanted| wanted.feed)
                .ok_or_else(|| CallError::new("feed to follow is missing"))?;
            let feed: PublicKey = feed.parse().map_err(|_| CallError::new("feed to follow is missing"))?;
            let ask = move |node: Rc<Node>| async move { use_here(&node, invite, feed).await };
            let message = redeem.ask_later(REGISTRAR, ask).await?;
            Ok(published(&message))
        })
        .on_async("getAddress", async move |_: Call| {
            Ok(address.common.addresses.first().map(ToString::to_string))
        })
}

/// The argument of `invite.create`: a number, or an object.
#[derive(Deserialize)]
#[serde(untagged)]
enum Asked {
    Uses(f64),
    Options(Options),
}

#[derive(Deserialize)]
#[serde(default)]
struct Options {
    uses: f64,
    note: Option<String>,
    external: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { uses: 1.0, note: None, external: None }
    }
}

impl Asked {
    fn options(self) -> Options {
        match self {
            Self::Uses(uses) => Options { uses, ..Options::default() },
            Self::Options(options) => options,
        }
    }
}

#[derive(Deserialize)]
struct Use {
    feed: Option<String>,
}

async fn create_here(node: &Rc<Node>, options: Options) -> Result<String, CallError> {
    let uses = args::whole(options.uses);
    if !(1..=USES_MAX).contains(&uses) {
        return Err(CallError::new(format!("an invite has from 1 to {USES_MAX} uses")));
    }
    let seed = identity_file::draw_seed().map_err(|error| CallError::new(error.to_string()))?;
    let key = Keypair::from_seed(seed.as_bytes()).public();
    let code = code(node, options.external.as_deref(), &STANDARD.encode(seed.as_bytes()))?;
    let invite = Invite { uses, note: options.note };
    save(node, &key, Some(&invite)).await?;
    node.registrar.invites.borrow_mut().add(key, invite);
    node.common.mesh.tell_all(move |node| node.set_invite(&key, true));
    Ok(code)
}

/// The text that is given to people: `host:port:@key~seed`, and the multiserver form where the host has colons of its own.
fn code(node: &Node, external: Option<&str>, seed: &str) -> Result<String, CallError> {
    let listener =
        node.common.addresses.iter().flat_map(|address| address.endpoints()).find_map(|endpoint| {
            match (&endpoint.transport, &endpoint.auth) {
                (Transport::Net { host, port }, Auth::Shs { .. }) => Some((host.clone(), *port)),
                _ => None,
            }
        });
    let (host, port) = listener.ok_or_else(|| CallError::new("invites need a listener net:HOST:PORT~shs"))?;
    let host = external.map(str::to_owned).or_else(|| node.common.options.host.clone()).unwrap_or(host);
    let id = node.id();
    if host.contains(':') {
        let key = id.to_base64();
        return Ok(format!("net:{host}:{port}~shs:{key}:{seed}"));
    }
    Ok(format!("{host}:{port}:{id}~{seed}"))
}

/// Stores what is left of an invite: on the disk before anybody hears of it.
async fn save(node: &Rc<Node>, key: &PublicKey, invite: Option<&Invite>) -> Result<(), CallError> {
    let (key, value) = (Invite::store_key(key), invite.map(Invite::to_bytes));
    let write = move |store: &dyn Store| store.set_value(&key, value.as_deref(), Durability::Disk);
    node.write(write).await.map_err(store_error)
}

/// Follows a feed in return for a use.
async fn use_here(node: &Rc<Node>, key: PublicKey, feed: PublicKey) -> Result<Message, CallError> {
    let stance = node.registrar.stance(&node.id(), &feed);
    // Taken in memory before anything waits, so that no two callers get the last use; counts reach the disk in the order in
    // which they were taken.
    let left = node.registrar.invites.borrow_mut().begin_use(stance, key, feed)?;
    let done = follow(node, &key, &left, &feed).await;
    node.registrar.invites.borrow_mut().end_use(&feed);
    done
}

async fn follow(
    node: &Rc<Node>,
    key: &PublicKey,
    left: &Invite,
    feed: &PublicKey,
) -> Result<Message, CallError> {
    if let Err(error) = save(node, key, Some(left).filter(|left| left.uses > 0)).await {
        node.registrar.invites.borrow_mut().give_back(key);
        return Err(error);
    }
    if left.uses == 0 {
        let key = *key;
        node.registrar.invites.borrow_mut().remove(&key);
        node.common.mesh.tell_all(move |node| node.set_invite(&key, false));
    }
    let mut content = Map::new();
    content.insert("type".to_owned(), "contact".into());
    content.insert("contact".to_owned(), feed.to_string().into());
    content.insert("following".to_owned(), true.into());
    content.insert("pub".to_owned(), true.into());
    if let Some(note) = &left.note {
        content.insert("note".to_owned(), note.as_str().into());
    }
    let content = Value::Object(content).to_string();
    node.publish(content.into_bytes()).await
}
