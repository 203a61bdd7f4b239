use super::{
    CallError, CreditMode, Kind, Manifest, Router, opening::Opening, serve::Dispatch, server::KEEPALIVE,
};
use crate::{
    mux::{Halves, Outgoing},
    runtime::{ConnectOptions, Connection, RecvStream, Result, SendStream, connect},
    secret::Address,
    wire::Body,
};
use futures_lite::FutureExt;
use glommio::timer::sleep;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

/// How long streams wait for a peer to say whether it has flow control.
const ASK_MAX: Duration = Duration::from_secs(2);

/// How a client is made.
#[derive(Default)]
pub struct ClientOptions {
    /// Transport and session; the use of the control stream is set by `mode`.
    pub connect: ConnectOptions,
    /// When to open our control stream.
    pub mode: CreditMode,
    /// What the peer may call on us: nothing, if not said.
    pub router: Router,
}

/// A connection to call a peer by. Lives on a shard or inside [`block_on`](crate::block_on). Clones are handles to the same
/// connection; dropping them does not close it, [`close`](Self::close) does.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
    asked: Rc<Asked>,
}

/// Whether the question about flow control is settled, and who waits for that.
#[derive(Debug, Default)]
struct Asked {
    is_settled: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Asked {
    fn settle(&self) {
        self.is_settled.set(true);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    async fn settled(&self) {
        poll_fn(|cx| {
            if self.is_settled.get() {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Client {
    /// Dials an address, written as [`Address`] reads it.
    ///
    /// # Errors
    /// [`Error`](crate::Error) when it is no address, or nobody answers.
    pub async fn connect(address: &str) -> Result<Self> {
        Self::connect_with(&address.parse()?, ClientOptions::default()).await
    }

    /// Dials with options.
    ///
    /// # Errors
    /// [`Error`](crate::Error) when nobody answers.
    pub async fn connect_with(address: &Address, mut options: ClientOptions) -> Result<Self> {
        options.connect.session.control = options.mode.control();
        let has_control = options.mode != CreditMode::Off;
        options.connect.session.keepalive.get_or_insert(KEEPALIVE);
        let service = Rc::new(Dispatch {
            router: options.router,
            has_control,
            start: None,
            authorise: None,
            anonymous: Rc::new([]),
            connected: None,
        });
        let connection = connect(address, &options.connect, service).await?;
        let client = Self { connection, asked: Rc::default() };
        if options.mode == CreditMode::Auto {
            let asking = client.clone();
            glommio::spawn_local(async move { asking.ask().await }).detach();
        } else {
            client.asked.settle();
        }
        Ok(client)
    }

    /// Calls the peer of a connection that is there, one that it dialled for instance. The control stream stays what it is.
    #[must_use]
    pub fn over(connection: &Connection) -> Self {
        let client = Self { connection: connection.clone(), asked: Rc::default() };
        client.asked.settle();
        client
    }

    /// Asks the peer's manifest whether the control stream is welcome: offered unasked, it ends the session of a
    /// go-muxrpc peer.
    async fn ask(&self) {
        let manifest = async { self.manifest().await.ok() };
        let manifest = manifest.or(async {
            sleep(ASK_MAX).await;
            None
        });
        if manifest.await.is_some_and(|manifest| manifest.kind("control").is_some()) {
            self.connection.offer_control();
        }
        self.asked.settle();
    }

    /// The connection below.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The peer's manifest.
    ///
    /// # Errors
    /// [`CallError`] as the peer answers, or when the answer is no manifest.
    pub async fn manifest(&self) -> Result<Manifest, CallError> {
        let body = self.request(r#"{"name":"manifest","args":[]}"#.to_owned()).await?;
        Manifest::from_json(&body.bytes)
            .ok_or_else(|| CallError::Result("the manifest is no object".to_owned()))
    }

    /// Calls an async method. `args` serialises to an array or tuple; the result is read from JSON, or from text when
    /// the peer sent that.
    ///
    /// # Errors
    /// [`CallError`] as the peer answers, or when arguments or result do not fit.
    pub async fn call<T: DeserializeOwned>(&self, name: &str, args: impl Serialize) -> Result<T, CallError> {
        let body = self.call_body(name, args).await?;
        let read = match body.kind {
            crate::wire::BodyKind::Text => {
                let text = String::from_utf8_lossy(&body.bytes).into_owned();
                serde_json::from_value(text.into())
            }
            _ => serde_json::from_slice(&body.bytes),
        };
        read.map_err(|error| CallError::Result(error.to_string()))
    }

    /// Calls an async method and yields the reply as it came.
    ///
    /// # Errors
    /// [`CallError`] as the peer answers.
    pub async fn call_body(&self, name: &str, args: impl Serialize) -> Result<Body, CallError> {
        self.request(opening(name, args, Kind::Async)?).await
    }

    async fn request(&self, json: String) -> Result<Body, CallError> {
        let reply = self.connection.request(Body::json(json)).await?;
        reply.map_err(|error| CallError::from_body(&error))
    }

    /// Calls a source; bodies come from the stream. Dropping it aborts the call.
    ///
    /// # Errors
    /// [`CallError`] when the call cannot be sent. What the peer makes of it shows at the stream.
    pub async fn source(&self, name: &str, args: impl Serialize) -> Result<RecvStream, CallError> {
        self.open(name, args, Kind::Source, Halves::RECV).await.map(|(_, rx)| rx)
    }

    /// Calls a sink.
    ///
    /// # Errors
    /// As [`source`](Self::source).
    pub async fn sink(&self, name: &str, args: impl Serialize) -> Result<SinkCall, CallError> {
        let (tx, rx) = self.open(name, args, Kind::Sink, Halves::SEND).await?;
        Ok(SinkCall { tx, rx })
    }

    /// Calls a duplex.
    ///
    /// # Errors
    /// As [`source`](Self::source).
    pub async fn duplex(
        &self,
        name: &str,
        args: impl Serialize,
    ) -> Result<(SendStream, RecvStream), CallError> {
        self.open(name, args, Kind::Duplex, Halves::BOTH).await
    }

    async fn open(
        &self,
        name: &str,
        args: impl Serialize,
        kind: Kind,
        halves: Halves,
    ) -> Result<(SendStream, RecvStream), CallError> {
        let opening = opening(name, args, kind)?;
        self.asked.settled().await;
        self.connection.openable().await;
        Ok(self.connection.open(halves, Body::json(opening))?)
    }

    /// Says goodbye and waits until the connection is closed.
    pub async fn close(&self) {
        self.connection.close();
        self.connection.closed().await;
    }
}

fn opening(name: &str, args: impl Serialize, kind: Kind) -> Result<String, CallError> {
    let mut args = serde_json::to_string(&args).map_err(|error| CallError::Result(error.to_string()))?;
    if args == "null" {
        // The empty tuple, which serde writes so.
        "[]".clone_into(&mut args);
    }
    if !args.starts_with('[') {
        return Err(CallError::new("arguments must serialise to an array: use a tuple, a slice or a Vec"));
    }
    Ok(Opening::write(name, &args, kind))
}

/// A sink being fed. Dropping it before [`finish`](Self::finish) gives the call up.
#[derive(Debug)]
pub struct SinkCall {
    tx: SendStream,
    rx: RecvStream,
}

impl SinkCall {
    /// Sends a body; waits for the peer's credit.
    ///
    /// # Errors
    /// [`CallError`]: the peer's own words when it ended the call.
    pub async fn send<'a>(&mut self, body: impl Into<Outgoing<'a>>) -> Result<(), CallError> {
        Ok(self.tx.send(body).await?)
    }

    /// Ends the stream and waits for what the peer makes of it.
    ///
    /// # Errors
    /// [`CallError`]: the peer's own words.
    pub async fn finish(mut self) -> Result<(), CallError> {
        self.tx.finish();
        while let Some(item) = self.rx.next().await {
            // A sink has nothing to say but its end; data would be an oddity, and is ignored.
            item?;
        }
        Ok(())
    }

    /// The stream's sending half.
    pub const fn sender(&mut self) -> &mut SendStream {
        &mut self.tx
    }
}
