use super::{
    Permissions, Router,
    serve::{self, Dispatch},
};
use crate::{
    mux::{ControlMode, Credit, Limits},
    runtime::{
        Address, BackendChoice, Bound, Connection, Result, ServeOptions, Shard, Shutdown, bind, run_shards,
    },
};
use std::{rc::Rc, sync::Arc, time::Duration};

type Start = Arc<dyn Fn(&Connection, &Permissions) + Send + Sync>;

/// A server: addresses, options, and a router for each shard.
pub struct Server {
    bound: Bound,
    options: ServeOptions,
    start: Option<Start>,
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
        Ok(Self { bound: bind(addresses)?, options: ServeOptions::default(), start: None })
    }

    /// The addresses, with the ports that were chosen.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        self.bound.addresses()
    }

    /// What stops the server, from any thread. SIGINT and SIGTERM do too.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.bound.shutdown()
    }

    /// All options at once.
    #[must_use]
    pub fn options(mut self, options: ServeOptions) -> Self {
        self.options = options;
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
    pub fn serve<F>(self, build: F) -> Result<()>
    where
        F: Fn(&Shard) -> Router + Clone + Send + 'static,
    {
        let has_control = self.options.session.control != ControlMode::Off;
        let start = self.start;
        run_shards(self.bound, self.options, move |shard| {
            let start = start.clone().map(|start| -> serve::Start {
                Rc::new(move |connection, permissions| start(connection, permissions))
            });
            Rc::new(Dispatch { router: build(shard), has_control, start })
        })
    }
}
