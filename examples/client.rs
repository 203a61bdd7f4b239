//! A client: a call, a source and a sink of `push-mux demo`, which must be running:
//! `cargo run -- demo --listen net:127.0.0.1:8008`.

use push_mux::{CallError, Client, block_on};

async fn run() -> Result<(), CallError> {
    let connected = Client::connect("net:127.0.0.1:8008").await;
    let client = connected.map_err(|error| CallError::new(error.to_string()))?;

    println!("{}", client.call::<String>("hello", ("world",)).await?);

    let mut numbers = client.source("count", (5,)).await?;
    while let Some(body) = numbers.next().await {
        println!("{:?}", body?);
    }

    let mut sink = client.sink("collect", ()).await?;
    for _ in 0..1000 {
        sink.send(&b"some bytes"[..]).await?;
    }
    sink.finish().await?;
    println!("{}", client.call::<serde_json::Value>("collected", ()).await?);
    client.close().await;
    Ok(())
}

fn main() {
    match block_on(run()) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => eprintln!("{error}"),
        Err(error) => eprintln!("{error}"),
    }
}
