use super::{
    Credentials, Grant, Peer, Service, Shard,
    admission::{Gate, Slot},
    establish::{self, Failure},
    link::Link,
    listener::{Door, Wrap},
    mailbox::Accepted,
    serve::Plan,
    transport::{Stage, TlsStage, WsLimits, WsStage},
};
use crate::secret::PublicKey;
use futures_lite::FutureExt;
use glommio::timer::sleep;
use std::{cell::Cell, os::fd::OwnedFd, panic::AssertUnwindSafe, rc::Rc, sync::Arc, time::Duration};

/// How often places of silent peers are asked back while others wait.
const EVICT_EVERY: Duration = Duration::from_millis(50);

/// Turns accepted sockets into sessions: layers, handshake, authorisation. Each handshake is a task of its own, so that a
/// silent peer keeps nobody waiting. A clone is a handle to the same.
#[derive(Clone)]
pub(crate) struct Reception(Rc<Inner>);

struct Inner {
    plan: Arc<Plan>,
    shard: Shard,
    service: Rc<dyn Service>,
    gate: Gate<Accepted>,
    /// The task that asks places back is running.
    is_evicting: Cell<bool>,
}

impl Reception {
    pub(crate) fn new(plan: Arc<Plan>, shard: Shard, service: Rc<dyn Service>) -> Self {
        let gate = Gate::new(plan.options.handshake.clone(), shard.clock());
        Self(Rc::new(Inner { plan, shard, service, gate, is_evicting: Cell::new(false) }))
    }

    /// Takes a connection of the mailbox.
    pub(crate) fn receive(&self, accepted: Accepted) {
        let inner = &self.0;
        if inner.plan.shutdown.is_asked() {
            return self.leave_mailbox();
        }
        if inner.shard.connections() >= inner.plan.options.connections_max {
            return self.refuse("connections_full");
        }
        if accepted.door == (Door { wrap: Wrap::Nothing, is_secret: false }) {
            return self.serve_plain(accepted);
        }
        match inner.gate.enter(accepted.source, accepted) {
            Ok(Some((slot, accepted))) => self.shake_hands(slot, accepted),
            Ok(None) => self.evict_while_needed(),
            Err(_full) => self.refuse("handshakes_full"),
        }
    }

    fn refuse(&self, name: &'static str) {
        self.0.shard.tally(name);
        self.leave_mailbox();
    }

    fn leave_mailbox(&self) {
        self.0.plan.mailboxes[self.0.shard.index()].leave();
    }

    fn serve_plain(&self, accepted: Accepted) {
        let ask = AssertUnwindSafe(|| self.0.service.authorise(&accepted.peer));
        let Ok(grant) = std::panic::catch_unwind(ask) else {
            tracing::error!(peer = %accepted.peer, "authorising a peer panicked: its connection is closed");
            return self.refuse("handshake_panicked");
        };
        let Some(grant) = grant else { return self.refuse("handshake_refused") };
        match self.0.shard.link(accepted.fd, Vec::new()) {
            Ok(link) => self.start(link, accepted.peer, grant),
            Err(error) => {
                tracing::warn!(%error, "a connection is dropped");
                self.leave_mailbox();
            }
        }
    }

    fn start(&self, link: Link, peer: Peer, grant: Grant) {
        let inner = &self.0;
        let (plan, index) = (Arc::clone(&inner.plan), inner.shard.index());
        let ended = move || plan.mailboxes[index].leave();
        let service = Rc::clone(&inner.service);
        inner.shard.start(link, (peer, grant), inner.plan.options.session.clone(), service, ended);
    }

    fn shake_hands(&self, slot: Rc<Slot>, accepted: Accepted) {
        let own = self.clone();
        let live = self.0.shard.enter_driver();
        glommio::spawn_local(async move {
            let address = accepted.peer.address.clone();
            let made = AssertUnwindSafe(own.establish(&slot, accepted)).catch_unwind().await;
            own.0.gate.leave(&slot);
            match made {
                Ok(Ok((link, peer, grant))) => own.start_unless_full(link, peer, grant),
                Ok(Err(failure)) => {
                    // Peers come and go as they like: this is for counters, not for logs.
                    tracing::debug!(peer = address, %failure, "no connection was made");
                    own.refuse(failure.name());
                }
                Err(_panic) => {
                    tracing::error!(peer = address, "authorising a peer panicked: its connection is closed");
                    own.refuse("handshake_panicked");
                }
            }
            while let Some((slot, accepted)) = own.0.gate.next() {
                own.shake_hands(slot, accepted);
            }
            drop(live);
        })
        .detach();
    }

