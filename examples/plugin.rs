//! A plugin: a named group of methods with state of its own, one for each shard and no lock. Try it with
//! `cargo run -- call net:127.0.0.1:8008 notes.add '"buy milk"'` and `... notes.list`.

use push_mux::{Call, CallError, Plugin, Router, SendStream, Server};
use std::{cell::RefCell, rc::Rc};

#[derive(Default)]
struct Notes {
    texts: RefCell<Vec<String>>,
}

impl Plugin for Notes {
    const NAME: &'static str = "notes";

    fn routes(self: Rc<Self>, routes: Router) -> Router {
        let (adding, listing) = (Rc::clone(&self), self);
        routes
            .on_async("add", async move |call: Call| adding.add(&call))
            .on_source("list", async move |_call: Call, tx: &mut SendStream| listing.list(tx).await)
    }
}

impl Notes {
    fn add(&self, call: &Call) -> Result<usize, CallError> {
        self.texts.borrow_mut().push(call.arg(0)?);
        Ok(self.texts.borrow().len())
    }

    async fn list(&self, tx: &mut SendStream) -> Result<(), CallError> {
        // A copy, so that nothing is borrowed while the caller takes its time.
        let texts = self.texts.borrow().clone();
        for text in texts {
            tx.send(text).await?;
        }
        Ok(())
    }
}

fn main() -> push_mux::Result<()> {
    // One shard, so that all callers see the same notes.
    Server::bind("net:127.0.0.1:8008")?.shards(1).serve(|_shard| Router::new().plugin(Notes::default()))
}
