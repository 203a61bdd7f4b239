use super::{
    Access, Call, CallError, Kind, Permissions, Router, handler::Erased, opening::Opening, router::Route,
};
use crate::{
    mux::{Halves, InboundRequest, StreamKey},
    runtime::{Connection, Grant, Peer, Service},
    wire::Body,
};
use std::rc::Rc;

/// Sets what a connection may call, before its first call is looked at.
pub(crate) type Start = Rc<dyn Fn(&Connection, &Permissions)>;

/// Decides what a peer may call.
pub(crate) type Authorise = Rc<dyn Fn(&Peer) -> Access>;

/// Hears of a connection.
pub(crate) type Connected = Rc<dyn Fn(&Connection)>;

/// Answers calls by way of a router.
pub(crate) struct Dispatch {
    pub(crate) router: Router,
    /// Whether our manifest offers the control stream.
    pub(crate) has_control: bool,
    /// What connections may call until something else is said.
    pub(crate) start: Option<Start>,
    /// What peers may call; everything, if nobody decides.
    pub(crate) authorise: Option<Authorise>,
    /// What [`Access::Anonymous`] may call.
    pub(crate) anonymous: Rc<[String]>,
    /// Hears of each connection before its peer says anything.
    pub(crate) connected: Option<Connected>,
}

impl Dispatch {
    /// The permissions of a connection; at its first call, those it starts with.
    fn permissions(&self, connection: &Connection) -> Rc<Permissions> {
        let permissions = connection.state::<Permissions>();
        if !connection.state::<Begun>().0.replace(true) {
            match connection.granted::<Access>() {
                Some(Access::Anonymous) => permissions.allow_only(self.anonymous.iter().map(String::as_str)),
                Some(Access::Only(names)) => permissions.allow_only(names.iter().map(String::as_str)),
                // Nobody is refused here.
                Some(Access::Full | Access::Refuse) | None => {}
            }
            if let Some(start) = &self.start {
                start(connection, &permissions);
            }
        }
        permissions
    }

    /// The route of a call, if the connection may take it.
    fn route(&self, connection: &Connection, name: &str) -> Result<&Rc<Route>, CallError> {
        let route = self.router.find(name).filter(|_| self.permissions(connection).allows(name));
        route.ok_or_else(|| CallError::not_allowed(name))
    }

    /// What the caller of a call that no handler sees is told.
    fn refusal(&self, error: &CallError) -> Body {
        self.router.refuse();
        error.to_body()
    }

    fn manifest(&self, connection: &Connection) -> Body {
        Body::json(self.router.manifest(&self.permissions(connection), self.has_control).to_json())
    }

    fn request(&self, connection: &Connection, opening: Opening) -> Result<(Rc<Route>, Call), CallError> {
        let route = self.route(connection, &opening.name)?;
        let call = Call::new(Rc::clone(&route.name), opening.args, connection.clone());
        Ok((Rc::clone(route), call))
    }

    fn stream(&self, connection: &Connection, body: &Body) -> Result<(Rc<Route>, Call), CallError> {
        let opening = Opening::read(body)?;
        let asked = opening.kind.clone().unwrap_or_default();
        let route = Rc::clone(self.route(connection, &opening.name)?);
        // The kind asked for decides which side sends: serving another would leave the caller waiting.
        if Kind::from_name(&asked) != Some(route.kind) || matches!(route.handler, Erased::Async(_)) {
            return Err(wrong_kind(&route, &asked));
        }
        let call = Call::of_stream(Rc::clone(&route.name), opening.args, connection.clone());
        Ok((route, call))
    }
}

#[derive(Default)]
struct Begun(std::cell::Cell<bool>);

fn wrong_kind(route: &Route, asked: &str) -> CallError {
    let (name, kind) = (&route.name, route.kind.as_str());
    CallError::new(format!("{name} is of kind {kind}, but was called as {asked:?}"))
}

impl Service for Dispatch {
    fn authorise(&self, peer: &Peer) -> Option<Grant> {
        let access = self.authorise.as_ref().map_or(Access::Full, |authorise| authorise(peer));
        (access != Access::Refuse).then(|| Rc::new(access) as Grant)
    }

    fn handle_connected(&self, connection: &Connection) {
        if let Some(connected) = &self.connected {
            connected(connection);
        }
    }

    fn handle_request(&self, connection: &Connection, request: InboundRequest, body: Body) {
        let opening = match Opening::read(&body) {
            Ok(opening) if opening.name == "manifest" => {
                return connection.reply(request, self.manifest(connection));
            }
            Ok(opening) => opening,
            Err(message) => return connection.reply_error(request, &self.refusal(&CallError::new(message))),
        };
        if connection.is_answering(&request) {
            let error = CallError::new("the id of this request is in use");
            return connection.reply_error(request, &self.refusal(&error));
        }
        let asked = opening.kind.clone();
        let (route, call) = match self.request(connection, opening) {
            Ok(found) => found,
            Err(error) => return connection.reply_error(request, &self.refusal(&error)),
        };
        let Erased::Async(handler) = &route.handler else {
            let asked = asked.as_deref().unwrap_or("async");
            return connection.reply_error(request, &self.refusal(&wrong_kind(&route, asked)));
        };
        let answer = handler(call);
        let own = connection.clone();
        let pending = request.clone();
        connection.serve_request(&request, async move {
            match answer.await {
                Ok(body) => own.reply(pending, body),
                Err(error) => own.reply_error(pending, &error.to_body()),
            }
        });
    }

    fn handle_opened(&self, connection: &Connection, key: StreamKey, body: Body) {
        let (route, call) = match self.stream(connection, &body) {
            Ok(found) => found,
            Err(error) => return connection.refuse(key, &self.refusal(&error)),
        };
        match &route.handler {
            Erased::Async(_) => {}
            Erased::Source(handler) => connection.accept(key, Halves::SEND, |tx, _rx| handler(call, tx)),
            Erased::Sink(handler) => connection.accept(key, Halves::RECV, |tx, rx| handler(call, tx, rx)),
            Erased::Duplex(handler) => connection.accept(key, Halves::BOTH, |tx, rx| handler(call, tx, rx)),
        }
    }
}