    fn start_unless_full(&self, link: Link, peer: Peer, grant: Grant) {
        let options = &self.0.plan.options;
        if self.0.shard.connections() >= options.connections_max {
            return self.refuse("connections_full");
        }
        if self.0.plan.shutdown.is_asked() || peer.key.is_some_and(|key| options.blocklist.contains(&key)) {
            return self.refuse("handshake_refused");
        }
        self.start(link, peer, grant);
    }

    async fn establish(&self, slot: &Slot, accepted: Accepted) -> Result<(Link, Peer, Grant), Failure> {
        let options = &self.0.plan.options;
        let work = self.negotiate(slot, accepted);
        let evicted = async {
            slot.evicted().await;
            Err(Failure::Evicted)
        };
        let late = async {
            sleep(options.handshake.duration_max).await;
            Err(Failure::TimedOut)
        };
        work.or(evicted).or(late).await
    }

    async fn negotiate(&self, slot: &Slot, accepted: Accepted) -> Result<(Link, Peer, Grant), Failure> {
        let inner = &self.0;
        let Accepted { fd, mut peer, door, .. } = accepted;
        let mut link = inner.shard.link(fd, self.stages(door)?)?;
        let mut grant = None;
        let credentials = inner.plan.options.credentials.as_ref().filter(|_| door.is_secret);
        if let Some(credentials) = credentials {
            let authorise = |key| {
                grant = self.authorise(&mut peer, key);
                grant.is_some()
            };
            self.shake(&mut link, credentials, slot, authorise).await?;
        } else {
            std::future::poll_fn(|cx| link.poll_ready(cx)).await?;
            grant = inner.service.authorise(&peer);
        }
        let grant = grant.ok_or(Failure::Refused)?;
        Ok((link, peer, grant))
    }

    async fn shake(
        &self,
        link: &mut Link,
        credentials: &Credentials,
        slot: &Slot,
        authorise: impl FnOnce(PublicKey) -> bool,
    ) -> Result<PublicKey, Failure> {
        establish::accept(link, credentials, slot, self.0.shard.clock(), authorise).await
    }

    fn authorise(&self, peer: &mut Peer, key: PublicKey) -> Option<Grant> {
        peer.key = Some(key);
        if self.0.plan.options.blocklist.contains(&key) {
            return None;
        }
        self.0.service.authorise(peer)
    }

    fn stages(&self, door: Door) -> std::io::Result<Vec<Box<dyn Stage>>> {
        let mut stages: Vec<Box<dyn Stage>> = Vec::new();
        if door.wrap == Wrap::Wss
            && let Some(tls) = &self.0.plan.options.tls
        {
            stages.push(Box::new(TlsStage::server(tls.config()).map_err(std::io::Error::other)?));
        }
        if door.wrap != Wrap::Nothing {
            stages.push(Box::new(WsStage::server(WsLimits::default())));
        }
        Ok(stages)
    }

    /// Starts the task that asks places of silent peers back for as long as somebody waits.
    fn evict_while_needed(&self) {
        if self.0.is_evicting.replace(true) {
            return;
        }
        let own = self.clone();
        let live = self.0.shard.enter_driver();
        glommio::spawn_local(async move {
            while own.0.gate.is_waited_for() {
                own.0.gate.evict();
                sleep(EVICT_EVERY).await;
            }
            own.0.is_evicting.set(false);
            drop(live);
        })
        .detach();
    }

    /// Gives up all handshakes, for the end of the shard.
    pub(crate) fn close(&self) {
        let waiting = self.0.gate.close();
        (0..waiting).for_each(|_| self.leave_mailbox());
    }
}

impl Shard {
    /// Puts a link on a socket.
    pub(crate) fn link(&self, fd: OwnedFd, stages: Vec<Box<dyn Stage>>) -> std::io::Result<Link> {
        Link::new(self.hub().attach(fd)?, self.scratch(), stages)
    }
}
