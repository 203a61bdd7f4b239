use super::{Call, CallError, Kind, Permissions, Router, handler::Erased, opening::Opening, router::Route};
use crate::{
    mux::{Halves, InboundRequest, StreamKey},
    runtime::{Connection, Service},
    wire::Body,
};
use std::rc::Rc;

/// Sets what a connection may call, before its first call is looked at.
pub(crate) type Start = Rc<dyn Fn(&Connection, &Permissions)>;

/// Answers calls by way of a router.
pub(crate) struct Dispatch {
    pub(crate) router: Router,
    /// Whether our manifest offers the control stream.
    pub(crate) has_control: bool,
    /// What connections may call until something else is said.
    pub(crate) start: Option<Start>,
}

impl Dispatch {
    /// The permissions of a connection; at its first call, those it starts with.
    fn permissions(&self, connection: &Connection) -> Rc<Permissions> {
        if let Some(start) = &self.start {
            let begun = connection.state::<Begun>();
            if !begun.0.replace(true) {
                start(connection, &connection.state());
            }
        }
        connection.state()
    }

    /// The route of a call, if the connection may take it.
    fn route(&self, connection: &Connection, name: &str) -> Result<&Rc<Route>, CallError> {
        let route = self.router.find(name).filter(|_| self.permissions(connection).allows(name));
        route.ok_or_else(|| CallError::not_allowed(name))
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
        let (route, call) = self.request(connection, opening)?;
        // The kind asked for decides which side sends: serving another would leave the caller waiting.
        if Kind::from_name(&asked) != Some(route.kind) || matches!(route.handler, Erased::Async(_)) {
            return Err(wrong_kind(&route, &asked));
        }
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
    fn handle_request(&self, connection: &Connection, request: InboundRequest, body: Body) {
        let opening = match Opening::read(&body) {
            Ok(opening) if opening.name == "manifest" => {
                return connection.reply(request, self.manifest(connection));
            }
            Ok(opening) => opening,
            Err(message) => return connection.reply_error(request, &CallError::new(message).to_body()),
        };
        if connection.is_answering(&request) {
            return connection
                .reply_error(request, &CallError::new("the id of this request is in use").to_body());
        }
        let asked = opening.kind.clone();
        let (route, call) = match self.request(connection, opening) {
            Ok(found) => found,
            Err(error) => return connection.reply_error(request, &error.to_body()),
        };
        let Erased::Async(handler) = &route.handler else {
            let asked = asked.as_deref().unwrap_or("async");
            return connection.reply_error(request, &wrong_kind(&route, asked).to_body());
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
            Err(error) => return connection.refuse(key, &error.to_body()),
        };
        match &route.handler {
            Erased::Async(_) => {}
            Erased::Source(handler) => connection.accept(key, Halves::SEND, |tx, _rx| handler(call, tx)),
            Erased::Sink(handler) => connection.accept(key, Halves::RECV, |tx, rx| handler(call, tx, rx)),
            Erased::Duplex(handler) => connection.accept(key, Halves::BOTH, |tx, rx| handler(call, tx, rx)),
        }
    }
}
