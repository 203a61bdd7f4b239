//! Messages of feeds: reading one and hashing it, verifying one signature and many, making one.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use push_mux::{
    Keypair,
    ssb::message::{Unchecked, Verifier, create, peek},
};
use std::hint::black_box;

const BATCH: usize = 128;
const AUTHORS: usize = 16;

/// Posts of about 600 bytes by some authors.
fn values(count: usize) -> Vec<Bytes> {
    let keypairs: Vec<Keypair> = (0..16).map(|seed| Keypair::from_seed(&[seed; 32])).collect();
    let one = |number: usize| {
        let words = "the quick brown fox ".repeat(10);
        let content =
            format!(r#"{{"type":"post","text":"{number} {words}","mentions":[{{"link":"@a","name":"b"}}]}}"#);
        let message = create(&keypairs[number % AUTHORS], None, 1.5e12 + 0.25, content.as_bytes(), None);
        message.expect("it is valid").value
    };
    (0..count).map(one).collect()
}

fn parse(value: &Bytes) -> Unchecked {
    Unchecked::parse(value, None).expect("it is valid")
}

fn messages(c: &mut Criterion) {
    let values = values(512);
    let unchecked: Vec<Unchecked> = values.iter().map(parse).collect();
    let mut group = c.benchmark_group("message");

    group.throughput(Throughput::Bytes(values[0].len() as u64));
    group.bench_function("peek", |b| b.iter(|| peek(black_box(&values[0]))));
    group.bench_function("parse", |b| b.iter(|| parse(black_box(&values[0]))));

    group.throughput(Throughput::Elements(1));
    group.bench_function("verify_one", |b| {
        b.iter_batched(|| unchecked[0].clone(), Unchecked::verify, BatchSize::SmallInput);
    });
    let keypair = Keypair::from_seed(&[1; 32]);
    let content = br#"{"type":"post","text":"the quick brown fox"}"#;
    group.bench_function("create", |b| b.iter(|| create(&keypair, None, 1.5e12, black_box(content), None)));

    for size in [BATCH, 512] {
        let mut verifier = Verifier::new([1; 32]);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(format!("verify_{size}"), |b| {
            b.iter_batched(
                || unchecked[..size].to_vec(),
                |mut batch| verifier.verify(&mut batch),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
