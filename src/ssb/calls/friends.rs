//! The follow graph, which the registrar keeps.

use super::args;
use crate::{
    Call, CallError, Json, PublicKey, Router, SendStream,
    ssb::{
        node::{Node, REGISTRAR},
        store::Stance,
    },
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, rc::Rc, time::Duration};

/// How often a live stream looks for changes of the graph.
const LIVE_EVERY: Duration = Duration::from_secs(1);

pub(super) fn routes(router: Router, node: &Rc<Node>) -> Router {
    let (following, blocking, hops, stream) =
        (Rc::clone(node), Rc::clone(node), Rc::clone(node), Rc::clone(node));
    router
        .on_async("friends.isFollowing", async move |call: Call| {
            has_stance(&following, call.arg(0)?, Stance::Follows).await
        })
        .on_async("friends.isBlocking", async move |call: Call| {
            has_stance(&blocking, call.arg(0)?, Stance::Blocks).await
        })
        .on_async("friends.hops", async move |call: Call| {
            let wanted: Option<Hops> = call.arg(0)?;
            let Hops { start, max } = wanted.unwrap_or_default();
            if start.is_some_and(|start| start.0 != hops.id()) {
                return Err(CallError::new("distances are counted from the pub's own feed"));
            }
            let max = max.map_or(hops.common.options.hops, args::whole);
            let ask = move |node: &Rc<Node>| node.registrar.hops(max);
            let found = hops.ask(REGISTRAR, ask).await;
            Ok(found.into_iter().map(|(feed, hops)| (feed.to_string(), hops)).collect::<BTreeMap<_, _>>())
        })
        .on_source("friends.stream", async move |call: Call, tx: &mut SendStream| {
            send_graph(&stream, &call, tx).await
        })
}

#[derive(Deserialize)]
struct Edge {
    #[serde(deserialize_with = "args::feed")]
    source: PublicKey,
    #[serde(deserialize_with = "args::feed")]
    dest: PublicKey,
}

#[derive(Default, Deserialize)]
struct Hops {
    start: Option<args::FeedArg>,
    max: Option<f64>,
}

async fn has_stance(node: &Node, edge: Edge, stance: Stance) -> Result<bool, CallError> {
    let ask = move |node: &Rc<Node>| node.registrar.stance(&edge.source, &edge.dest) == stance;
    Ok(node.ask(REGISTRAR, ask).await)
}

/// As npm `layered-graph` writes a stance.
fn value(stance: Stance) -> Value {
    match stance {
        Stance::Follows => json!(1),
        Stance::Blocks => json!(-1),
        Stance::Neutral => json!(-2),
    }
}

/// The whole graph as one object, then, for those who asked to hear more, `{from, to, value}` for each edge that changes.
async fn send_graph(node: &Node, call: &Call, tx: &mut SendStream) -> Result<(), CallError> {
    #[derive(Default, Deserialize)]
    struct Options {
        #[serde(default)]
        live: bool,
    }
    let Options { live } = call.arg::<Option<Options>>(0)?.unwrap_or_default();
    let mut before = edges(node).await;
    let mut graph = Map::new();
    for ((from, to), stance) in &before {
        let targets = graph.entry(from.to_string()).or_insert_with(|| json!({}));
        if let Value::Object(targets) = targets {
            targets.insert(to.to_string(), value(*stance));
        }
    }
    tx.send(Json(graph).body()?).await?;
    if !live {
        return Ok(());
    }
    loop {
        glommio::timer::sleep(LIVE_EVERY).await;
        let now = edges(node).await;
        for ((from, to), stance) in now.iter().filter(|(edge, stance)| before.get(edge) != Some(stance)) {
            let change = json!({ "from": from.to_string(), "to": to.to_string(), "value": value(*stance) });
            tx.send(Json(change).body()?).await?;
        }
        before = now;
    }
}

async fn edges(node: &Node) -> BTreeMap<(PublicKey, PublicKey), Stance> {
    node.ask(REGISTRAR, |node| node.registrar.edges()).await
}
