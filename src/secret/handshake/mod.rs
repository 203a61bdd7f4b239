//! Secret-handshake v1, both roles: four messages after which both ends know who the other is and share keys.
//!
//! | # | from | bytes | content |
//! |---|---|---|---|
//! | 1 | client | 64 | client hello: MAC under the network key, ephemeral key |
//! | 2 | server | 64 | server hello: the same |
//! | 3 | client | 112 | client authenticate: a box with the client's signature and long-term key |
//! | 4 | server | 80 | server accept: a box with the server's signature |
//!
//! The client must know the server's long-term key; nobody but that server learns the client's. Between messages 3 and 4
//! the server knows who asks and may refuse: then it sends nothing.
//!
//! Per side there is no way around one multiplication of the base point (ephemeral key), three of other points (`a·b`,
//! `a·B`, `A·b`), one signature and one verification. The server does none before a valid hello, and the third
//! multiplication and the signature only for whom it accepts.

mod client;
mod server;
mod transcript;

#[cfg(test)]
mod tests;

use super::{
    HandshakeError, KEY_BYTES, Keypair, NetworkKey, PublicKey,
    boxstream::{BoxKey, Opener, Sealer},
};
use bytes::{Buf, Bytes};
use std::{fmt, mem, ops::Deref};
use zeroize::Zeroizing;

/// Bytes of messages 1 and 2.
pub const HELLO_BYTES: usize = 64;
/// Bytes of message 3.
pub const AUTH_BYTES: usize = 112;
/// Bytes of message 4.
pub const ACCEPT_BYTES: usize = 80;

/// One end of a handshake.
///
/// Send [`take_output`](Self::take_output), feed [`handle`](Self::handle) with what arrives, and repeat until there is
/// an [`Outcome`]: a client gets it from `handle`, a server from [`accept`](Self::accept).
///
/// Nothing is allocated. Errors are sticky: after one, every call returns the same and nothing is sent. Ephemeral keys and
/// shared secrets are wiped as soon as they have been used, and with the handshake.
#[cfg_attr(test, derive(Clone))]
pub struct Handshake {
    stage: Stage,
    /// The beginning of a message; always shorter than the message awaited.
    partial: Message,
    output: Message,
    failed: Option<HandshakeError>,
}

/// Each holds what it needs and no more; dropping it wipes its secrets.
#[cfg_attr(test, derive(Clone))]
enum Stage {
    /// The client awaits message 2.
    ServerHello(client::AwaitHello),
    /// The client awaits message 4.
    ServerAccept(client::AwaitAccept),
    /// The server awaits message 1.
    ClientHello(server::AwaitHello),
    /// The server awaits message 3.
    ClientAuth(server::AwaitAuth),
    /// The server awaits our own decision.
    Authorise(server::Authenticated),
    Over,
}

/// How far a handshake has come.
#[derive(Debug)]
#[must_use]
pub enum Progress {
    /// All input was taken, and more is needed.
    NeedsMore,
    /// A server knows who asks: call [`Handshake::accept`], or drop the handshake to refuse. Repeated until then.
    Authorise(PublicKey),
    /// A client has finished.
    Done(Outcome),
}

/// What a handshake leads to: who the peer is, and key and first nonce of the box-stream in each direction. Wiped on
/// drop, and never printed.
pub struct Outcome {
    /// The peer's long-term key, which it has proved to own.
    pub peer: PublicKey,
    seal: BoxKey,
    open: BoxKey,
}

/// A message of at most 112 bytes; dereferences to those it has.
#[derive(Clone, Copy)]
pub struct Message {
    bytes: [u8; AUTH_BYTES],
    len: usize,
}

impl Handshake {
    /// The side that dials `server`. `seed` is 32 fresh random bytes, which become the ephemeral key. Message 1 is to be
    /// sent at once.
    ///
    /// # Errors
    /// [`HandshakeError::ServerKey`] if no server could own that key.
    pub fn client(
        network: &NetworkKey,
        identity: &Keypair,
        server: &PublicKey,
        seed: &[u8; KEY_BYTES],
    ) -> Result<Self, HandshakeError> {
        let (client, hello) = client::AwaitHello::new(network, identity, server, seed)?;
        let mut handshake = Self::new(Stage::ServerHello(client));
        handshake.output.put(&hello);
        Ok(handshake)
    }

    /// The side that is dialled. `seed` is 32 fresh random bytes, which become the ephemeral key.
    #[must_use]
    pub fn server(network: &NetworkKey, identity: &Keypair, seed: &[u8; KEY_BYTES]) -> Self {
        Self::new(Stage::ClientHello(server::AwaitHello::new(network, identity, seed)))
    }

