//! A duplex: every body back in its own kind, as fast as the caller reads. Try it with
//! `cargo run -- call net:127.0.0.1:8008 echo` and type lines.

use push_mux::{Call, CallError, RecvStream, Router, SendStream, Server};

async fn echo(_call: Call, tx: &mut SendStream, rx: &mut RecvStream) -> Result<(), CallError> {
    // Asking for the next body gives the caller credit for one more; sending waits for the caller's own.
    while let Some(body) = rx.next().await {
        tx.send(body?).await?;
    }
    Ok(())
}

fn main() -> push_mux::Result<()> {
    Server::bind("net:127.0.0.1:8008")?.serve(|_shard| Router::new().on_duplex("echo", echo))
}
