//! A Secure Scuttlebutt pub with a method of its own: `visits` tells peers how often they have called it. Try it with
//! `cargo run --example pub -- /tmp/pub`, and from another terminal, with the address that it prints,
//! `cargo run -- call 'net:127.0.0.1:8008~shs:KEY=' visits` and `cargo run -- status --dir /tmp/pub`.

use push_mux::{
    Call, CallError, Shard,
    rpc::Router,
    runtime::{Credentials, identity_file},
    ssb::{Pub, PubOptions},
};
use std::{cell::RefCell, collections::BTreeMap, path::PathBuf, rc::Rc};

/// How often each peer has called. One table for each shard, so it needs no lock.
#[derive(Default)]
struct Visits(RefCell<BTreeMap<String, u64>>);

impl Visits {
    fn count(&self, call: &Call) -> Result<u64, CallError> {
        let who = call.peer().key.ok_or_else(|| CallError::new("who are you?"))?;
        let mut visits = self.0.borrow_mut();
        let visits = visits.entry(who.to_string()).or_default();
        *visits += 1;
        Ok(*visits)
    }
}

fn routes(_shard: &Shard, router: Router) -> Router {
    let visits = Rc::new(Visits::default());
    router.on_async("visits", async move |call: Call| visits.count(&call))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("which directory?")?);
    let identity = identity_file::load_or_create(&dir.join("secret"), identity_file::draw_seed)?;
    let socket = format!("unix:{}", dir.join("socket").display());
    let mut options = PubOptions::new(dir);
    options.serve.credentials = Some(Credentials::new(identity));
    // One shard, so that there is one table of visits.
    options.serve.shards = Some(1);
    let server = Pub::bind(options, &["net:127.0.0.1:8008~shs".parse()?, socket.parse()?])?
        .routes(routes)
        .anonymous(["visits"]);
    for address in server.addresses() {
        println!("{address}");
    }
    Ok(server.serve()?)
}
