use super::{CallError, Permissions};
use crate::runtime::{Connection, Peer, Shard};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

/// Arguments that a stream is opened with are copied below this length: a slice of a receive buffer would keep all of it for as
/// long as the stream lives. From here on they are much of their buffer, if not alone in it.
const ARGS_SHARED_BYTES_MIN: usize = 16 << 10;

/// The JSON of no arguments.
const NO_ARGS: &[u8] = b"[]";

/// What a handler is called with. A clone is another handle to the same.
#[derive(Clone)]
pub struct Call(Rc<Inner>);

/// Behind a pointer: a handler's future has a slot for the call at each level of nesting, and there may be tens of
/// thousands of them waiting.
struct Inner {
    method: Rc<str>,
    args: Bytes,
    connection: Connection,
}

impl Call {
    pub(crate) fn new(method: Rc<str>, args: Bytes, connection: Connection) -> Self {
        Self(Rc::new(Inner { method, args, connection }))
    }

    /// The call that opened a stream, which may live long.
    pub(crate) fn of_stream(method: Rc<str>, args: Bytes, connection: Connection) -> Self {
        if args == NO_ARGS {
            let alike = connection.state::<Alike>();
            return alike
                .find(&method)
                .unwrap_or_else(|| alike.add(Self::new(method, Bytes::from_static(NO_ARGS), connection)));
        }
        let is_short = args.len() < ARGS_SHARED_BYTES_MIN;
        Self::new(method, if is_short { Bytes::copy_from_slice(&args) } else { args }, connection)
    }

    /// The method's dotted name.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// One argument, counted from 0. A missing one reads as `null`, so `Option` takes both.
    ///
    /// # Errors
    /// [`CallError::Argument`] names the argument and what does not fit.
    pub fn arg<T: DeserializeOwned>(&self, index: usize) -> Result<T, CallError> {
        let wrong = |reason: String| CallError::Argument { method: self.0.method.to_string(), index, reason };
        let args: Vec<&RawValue> =
            serde_json::from_slice(&self.0.args).map_err(|error| wrong(error.to_string()))?;
        let (text, is_missing) = args.get(index).map_or(("null", true), |raw| (raw.get(), false));
        serde_json::from_str(text).map_err(|error| {
            wrong(if is_missing { "it is missing".to_owned() } else { strip_place(&error.to_string()) })
        })
    }

    /// How many arguments there are.
    #[must_use]
    pub fn args_len(&self) -> usize {
        serde_json::from_slice::<Vec<&RawValue>>(&self.0.args).map_or(0, |args| args.len())
    }

    /// All arguments, as the JSON array they came in.
    #[must_use]
    pub fn args_json(&self) -> &Bytes {
        &self.0.args
    }

    /// Who calls.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        self.0.connection.peer()
    }

    /// The shard this runs on.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        self.0.connection.shard()
    }

    /// The connection the call came by: for calls back, and to close it.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// State of the connection of type `T`, made by `T::default()` at the first call and dropped with the connection.
    #[must_use]
    pub fn state<T: Default + 'static>(&self) -> Rc<T> {
        self.0.connection.state()
    }

    /// What this connection may call; may be changed while it lives.
    #[must_use]
    pub fn permissions(&self) -> Rc<Permissions> {
        self.0.connection.state()
    }
}

/// Calls without arguments that opened streams of one connection: those of a method are all alike, so they are one. Its holders are
/// the handlers at work.
#[derive(Default)]
struct Alike(RefCell<Vec<Weak<Inner>>>);

impl Alike {
    fn find(&self, method: &Rc<str>) -> Option<Call> {
        let calls = self.0.borrow();
        calls.iter().filter_map(Weak::upgrade).find(|call| Rc::ptr_eq(&call.method, method)).map(Call)
    }

    /// One for each method at the most, so there are never more than routes.
    fn add(&self, call: Call) -> Call {
        let mut calls = self.0.borrow_mut();
        calls.retain(|call| call.strong_count() > 0);
        calls.push(Rc::downgrade(&call.0));
        call
    }
}

/// serde_json ends its messages with a line and column of one argument, which says nothing to the caller.
fn strip_place(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(text, _)| text).to_owned()
}
