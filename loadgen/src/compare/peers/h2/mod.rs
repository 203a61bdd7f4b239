//! HTTP/2 over cleartext TCP by the `h2` crate: a request for each stream or call, a DATA frame for each message.
//!
//! Both ends: tokio's current-thread runtime, `TCP_NODELAY`, stream limits raised to what the work needs, small DATA
//! frames allowed without limit, all else at its default. Received bytes are released at once. A sender at full speed
//! asks for 64 KiB of capacity at a time and sends while it lasts. One that waits for replies leaves it to the crate to
//! hold back what has no capacity yet, because capacity kept in hand is kept from all other streams.

mod client;
mod messages;
mod server;

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};

use super::{ANY_PORT, CONNECTION_WINDOW, MOST_STREAMS, Peer, STREAM_WINDOW, one_thread};
use crate::compare::trial::Ready;
use crate::compare::work::{Shape, Windows, Work};
use crate::measure::{Measured, Meter};

/// The crate `h2`.
#[derive(Debug)]
pub(super) struct H2;

impl Peer for H2 {
    fn name(&self) -> &'static str {
        "h2"
    }

    fn settings(&self, windows: Windows) -> String {
        let windows = match windows {
            Windows::Default => "default windows: 64 KiB a stream and 64 KiB a connection",
            Windows::Equal => "1 MiB stream and 16 MiB connection windows",
        };
        format!(
            "tokio current-thread, cleartext TCP, {windows}, streams limited to {MOST_STREAMS}, no small-frame budget"
        )
    }

    fn serve(&self, work: &Work) -> anyhow::Result<()> {
        one_thread()?.block_on(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            Ready::announce(listener.local_addr()?.port());
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let mut builder = h2::server::Builder::new();
            builder.max_concurrent_streams(MOST_STREAMS).data_frame_budget(usize::MAX);
            if work.windows == Windows::Equal {
                builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
            }
            let mut connection = builder.handshake(socket).await?;
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(async move {
                    if let Err(error) = server::answer(request, respond).await {
                        eprintln!("{error:#}");
                    }
                });
            }
            Ok(())
        })
    }

    fn drive(&self, work: &Work, server: SocketAddr, meter: &Meter) -> anyhow::Result<Measured> {
        one_thread()?.block_on(async {
            let socket = TcpStream::connect(server).await.context("cannot connect")?;
            socket.set_nodelay(true)?;
            let mut builder = h2::client::Builder::new();
            builder.initial_max_send_streams(MOST_STREAMS as usize).data_frame_budget(usize::MAX);
            if work.windows == Windows::Equal {
                builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
            }
            let (client, connection) = builder.handshake::<_, Bytes>(socket).await?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    eprintln!("{error:#}");
                }
            });
            match work.shape {
                Shape::Source => client::receive_all(client, work, meter).await,
                Shape::Sink => client::send_all(client, work, meter).await,
                Shape::PingPong => client::play_all(client, work, meter).await,
                Shape::Async => client::call_all(client, work, meter).await,
            }
        })
    }
}
