//! The pub: one of our own, with its store in a directory that is gone with the run, or one that runs already.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::Context;
use push_mux::{Address, Keypair, Router};
use serde_json::json;

use crate::feed::Corpus;
use crate::framework::bench::Dial;
use crate::framework::{Bench, Size};
use crate::machine;
use crate::plan::Settings;
use crate::record::usage::Sample;
use crate::verification;

/// Messages that are verified to know how fast a core can be: no more than that, for the run is to begin.
const VERIFIED_MAX: usize = 20_000;

/// How often they are.
const VERIFIED_TIMES: usize = 3;

/// A directory of a run, removed with what is in it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no place for it.
    pub(crate) fn new() -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("loadgen-pub-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind it would only be litter.
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

/// A pub to be loaded.
pub(super) struct Site {
    /// How it is reached.
    pub(super) dial: Dial,
    /// Cores for the peers.
    pub(super) cores: Vec<usize>,
    /// Our own; it ends before its directory goes.
    bench: Option<Bench>,
    _folder: Option<Folder>,
}

impl Site {
    /// Starts a pub, or finds the one that settings name.
    pub(super) fn open(settings: &Settings, size: Size) -> anyhow::Result<Self> {
        if let Some(server) = &settings.server {
            let address: Address = server.parse()?;
            let cores = machine::allowed_cores()?;
            return Ok(Self {
                dial: Dial::foreign(settings, address, size.streams)?,
                // The server is somewhere: the last core is the least likely to be its own.
                cores: cores[cores.len() - 1..].to_vec(),
                bench: None,
                _folder: None,
            });
        }
        let folder = Folder::new()?;
        let bench = Bench::with_store(settings, size, folder.path())?;
        let (dial, cores) = (bench.dial.clone(), bench.cores.clone());
        Ok(Self { dial, cores, bench: Some(bench), _folder: Some(folder) })
    }

    /// Whether it is ours.
    pub(super) const fn is_ours(&self) -> bool {
        self.bench.is_some()
    }

    /// What both processes have used so far. Nothing is known of a server that runs somewhere.
    pub(super) fn sample(&self) -> Sample {
        Sample::take(self.bench.as_ref().map_or(u32::MAX, Bench::server), std::process::id())
    }

    /// How many messages the pub's core verifies a second when it has nothing else to do.
    pub(super) fn verification(&self, corpus: &Corpus, each: u32) -> anyhow::Result<Option<f64>> {
        let Some(core) = self.bench.as_ref().and_then(|bench| bench.server_cores.first().copied()) else {
            return Ok(None);
        };
        let each = (each as usize).min(VERIFIED_MAX.div_ceil(corpus.feeds.len()));
        let values = verification::in_turns(corpus, each);
        let measure = || {
            machine::pin(core)?;
            // The best of a few, so that a busy moment of the machine makes nobody look good.
            let mut best = 0.0_f64;
            for _ in 0..VERIFIED_TIMES {
                best = best.max(verification::in_batches(&values, verification::BATCH)?);
            }
            Ok(best)
        };
        let measured = thread::scope(|scope| scope.spawn(measure).join());
        measured.unwrap_or_else(|_| anyhow::bail!("verifying panicked")).map(Some)
    }

    /// Has a server follow the feeds, in the name of whoever holds its key.
    pub(super) fn follow_feeds(&self, secret: &Path, corpus: &Corpus) -> anyhow::Result<()> {
        let text = std::fs::read(secret).with_context(|| format!("cannot read {}", secret.display()))?;
        let owner = Keypair::from_secret_file(&text)
            .with_context(|| format!("{} holds no identity", secret.display()))?;
        push_mux::block_on(async {
            let client = self.dial.client_as(owner, Router::new()).await?;
            for feed in &corpus.feeds {
                let contact =
                    json!({ "type": "contact", "contact": feed.author.to_string(), "following": true });
                client.call_body("publish", [contact]).await.context("the server does not publish")?;
            }
            client.close().await;
            Ok(())
        })?
    }
}
