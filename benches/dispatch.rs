//! A call over loopback inside one process: from `Client::call` to the reply, with both ends on one shard.

use criterion::{Criterion, criterion_group, criterion_main};
use push_mux::{Call, CallError, Client, Router, Server, block_on, runtime::ServeOptions};
use std::{thread, time::Instant};

async fn hello(call: Call) -> Result<String, CallError> {
    Ok(format!("hello, {}!", call.arg::<String>(0)?))
}

fn dispatch(c: &mut Criterion) {
    let server = Server::bind("net:127.0.0.1:0").expect("a port is free");
    let address = server.addresses()[0].to_string();
    let shutdown = server.shutdown();
    let options = ServeOptions { shards: Some(1), handles_signals: false, ..ServeOptions::default() };
    let serving =
        thread::spawn(move || server.options(options).serve(|_| Router::new().on_async("hello", hello)));
    let mut group = c.benchmark_group("call");
    for in_flight in [1_usize, 64] {
        group.bench_function(format!("{in_flight} in flight"), |b| {
            b.iter_custom(|calls| {
                block_on(async {
                    let client = Client::connect(&address).await.expect("it listens");
                    client.manifest().await.expect("it answers");
                    #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
                    let began = Instant::now();
                    let mut callers = Vec::new();
                    for caller in 0..in_flight {
                        let client = client.clone();
                        let share = (calls as usize + caller) / in_flight;
                        callers.push(glommio::spawn_local(async move {
                            for _ in 0..share {
                                client.call::<String>("hello", ("world",)).await.expect("it answers");
                            }
                        }));
                    }
                    for caller in callers {
                        caller.await;
                    }
                    began.elapsed()
                })
                .expect("the machine is fit")
            });
        });
    }
    group.finish();
    shutdown.ask();
    serving.join().expect("no shard panics").expect("the server ends well");
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
