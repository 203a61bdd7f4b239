use super::{
    Access, Permissions, Router,
    serve::{self, Dispatch},
};
use crate::{
    mux::{ControlMode, Credit, Limits},
    runtime::{
        BackendChoice, Blocklist, Bound, Connection, Credentials, Peer, Result, ServeOptions, Shard,
        Shutdown, TlsAcceptor, bind, run_shards,
    },
    secret::{Address, Keypair},
};
use std::{rc::Rc, sync::Arc, time::Duration};

type Start = Arc<dyn Fn(&Connection, &Permissions) + Send + Sync>;
type Authorise = Arc<dyn Fn(&Peer) -> Access + Send + Sync>;

/// Asks a silent peer for a sign of life. A peer that has no manifest answers with an error, which is one too.
pub(crate) const KEEPALIVE: &str = r#"{"name":["manifest"],"args":[],"type":"async"}"#;

/// A server: addresses, options, and a router for each shard.
pub struct Server {
    bound: Bound,
    options: ServeOptions,
    start: Option<Start>,
    authorise: Option<Authorise>,
    anonymous: Vec<String>,
}

impl Server {
    /// Binds one address, written as [`Address`] reads it. Connections queue from here on.
    ///
    /// # Errors
    /// [`Error`](crate::Error) when it is no address or cannot be bound.
    pub fn bind(address: &str) -> Result<Self> {
        Self::bind_all(&[address.parse()?])
    }

    /// Binds several addresses.
    ///
    /// # Errors
    /// [`Error`](crate::Error) when one cannot be bound.
    pub fn bind_all(addresses: &[Address]) -> Result<Self> {
        let options = ServeOptions::default();
        Ok(Self { bound: bind(addresses)?, options, start: None, authorise: None, anonymous: Vec::new() })
    }

    /// One address per listener, with the port that was chosen and, once [`identity`](Self::identity) is set, our key:
    /// what peers dial.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.bound.addresses(self.options.credentials.as_ref().map(|own| own.identity.public()))
    }

    /// Who we are to peers that shake hands, in the main network. Listeners with `~shs` need it.
    #[must_use]
    pub fn identity(self, identity: Keypair) -> Self {
        self.credentials(Credentials::new(identity))
    }

    /// Who we are, and in which network.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.options.credentials = Some(credentials);
        self
    }

    /// The certificate of `wss` listeners.
    #[must_use]
    pub fn tls(mut self, tls: TlsAcceptor) -> Self {
        self.options.tls = Some(tls);
        self
    }

    /// Decides what each peer may call, before it is told that it may connect. Runs on the peer's shard and must not block.
    #[must_use]
    pub fn authorise(mut self, authorise: impl Fn(&Peer) -> Access + Send + Sync + 'static) -> Self {
        self.authorise = Some(Arc::new(authorise));
        self
    }

    /// What [`Access::Anonymous`] may call.
    #[must_use]
    pub fn anonymous<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.anonymous = names.into_iter().map(str::to_owned).collect();
        self
    }

    /// Identities refused, to be changed at any time from any thread.
    #[must_use]
    pub fn blocklist(&self) -> Blocklist {
        self.options.blocklist.clone()
    }

    /// What stops the server, from any thread. SIGINT and SIGTERM do too.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.bound.shutdown()
    }

    /// All options at once. Identity, certificate and block list stay what they are unless these have others.
    #[must_use]
    pub fn options(mut self, options: ServeOptions) -> Self {
        let before = std::mem::replace(&mut self.options, options);
        self.options.credentials = self.options.credentials.take().or(before.credentials);
        self.options.tls = self.options.tls.take().or(before.tls);
        if self.options.blocklist.is_untouched() {
            self.options.blocklist = before.blocklist;
        }
        self
    }

    /// Shards to run; one per allowed CPU if not said.
    #[must_use]
    pub const fn shards(mut self, shards: usize) -> Self {
        self.options.shards = Some(shards);
        self
    }

    /// How far ahead of reading peers may run.
    #[must_use]
    pub const fn credit(mut self, credit: Credit) -> Self {
        self.options.session.credit = credit;
        self
    }

    /// When to open our control stream; only once the peer has opened its own, if not said.
    #[must_use]
    pub const fn control(mut self, control: ControlMode) -> Self {
        self.options.session.control = control;
        self
    }

    /// The bounds of each session.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.session.limits = limits;
        self
    }

    /// How sockets wait.
    #[must_use]
    pub const fn backend(mut self, backend: BackendChoice) -> Self {
        self.options.backend = backend;
        self
    }

    /// How long a shutdown waits for work at hand.
    #[must_use]
    pub const fn drain_max(mut self, drain_max: Duration) -> Self {
        self.options.drain_max = drain_max;
        self
    }

    /// Sets what each connection may call, before its first call is looked at.
    #[must_use]
    pub fn permissions(mut self, start: impl Fn(&Connection, &Permissions) + Send + Sync + 'static) -> Self {
        self.start = Some(Arc::new(start));
        self
    }

    /// Serves until shutdown, with a router built on each shard. Only `build` crosses threads; routers, handlers and their
    /// state need not be `Send`.
    ///
    /// # Errors
    /// [`Error`](crate::Error) when the machine lacks something, with the remedy, or a shard died.
    pub fn serve<F>(mut self, build: F) -> Result<()>
    where
        F: Fn(&Shard) -> Router + Clone + Send + 'static,
    {
        let has_control = self.options.session.control != ControlMode::Off;
        self.options.session.keepalive.get_or_insert(KEEPALIVE);
        let (start, authorise, anonymous) = (self.start, self.authorise, self.anonymous);
        run_shards(self.bound, self.options, move |shard| {
            let start = start.clone().map(|start| -> serve::Start {
                Rc::new(move |connection, permissions| start(connection, permissions))
            });
            let authorise =
                authorise.clone().map(|ask| -> serve::Authorise { Rc::new(move |peer| ask(peer)) });
            let anonymous = anonymous.as_slice().into();
            Rc::new(Dispatch {
                router: build(shard),
                has_control,
                start,
                authorise,
                anonymous,
                connected: None,
            })
        })
    }
}