    const fn new(stage: Stage) -> Self {
        Self { stage, partial: Message::EMPTY, output: Message::EMPTY, failed: None }
    }

    /// Takes bytes from the front of `input`, never more than the handshake needs: what is left belongs to the
    /// box-stream.
    ///
    /// # Errors
    /// What is wrong with a message of the peer; [`HandshakeError::Over`] after the outcome.
    pub fn handle(&mut self, input: &mut Bytes) -> Result<Progress, HandshakeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.advance(input).inspect_err(|error| self.fail(*error))
    }

    /// Makes message 4 and ends a server's handshake; `None` unless [`Progress::Authorise`] was returned before.
    pub fn accept(&mut self) -> Option<Outcome> {
        let Stage::Authorise(client) = &self.stage else { return None };
        match client.accept() {
            Ok((message, outcome)) => {
                self.stage = Stage::Over;
                self.output.put(&message);
                Some(outcome)
            }
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// What is to be sent now, at most one message; empty when there is nothing.
    pub fn take_output(&mut self) -> Message {
        mem::replace(&mut self.output, Message::EMPTY)
    }

    fn fail(&mut self, error: HandshakeError) {
        *self = Self { failed: Some(error), ..Self::new(Stage::Over) };
    }

    fn advance(&mut self, input: &mut Bytes) -> Result<Progress, HandshakeError> {
        loop {
            let wanted = match &self.stage {
                Stage::ServerHello(_) | Stage::ClientHello(_) => HELLO_BYTES,
                Stage::ClientAuth(_) => AUTH_BYTES,
                Stage::ServerAccept(_) => ACCEPT_BYTES,
                Stage::Authorise(client) => return Ok(Progress::Authorise(client.client())),
                Stage::Over => return Err(HandshakeError::Over),
            };
            if !self.partial.fill(input, wanted) {
                return Ok(Progress::NeedsMore);
            }
            let message = mem::replace(&mut self.partial, Message::EMPTY);
            // The next stage replaces the last where it stands: moving that out would leave its secrets behind unwiped.
            self.stage = match &self.stage {
                Stage::ServerHello(client) => {
                    let (next, auth) = client.receive(message.front())?;
                    self.output.put(&auth);
                    Stage::ServerAccept(next)
                }
                Stage::ClientHello(server) => {
                    let (next, hello) = server.receive(message.front())?;
                    self.output.put(&hello);
                    Stage::ClientAuth(next)
                }
                Stage::ClientAuth(server) => Stage::Authorise(server.receive(&message.bytes)?),
                Stage::ServerAccept(client) => {
                    let outcome = client.receive(&message.front())?;
                    self.stage = Stage::Over;
                    return Ok(Progress::Done(outcome));
                }
                Stage::Authorise(_) | Stage::Over => continue,
            };
        }
    }
}

/// Says how far it has come, and nothing else.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::ServerHello(_) => "awaits the server hello",
            Stage::ServerAccept(_) => "awaits the server accept",
            Stage::ClientHello(_) => "awaits the client hello",
            Stage::ClientAuth(_) => "awaits the client authenticate",
            Stage::Authorise(_) => "awaits authorisation",
            Stage::Over => "over",
        };
        f.debug_struct("Handshake")
            .field("stage", &stage)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Outcome {
    /// Seals what is sent to the peer. Once per outcome: two streams with the same nonces betray each other.
    #[must_use]
    pub fn sealer(&self) -> Sealer {
        Sealer::new(&self.seal.key, &self.seal.nonce)
    }

    /// Opens what comes from the peer.
    #[must_use]
    pub fn opener(&self) -> Opener {
        Opener::new(&self.open.key, &self.open.nonce)
    }

    /// Key and nonce for sealing, key and nonce for opening: 32 + 24 + 32 + 24 bytes, the form in which test suites
    /// compare outcomes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 112]> {
        let (seal, open) = (&self.seal, &self.open);
        Zeroizing::new(transcript::joined(&[&seal.key, &seal.nonce, &open.key, &open.nonce]))
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Message {
    const EMPTY: Self = Self { bytes: [0; AUTH_BYTES], len: 0 };

    fn put(&mut self, message: &[u8]) {
        self.bytes[..message.len()].copy_from_slice(message);
        self.len = message.len();
    }

    /// Takes bytes until there are `wanted`; says whether there are.
    fn fill(&mut self, input: &mut Bytes, wanted: usize) -> bool {
        let count = wanted.saturating_sub(self.len).min(input.len());
        input.copy_to_slice(&mut self.bytes[self.len..self.len + count]);
        self.len += count;
        self.len == wanted
    }

    fn front<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= AUTH_BYTES) }
        let mut front = [0; N];
        front.copy_from_slice(&self.bytes[..N]);
        front
    }
}

impl Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bytes)", self.len)
    }
}
