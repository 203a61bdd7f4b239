//! QUIC by the crate `quinn`: a bidirectional stream for each source, sink, ping-pong or call.
//!
//! Both ends: tokio's current-thread runtime, UDP, TLS 1.3 by rustls and ring, the crate's congestion control (CUBIC).
//! Every byte is encrypted and travels in datagrams that the process itself numbers, acknowledges and sends again:
//! that is not the work of the peers over TCP. A message is one write; a reader takes 16 KiB at a time, 2 KiB where
//! there are thousands of streams. The crate keeps every write by itself until it is acknowledged and looks through
//! them for each packet, so that many small writes on one stream cost more the more are on their way.

mod certificate;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use quinn::{Connection, Endpoint, RecvStream, SendStream, TransportConfig, VarInt};
use tokio::io::Join;

use super::streams::{self, Open};
use super::{CONNECTION_WINDOW, Peer, STREAM_WINDOW, one_thread};
use crate::compare::trial::Ready;
use crate::compare::work::{Shape, Windows, Work};
use crate::measure::{Measured, Meter};

/// Streams that the crate allows by itself.
const DEFAULT_STREAMS: u32 = 100;

/// A client or a server may use any loopback port.
const ANY_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The crate `quinn`.
#[derive(Debug)]
pub(super) struct Quinn;

impl Peer for Quinn {
    fn name(&self) -> &'static str {
        "quinn"
    }

    fn settings(&self, windows: Windows) -> String {
        let windows = match windows {
            Windows::Default => {
                "default windows: 1.25 MB a stream, no limit a connection, 10 MB unacknowledged"
            }
            Windows::Equal => "windows of 1 MiB a stream and 16 MiB a connection, 16 MiB unacknowledged",
        };
        format!(
            "tokio current-thread, UDP and TLS 1.3, so beside push-mux-shs and not like for like with TCP, CUBIC, \
             4-byte length before each message, {windows}, streams limited to what is needed"
        )
    }

    fn serve(&self, work: &Work) -> anyhow::Result<()> {
        one_thread()?.block_on(async {
            let endpoint = Endpoint::server(certificate::server(transport(work))?, ANY_ADDRESS)?;
            Ready::announce(endpoint.local_addr()?.port());
            let connection = endpoint.accept().await.context("nobody came")?.await?;
            while let Ok((send, receive)) = connection.accept_bi().await {
                tokio::spawn(async move {
                    if let Err(error) = streams::answer(tokio::io::join(receive, send)).await {
                        eprintln!("{error:#}");
                    }
                });
            }
            Ok(())
        })
    }

    fn drive(&self, work: &Work, server: SocketAddr, meter: &Meter) -> anyhow::Result<Measured> {
        one_thread()?.block_on(async {
            let mut endpoint = Endpoint::client(ANY_ADDRESS)?;
            endpoint.set_default_client_config(certificate::client(transport(work))?);
            let connection = endpoint.connect(server, certificate::NAME)?.await.context("cannot connect")?;
            streams::drive(Opener(connection), work, meter).await
        })
    }
}

/// Opens streams of a client's connection.
#[derive(Clone)]
struct Opener(Connection);

impl Open for Opener {
    type Stream = Join<RecvStream, SendStream>;

    async fn open(&self) -> anyhow::Result<Self::Stream> {
        let (send, receive) = self.0.open_bi().await?;
        Ok(tokio::io::join(receive, send))
    }
}

fn transport(work: &Work) -> Arc<TransportConfig> {
    // A call's stream is closed a little after the next one is opened.
    let spare = if work.shape == Shape::Async { 2 } else { 1 };
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(VarInt::from_u32(DEFAULT_STREAMS.max(work.at_once() * spare)));
    if work.windows == Windows::Equal {
        transport
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
            .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
            .send_window(u64::from(CONNECTION_WINDOW));
    }
    Arc::new(transport)
}
