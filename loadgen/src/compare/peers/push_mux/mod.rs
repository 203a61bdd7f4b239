//! push-mux itself: a source, a sink or a duplex for each stream, an async method for each call.
//!
//! Both ends: one shard, `TCP_NODELAY`, the crate's defaults, but that as many streams and calls are allowed as the work
//! has. A call's body is its argument, a JSON string, and so is its reply.

mod client;
mod methods;

use std::net::SocketAddr;

use anyhow::{Context, anyhow};
use push_mux::mux::{Credit, Limits};
use push_mux::secret::Transport;
use push_mux::{Address, Client, ClientOptions, Keypair, Server, block_on};

use super::{CONNECTION_WINDOW, Peer, STREAM_WINDOW};
use crate::compare::trial::Ready;
use crate::compare::work::{Shape, Windows, Work};
use crate::measure::{Measured, Meter};
use crate::report::row::CreditCounts;

/// More than stands around the argument in the body of a call.
const AROUND_ARGUMENT: usize = 64;

/// The framework that this load generator belongs to.
#[derive(Debug)]
pub(super) struct PushMux {
    name: &'static str,
    line: &'static str,
    /// Of the server that shakes hands.
    seed: Option<[u8; 32]>,
}

/// Over TCP.
pub(super) const PLAIN: PushMux = PushMux { name: "push-mux", line: "TCP", seed: None };

/// Over box-stream.
pub(super) const SHS: PushMux = PushMux {
    name: "push-mux-shs",
    line: "TCP with secret-handshake and box-stream",
    seed: Some(*b"the server of a throughput run.."),
};

impl Peer for PushMux {
    fn name(&self) -> &'static str {
        self.name
    }

    fn settings(&self, windows: Windows) -> String {
        let credit = match windows {
            Windows::Default => "default credit: auto, 64 KiB to 16 MiB a stream within 16 MiB a connection",
            Windows::Equal => "fixed credit of 1 MiB a stream, 16 MiB a connection",
        };
        format!(
            "one glommio shard at each end, {}, {credit}, streams and calls limited to what is needed",
            self.line
        )
    }

    fn refuses(&self, work: &Work) -> Option<String> {
        let around = if work.shape == Shape::Async { AROUND_ARGUMENT } else { 0 };
        let most = Limits::default().body_bytes_max as usize - around;
        (work.body > most).then(|| format!("its bodies are limited to {most} bytes"))
    }

    fn serve(&self, work: &Work) -> anyhow::Result<()> {
        let server = match &self.seed {
            None => Server::bind("net:127.0.0.1:0")?,
            Some(seed) => Server::bind("net:127.0.0.1:0~shs")?.identity(Keypair::from_seed(seed)),
        };
        let server = server.shards(1).limits(limits(work)).credit(credit(work));
        let addresses = server.addresses();
        let endpoint = addresses.first().and_then(|address| address.endpoints().first());
        let Some(Transport::Net { port, .. }) = endpoint.map(|endpoint| &endpoint.transport) else {
            return Err(anyhow!("the server is not bound"));
        };
        Ready::announce(*port);
        server.serve(|_shard| methods::router())?;
        Ok(())
    }

    fn drive(&self, work: &Work, server: SocketAddr, meter: &Meter) -> anyhow::Result<Measured> {
        let address: Address = match &self.seed {
            None => server.to_string().parse()?,
            Some(seed) => {
                let key = Keypair::from_seed(seed).public().to_base64();
                format!("net:{server}~shs:{key}").parse()?
            }
        };
        block_on(async {
            let mut options = ClientOptions::default();
            options.connect.session.limits = limits(work);
            options.connect.session.credit = credit(work);
            let client = Client::connect_with(&address, options).await.context("cannot connect")?;
            // The session has settled how credit flows before the clock starts, as the others' handshakes are over too.
            client.manifest().await?;
            let mut measured = match work.shape {
                Shape::Source => client::receive_all(&client, work, meter).await?,
                Shape::Sink => client::send_all(&client, work, meter).await?,
                Shape::PingPong => client::play_all(&client, work, meter).await?,
                Shape::Async => client::call_all(&client, work, meter).await?,
            };
            let counters = client.connection().counters();
            measured.credit = Some(CreditCounts {
                grants: counters.grants_out,
                grant_frames: counters.grant_frames_out,
                stalls: counters.stalls,
            });
            Ok(measured)
        })?
    }
}

fn credit(work: &Work) -> Credit {
    match work.windows {
        Windows::Default => Credit::default(),
        Windows::Equal => Credit::Fixed(u64::from(STREAM_WINDOW)),
    }
}

/// Only numbers are raised; the bounds on bytes are the crate's.
fn limits(work: &Work) -> Limits {
    let mut limits = Limits::default();
    limits.streams_open_max = limits.streams_open_max.max(work.streams as usize);
    limits.requests_in_max = limits.requests_in_max.max(work.depth as usize);
    limits.requests_out_max = limits.requests_out_max.max(work.depth as usize);
    if work.windows == Windows::Equal {
        limits.receive_bytes_max = u64::from(CONNECTION_WINDOW);
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::work::sample;

    #[test]
    fn left_alone_only_numbers_are_raised() {
        let work = Work { streams: 5000, depth: 6000, ..sample(Shape::PingPong) };
        let (raised, usual) = (limits(&work), Limits::default());
        assert_eq!(
            (raised.streams_open_max, raised.requests_in_max, raised.requests_out_max),
            (5000, 6000, 6000)
        );
        assert_eq!(raised.receive_bytes_max, usual.receive_bytes_max);
        assert_eq!(limits(&sample(Shape::Async)), usual);
        assert_eq!(credit(&work), Credit::Auto);
    }

    #[test]
    fn bodies_that_are_too_long_for_the_crate_are_refused() {
        let of = |shape, body| PLAIN.refuses(&Work { body, ..sample(shape) });
        assert_eq!((of(Shape::Source, 1 << 20), of(Shape::Async, (1 << 20) - 64)), (None, None));
        assert!(of(Shape::Sink, (1 << 20) + 1).is_some_and(|why| why.contains("1048576")));
        assert!(of(Shape::Async, 1 << 20).is_some());
    }

    #[test]
    fn equal_windows_are_a_mebibyte_and_sixteen() {
        let work = Work { windows: Windows::Equal, ..sample(Shape::Source) };
        assert_eq!((credit(&work), limits(&work).receive_bytes_max), (Credit::Fixed(1 << 20), 16 << 20));
    }
}
