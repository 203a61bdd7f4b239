//! The smallest server: one method. Try it with
//! `cargo run -- call net:127.0.0.1:8008 hello '"world"'`.

use push_mux::{Call, CallError, Router, Server};

async fn hello(call: Call) -> Result<String, CallError> {
    let name: String = call.arg(0)?;
    Ok(format!("hello, {name}!"))
}

fn main() -> push_mux::Result<()> {
    Server::bind("net:127.0.0.1:8008")?.serve(|_shard| Router::new().on_async("hello", hello))
}
