use super::{
    admission::Slot,
    clock::Clock,
    link::{self, Boxes, Link},
};
use crate::secret::{Handshake, HandshakeError, Keypair, NetworkKey, Outcome, Progress, PublicKey};
use bytes::Bytes;
use std::{
    future::poll_fn,
    io::{self, IoSlice},
    sync::Arc,
};

/// Who we are and in which network.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Our key pair.
    pub identity: Arc<Keypair>,
    /// What separates networks.
    pub network: NetworkKey,
}

impl Credentials {
    /// An identity in the main network.
    #[must_use]
    pub fn new(identity: Keypair) -> Self {
        Self { identity: Arc::new(identity), network: NetworkKey::MAIN }
    }

    /// A fresh identity in the main network, for peers that nobody needs to know again.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn anonymous() -> io::Result<Self> {
        Ok(Self::new(Keypair::from_seed(&seed()?)))
    }
}

/// 32 bytes that nobody can guess.
fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(seed)
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    #[error("the peer hung up during the handshake: it may not know us, or be of another network")]
    HungUp,
    #[error("the peer is not allowed to connect")]
    Refused,
    #[error("the handshake took too long")]
    TimedOut,
    #[error("the handshake made way for others")]
    Evicted,
}

impl Failure {
    /// What counters call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Io(error) => link::name_of(error).unwrap_or("handshake_io"),
            Self::Handshake(error) => error.name(),
            Self::HungUp => "handshake_hung_up",
            Self::Refused => "handshake_refused",
            Self::TimedOut => "handshake_timed_out",
            Self::Evicted => "handshake_evicted",
        }
    }
}

async fn send(link: &mut Link, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut at = 0;
    while at < bytes.len() {
        at += poll_fn(|cx| link.poll_send(cx, &[IoSlice::new(&bytes[at..])])).await?;
    }
    poll_fn(|cx| link.poll_flush(cx)).await
}

/// Shakes hands as the server. `authorise` stands between messages 3 and 4: a peer it refuses hears nothing more.
pub(crate) async fn accept(
    link: &mut Link,
    credentials: &Credentials,
    slot: &Slot,
    clock: Clock,
    authorise: impl FnOnce(PublicKey) -> bool,
) -> Result<PublicKey, Failure> {
    poll_fn(|cx| link.poll_ready(cx)).await?;
    slot.progress(clock.now());
    let handshake = Handshake::server(&credentials.network, &credentials.identity, &seed()?);
    run(link, handshake, authorise, || slot.progress(clock.now())).await
}

/// Shakes hands as the client.
pub(crate) async fn dial(
    link: &mut Link,
    credentials: &Credentials,
    server: PublicKey,
) -> Result<(), Failure> {
    poll_fn(|cx| link.poll_ready(cx)).await?;
    let handshake = Handshake::client(&credentials.network, &credentials.identity, &server, &seed()?)?;
    run(link, handshake, |_| true, || {}).await.map(drop)
}

async fn run(
    link: &mut Link,
    mut handshake: Handshake,
    authorise: impl FnOnce(PublicKey) -> bool,
    progress: impl Fn(),
) -> Result<PublicKey, Failure> {
    let mut input = Bytes::new();
    loop {
        let output = handshake.take_output();
        if !output.is_empty() {
            progress();
            send(link, &output).await?;
        }
        if input.is_empty() {
            input = poll_fn(|cx| link.poll_recv(cx)).await?;
            if input.is_empty() {
                return Err(Failure::HungUp);
            }
        }
        match handshake.handle(&mut input)? {
            Progress::NeedsMore => {}
            Progress::Done(outcome) => return Ok(secure(link, &outcome, input)),
            Progress::Authorise(peer) => {
                if !authorise(peer) {
                    return Err(Failure::Refused);
                }
                let outcome = handshake.accept().ok_or(HandshakeError::Over)?;
                send(link, &handshake.take_output()).await?;
                return Ok(secure(link, &outcome, input));
            }
        }
    }
}

fn secure(link: &mut Link, outcome: &Outcome, early: Bytes) -> PublicKey {
    link.secure(Boxes { sealer: outcome.sealer(), opener: outcome.opener() }, early);
    outcome.peer
}
