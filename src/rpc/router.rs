use super::{
    AsyncHandler, DuplexHandler, Kind, Manifest, Permissions, SinkHandler, SourceHandler,
    handler::{Erased, erase_async, erase_duplex, erase_sink, erase_source},
    observe::{Observed, Observer},
};
use std::{collections::BTreeMap, rc::Rc};

/// A named group of methods with state of its own, shared by all connections of a shard.
pub trait Plugin: 'static {
    /// The group's name: its methods are called `NAME.method`.
    const NAME: &'static str;

    /// Registers the methods, by their names inside the group.
    fn routes(self: Rc<Self>, routes: Router) -> Router;
}

pub(crate) struct Route {
    pub(crate) name: Rc<str>,
    pub(crate) kind: Kind,
    pub(crate) handler: Erased,
}

/// Names and their handlers. The manifest is derived from it.
#[derive(Clone, Default)]
pub struct Router {
    prefix: String,
    routes: BTreeMap<String, Rc<Route>>,
    observer: Option<Rc<dyn Observer>>,
}

impl Router {
    /// A router that knows only `manifest`, which all do.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the calls of the methods that are registered from here on seen, and every refusal. Calls of a router that has no
    /// observer cost nothing more than without this.
    #[must_use]
    pub fn observe(mut self, observer: Rc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Registers an async handler under a dotted name.
    ///
    /// # Panics
    /// If the name is taken, here and below: better at start-up than at the first call.
    #[must_use]
    pub fn on_async(self, name: &str, handler: impl AsyncHandler) -> Self {
        self.insert(name, Kind::Async, |observed| erase_async(handler, observed))
    }

    /// Registers an async handler whose answer is at hand; manifests call it `sync`.
    ///
    /// # Panics
    /// As [`on_async`](Self::on_async).
    #[must_use]
    pub fn on_sync(self, name: &str, handler: impl AsyncHandler) -> Self {
        self.insert(name, Kind::Sync, |observed| erase_async(handler, observed))
    }

    /// Registers a source.
    ///
    /// # Panics
    /// As [`on_async`](Self::on_async).
    #[must_use]
    pub fn on_source(self, name: &str, handler: impl SourceHandler) -> Self {
        self.insert(name, Kind::Source, |observed| erase_source(handler, observed))
    }

    /// Registers a sink.
    ///
    /// # Panics
    /// As [`on_async`](Self::on_async).
    #[must_use]
    pub fn on_sink(self, name: &str, handler: impl SinkHandler) -> Self {
        self.insert(name, Kind::Sink, |observed| erase_sink(handler, observed))
    }

    /// Registers a duplex.
    ///
    /// # Panics
    /// As [`on_async`](Self::on_async).
    #[must_use]
    pub fn on_duplex(self, name: &str, handler: impl DuplexHandler) -> Self {
        self.insert(name, Kind::Duplex, |observed| erase_duplex(handler, observed))
    }

    /// Registers a plugin's methods under its name.
    #[must_use]
    pub fn plugin<P: Plugin>(mut self, plugin: P) -> Self {
        let inner = format!("{}{}.", self.prefix, P::NAME);
        let outer = std::mem::replace(&mut self.prefix, inner);
        let mut router = Rc::new(plugin).routes(self);
        router.prefix = outer;
        router
    }

    fn insert(mut self, name: &str, kind: Kind, erase: impl FnOnce(Option<Observed>) -> Erased) -> Self {
        let name = format!("{}{name}", self.prefix);
        assert!(name != "manifest" && name != "control", "{name:?} is the framework's own");
        assert!(!name.split('.').any(str::is_empty), "{name:?} has an empty part");
        let observed = self.observer.as_ref().map(|observer| Observed(observer.method(&name, kind)));
        let handler = erase(observed);
        let route = Route { name: name.as_str().into(), kind, handler };
        let taken = self.routes.insert(name, Rc::new(route));
        assert!(taken.is_none(), "{:?} is registered twice", taken.map(|route| route.name.clone()));
        self
    }

    /// A call is about to be refused.
    pub(crate) fn refuse(&self) {
        if let Some(observer) = &self.observer {
            observer.refused();
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Rc<Route>> {
        self.routes.get(name)
    }

    /// What a connection may call.
    #[must_use]
    pub fn manifest(&self, permissions: &Permissions, has_control: bool) -> Manifest {
        let mut manifest = Manifest::default();
        manifest.insert("manifest", Kind::Sync);
        if has_control {
            // Tells our own dialers that the control stream is welcome; other peers see one more duplex.
            manifest.insert("control", Kind::Duplex);
        }
        for route in self.routes.values().filter(|route| permissions.allows(&route.name)) {
            manifest.insert(&route.name, route.kind);
        }
        manifest
    }
}
