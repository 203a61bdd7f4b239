use super::{Node, exchanges::ExchangePeer};
use crate::{
    PublicKey,
    ssb::{
        metrics::StoreFigures,
        store::{Durability, Store},
    },
};
use glommio::timer::sleep;
use std::{rc::Rc, sync::atomic::Ordering, time::Duration};

/// How often figures are brought up to date.
const EVERY: Duration = Duration::from_secs(1);

/// A value that is written to see whether there is room: about as much as a batch, so that the next one does not fail again.
const ROOM: &[u8] = b"room";
const ROOM_BYTES: usize = 512 << 10;

impl Node {
    /// Keeps the figures that nobody counts as they happen.
    pub(crate) async fn watch_figures(self: Rc<Self>) {
        loop {
            self.metrics.set_feeds(self.ingest.len() as u64);
            self.metrics.set_lag(self.lags());
            if self.is_registrar() {
                self.look_for_room().await;
                self.metrics.set_store(self.store_figures().await);
            }
            if !self.is_read_only() {
                self.resume_exchanges();
            }
            sleep(EVERY).await;
        }
    }

    /// A store that refused to write may do so again.
    async fn look_for_room(&self) {
        if !self.is_read_only() {
            return;
        }
        let look = |store: &dyn Store| {
            store.set_value(ROOM, Some(&[0; ROOM_BYTES]), Durability::Process)?;
            store.set_value(ROOM, None, Durability::Process)
        };
        if self.write(look).await.is_ok() {
            self.common.is_read_only.store(false, Ordering::Relaxed);
            tracing::info!("the store writes again");
        }
    }

    /// Messages that each peer claims to have and has not sent yet.
    fn lags(&self) -> Vec<(PublicKey, u64)> {
        let exchanges = self.exchanges.borrow();
        let feeds = self.feeds.borrow();
        let lag = |peer: &Rc<ExchangePeer>| {
            let owed = |(feed, theirs): (PublicKey, u32)| {
                let is_wanted = feeds.is_wanted(&feed);
                if is_wanted { u64::from(theirs.saturating_sub(feeds.sequence(&feed))) } else { 0 }
            };
            (peer.key, peer.exchange.borrow().claims().map(owed).sum())
        };
        exchanges.values().map(lag).collect()
    }

    async fn store_figures(&self) -> StoreFigures {
        let (messages, stored) = {
            let feeds = self.feeds.borrow();
            let stored = feeds.all().filter(|(_, sequence, _)| *sequence > 0);
            stored.fold((0, 0), |(messages, count), (_, sequence, _)| {
                (messages + u64::from(sequence), count + 1)
            })
        };
        let space = self.read(|store| store.space()).await.unwrap_or_default();
        StoreFigures {
            bytes: space.used_bytes,
            messages,
            feeds: stored,
            free_bytes: space.free_bytes,
            is_full: self.is_read_only(),
        }
    }
}
