//! Figures of a running pub, for Prometheus.
//!
//! Each shard counts in a [`Metrics`] of its own, plain cells that nobody else looks at. Once a second it puts a [`Snapshot`] on the
//! [`Board`], the one thing that shards and the thread of the [`MetricsServer`] share; a scrape reads what hangs there and
//! never waits for a shard.
//!
//! The text is written by the crate `prometheus-client`, from snapshots, by way of its collectors: its own metrics are atomics
//! and locked maps for threads that share them, which ours do not.
//!
//! Contract: labels have few values. Methods are those registered, reasons are constants, and of peers those that owe most are
//! named and the rest summed.

mod board;
mod exposition;
mod histogram;
mod http;
mod registry;
mod snapshot;

pub use self::{
    board::{Board, STALE_MAX},
    exposition::{CONTENT_TYPE, render},
    histogram::{Histogram, LATENCY_BOUNDS},
    http::MetricsServer,
    registry::{Metrics, PUBLISH_EVERY},
    snapshot::{BlobFigures, MessageFigures, MethodFigures, PEERS_MAX, ShardFigures, Snapshot, StoreFigures},
};
