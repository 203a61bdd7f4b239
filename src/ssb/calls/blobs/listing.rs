//! Which blobs there are, and which come.

use super::store_error;
use crate::{
    Call, CallError, Json, Router, SendStream,
    runtime::wall_ms,
    ssb::{BlobId, node::Node},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Calls of `blobs.changes` that a connection may have at once (4). Stops a stranger from having every new blob told to ten thousand streams.
const CHANGES_MAX: usize = 4;

pub(super) fn routes(router: Router, node: &Rc<Node>) -> Router {
    router
        .on_source("blobs.ls", {
            let node = Rc::clone(node);
            async move |call: Call, tx: &mut SendStream| {
                list(&node, &call.arg::<Option<Options>>(0)?.unwrap_or_default(), tx).await
            }
        })
        .on_source("blobs.changes", {
            let node = Rc::clone(node);
            async move |call: Call, tx: &mut SendStream| {
                let _place = Place::take(&call.state::<Places>())?;
                tell_changes(&node, false, tx).await
            }
        })
}

/// How many calls of `blobs.changes` a connection has.
#[derive(Default)]
struct Places(Cell<usize>);

struct Place(Rc<Places>);

impl Place {
    fn take(places: &Rc<Places>) -> Result<Self, CallError> {
        if places.0.get() >= CHANGES_MAX {
            return Err(CallError::new(format!("blobs.changes is called more than {CHANGES_MAX} times")));
        }
        places.0.set(places.0.get() + 1);
        Ok(Self(Rc::clone(places)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - 1);
    }
}

/// The argument of `blobs.ls`, as npm `multiblob` and `pull-live` read it.
#[derive(Deserialize)]
#[serde(default)]
struct Options {
    old: bool,
    live: bool,
    sync: bool,
    long: bool,
    meta: bool,
    size: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { old: true, live: false, sync: true, long: false, meta: false, size: false }
    }
}

/// A blob in a long list.
#[derive(Serialize)]
struct Listed {
    id: String,
    size: u64,
    /// When it came or was last used, milliseconds since 1970.
    ts: u64,
}

impl Listed {
    fn new(blob: BlobId, size: u64, time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { id: blob.to_string(), size, ts: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }
}

async fn list(node: &Rc<Node>, options: &Options, tx: &mut SendStream) -> Result<(), CallError> {
    let is_long = options.long || options.meta || options.size;
    if options.old {
        // What comes meanwhile may be told twice, and is never left out.
        let live = if options.live { node.stored_blobs(None) } else { None };
        let listed = node.on_blobs(|store| store.list_used()).await.map_err(store_error)?;
        for (blob, size, time) in listed {
            send(Listed::new(blob, size, time), is_long, tx).await?;
        }
        if !options.live {
            return Ok(());
        }
        if options.sync {
            tx.send(Json(json!({ "sync": true })).body()?).await?;
        }
        return follow(live, is_long, tx).await;
    }
    tell_changes(node, is_long, tx).await
}

async fn tell_changes(node: &Rc<Node>, is_long: bool, tx: &mut SendStream) -> Result<(), CallError> {
    follow(node.stored_blobs(None), is_long, tx).await
}

async fn follow(
    stored: Option<crate::ssb::node::StoredBlobs>,
    is_long: bool,
    tx: &mut SendStream,
) -> Result<(), CallError> {
    let mut stored = stored.ok_or_else(|| CallError::new("too many listen"))?;
    while let Some((blob, size)) = stored.next().await {
        send(Listed::new(blob, size, now()), is_long, tx).await?;
    }
    Err(CallError::new("more blobs came than were read"))
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::try_from_secs_f64(wall_ms() / 1_000.0).unwrap_or_default()
}

async fn send(listed: Listed, is_long: bool, tx: &mut SendStream) -> Result<(), CallError> {
    if is_long {
        tx.send(Json(listed).body()?).await?;
    } else {
        tx.send(listed.id).await?;
    }
    Ok(())
}
