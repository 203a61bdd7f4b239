//! Peers that announce blobs and serve them as a test has it.

use crate::rig::serve_options;
use push_mux::{
    Address, Call, CallError, Json, Result, Router, SendStream, Server, runtime::Shutdown, ssb::BlobId,
};
use serde_json::{Map, Value, json};
use std::{
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

/// What a peer does when it is asked for a blob.
#[derive(Clone)]
pub(crate) enum Manner {
    /// Serves these bytes, whatever was asked for.
    Sends(Vec<u8>),
    /// Serves the bytes of this blob, but hangs up after so many.
    HangsUp(Vec<u8>, usize),
    /// Serves these bytes, and slices of them.
    Slices(Vec<u8>),
    /// Sends so much and ends with an error.
    Fails(Vec<u8>),
}

type Asked = Arc<Mutex<Vec<(&'static str, Value)>>>;

/// A server that says it has blobs.
pub(crate) struct Fake {
    pub(crate) address: Address,
    /// What it was asked, and with which arguments.
    asked: Asked,
    shutdown: Shutdown,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Fake {
    /// A peer with the identity of this number that announces these blobs and their sizes.
    pub(crate) fn new(number: u8, haves: &[(BlobId, usize)], manner: &Manner) -> Self {
        let server = Server::bind("net:127.0.0.1:0~shs").expect("an address is free");
        let server = server.options(serve_options(number));
        let address = server.addresses().remove(0);
        let shutdown = server.shutdown();
        let asked = Asked::default();
        let frame: Map<String, Value> =
            haves.iter().map(|(id, size)| (id.to_string(), json!(size))).collect();
        let (manner, log) = (manner.clone(), Arc::clone(&asked));
        let thread = thread::spawn(move || {
            server.serve(move |_| router(&Value::Object(frame.clone()), &manner, &log))
        });
        Self { address, asked, shutdown, thread: Some(thread) }
    }

    /// What it was asked, and with which arguments.
    pub(crate) fn asked(&self) -> Vec<(&'static str, Value)> {
        self.asked.lock().expect("nobody panics").clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shutdown.ask();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn router(frame: &Value, manner: &Manner, asked: &Asked) -> Router {
    let (frame, whole, log) = (frame.clone(), manner.clone(), Arc::clone(asked));
    let router = Router::new()
        .on_source("blobs.createWants", async move |_: Call, tx: &mut SendStream| {
            tx.send(Json(&frame).body()?).await?;
            std::future::pending().await
        })
        .on_source("blobs.get", async move |call: Call, tx: &mut SendStream| {
            log.lock().expect("nobody panics").push(("get", call.arg(0)?));
            let (bytes, left) = match &whole {
                Manner::Sends(bytes) | Manner::Slices(bytes) | Manner::Fails(bytes) => (bytes, bytes.len()),
                Manner::HangsUp(bytes, left) => (bytes, *left),
            };
            for chunk in bytes[..left].chunks(65_536) {
                tx.send(chunk).await?;
            }
            match whole {
                Manner::HangsUp(..) => {
                    // What was sent is to arrive.
                    glommio::timer::sleep(std::time::Duration::from_millis(300)).await;
                    call.connection().close();
                    std::future::pending().await
                }
                Manner::Fails(_) => Err(CallError::new("could not get blob")),
                _ => Ok(()),
            }
        });
    let Manner::Slices(bytes) = manner.clone() else { return router };
    let log = Arc::clone(asked);
    router.on_source("blobs.getSlice", async move |call: Call, tx: &mut SendStream| {
        let wanted: Value = call.arg(0)?;
        let bound = |name: &str| usize::try_from(wanted[name].as_u64().expect("a number")).expect("it fits");
        let slice = &bytes[bound("start")..bound("end")];
        log.lock().expect("nobody panics").push(("getSlice", wanted.clone()));
        for chunk in slice.chunks(65_536) {
            tx.send(chunk).await?;
        }
        Ok(())
    })
}
