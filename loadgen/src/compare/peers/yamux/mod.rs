//! yamux by the crate of that name: a stream for each source, sink, ping-pong or call.
//!
//! Both ends: tokio's current-thread runtime, `TCP_NODELAY`, 16 KiB frames. The crate's windows start at 256 KiB and
//! adapt; what can be set is their sum, which must not be less than 256 KiB for each stream that is allowed. A message
//! is one write; a reader takes 16 KiB at a time, 2 KiB where there are thousands of streams.

mod driver;

use std::future::poll_fn;
use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Config, Connection, DEFAULT_CREDIT, Mode};

use super::{ANY_PORT, CONNECTION_WINDOW, Peer, one_thread, streams};
use crate::compare::trial::Ready;
use crate::compare::work::{Shape, Windows, Work};
use crate::measure::{Measured, Meter};

/// Streams that the crate allows by itself.
const DEFAULT_STREAMS: usize = 512;

/// Sum of all windows that the crate allows by itself.
const DEFAULT_WINDOWS: usize = 1 << 30;

/// The crate `yamux`.
#[derive(Debug)]
pub(super) struct Yamux;

impl Peer for Yamux {
    fn name(&self) -> &'static str {
        "yamux"
    }

    fn settings(&self, windows: Windows) -> String {
        let windows = match windows {
            Windows::Default => {
                "default windows: 256 KiB a stream that adapt within 1 GiB a connection, more only where over 4096 \
                 streams need it"
            }
            Windows::Equal => {
                "256 KiB windows that adapt within 16 MiB a connection, more only where over 64 streams need it: the \
                 crate has no limit for one stream, and insists on 256 KiB for each that is allowed"
            }
        };
        format!(
            "tokio current-thread, TCP, 4-byte length before each message, {windows}, \
             streams limited to what is needed"
        )
    }

    fn serve(&self, work: &Work) -> anyhow::Result<()> {
        one_thread()?.block_on(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            Ready::announce(listener.local_addr()?.port());
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let mut connection = Connection::new(socket.compat(), config(work), Mode::Server);
            while let Some(Ok(stream)) = poll_fn(|cx| connection.poll_next_inbound(cx)).await {
                tokio::spawn(async move {
                    if let Err(error) = streams::answer(stream.compat()).await {
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
            let connection = Connection::new(socket.compat(), config(work), Mode::Client);
            streams::drive(driver::start(connection), work, meter).await
        })
    }
}

fn config(work: &Work) -> Config {
    let (streams, windows) = room(work);
    let mut config = Config::default();
    // The crate checks each of the two against the other at once, so the sum goes out of the way first.
    config
        .set_max_connection_receive_window(None)
        .set_max_num_streams(streams)
        .set_max_connection_receive_window(Some(windows));
    config
}

/// How many streams are allowed, and how large their windows may be together.
fn room(work: &Work) -> (usize, usize) {
    // A call's stream is closed a little after the next one is opened.
    let spare = if work.shape == Shape::Async { 2 } else { 1 };
    let needed = work.at_once() as usize * spare;
    let (streams, windows) = match work.windows {
        Windows::Default => (needed.max(DEFAULT_STREAMS), DEFAULT_WINDOWS),
        Windows::Equal => {
            let windows = CONNECTION_WINDOW as usize;
            (needed.max(windows / DEFAULT_CREDIT as usize), windows)
        }
    };
    (streams, windows.max(streams * DEFAULT_CREDIT as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::work::sample;

    #[test]
    fn the_sum_of_windows_is_raised_only_where_streams_need_it() {
        let of = |streams, windows| room(&Work { streams, windows, ..sample(Shape::Source) });
        assert_eq!(of(100, Windows::Default), (512, 1 << 30));
        assert_eq!(of(10_000, Windows::Default), (10_000, 10_000 << 18));
        assert_eq!(of(1, Windows::Equal), (64, 16 << 20));
        assert_eq!(of(100, Windows::Equal), (100, 100 << 18));
    }

    #[test]
    fn the_crate_takes_every_such_configuration() {
        for streams in [1, 100, 10_000] {
            for windows in [Windows::Default, Windows::Equal] {
                for shape in [Shape::Source, Shape::Async] {
                    config(&Work { streams, depth: streams, windows, ..sample(shape) });
                }
            }
        }
    }
}
