//! The methods that peers call on a pub, and what a pub calls on them.

mod args;
mod blobs;
mod conn;
mod ebt;
mod feeds;
mod friends;
mod gossip;
mod history;
mod invite;
mod kvt;
mod legacy;
mod messages;
mod peers;
mod span;
mod status;
mod turns;
mod window;

pub(crate) use self::peers::attend;
use super::node::Node;
use crate::Router;
use std::rc::Rc;

/// What anybody with an identity may call: the lists of npm `secret-stack`, `ssb-db`, `ssb-ebt`, `ssb-blobs` and `ssb-gossip`.
pub(crate) const ANONYMOUS: [&str; 10] = [
    "blobs.changes",
    "blobs.createWants",
    "blobs.get",
    "blobs.getSlice",
    "blobs.has",
    "blobs.size",
    "createHistoryStream",
    "ebt.replicate",
    "gossip.ping",
    "whoami",
];

/// What the key of an invite may call.
pub(crate) const INVITED: [&str; 2] = ["getAddress", "invite.use"];

/// All methods of a pub.
pub(crate) fn router(node: &Rc<Node>) -> Router {
    let groups = [
        blobs::routes,
        conn::routes,
        ebt::routes,
        feeds::routes,
        friends::routes,
        gossip::routes,
        history::routes,
        invite::routes,
        messages::routes,
        status::routes,
    ];
    let metrics = Rc::clone(&node.metrics);
    groups.iter().fold(Router::new().observe(metrics), |router, routes| routes(router, node))
}
