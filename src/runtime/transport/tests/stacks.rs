//! Client against server, for every stack, cut anywhere.

use super::rig::{Pair, bytes, tls_client, tls_server, ws_client, ws_server};
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, any, proptest},
};

#[derive(Clone, Copy)]
enum Stack {
    Ws,
    Tls,
    WsOverTls,
}

fn pair(stack: Stack, cuts: &[usize]) -> Pair {
    let mut pair = match stack {
        Stack::Ws => Pair::new(vec![ws_client()], vec![ws_server()], cuts),
        Stack::Tls => Pair::new(vec![tls_client("example.org")], vec![tls_server()], cuts),
        Stack::WsOverTls => {
            Pair::new(vec![tls_client("127.0.0.1"), ws_client()], vec![tls_server(), ws_server()], cuts)
        }
    };
    pair.connect();
    pair
}

fn exchange_and_close(stack: Stack, payloads: [&[u8]; 2], cuts: &[usize], slice: usize, by_client: bool) {
    let mut pair = pair(stack, cuts);
    pair.exchange(payloads[0], payloads[1], slice);
    if by_client { pair.client_closes() } else { pair.server_closes() }
}

const BIG: usize = 5 << 20;

#[test]
fn ws_carries_big_payloads() {
    exchange_and_close(Stack::Ws, [&bytes(BIG), &bytes(BIG + 1)], &[60_001, 1_447], 1 << 18, true);
}

#[test]
fn tls_carries_big_payloads() {
    exchange_and_close(Stack::Tls, [&bytes(BIG), &bytes(BIG + 1)], &[60_001, 1_447], 1 << 18, true);
}

#[test]
fn ws_over_tls_carries_big_payloads() {
    exchange_and_close(Stack::WsOverTls, [&bytes(BIG), &bytes(BIG + 1)], &[60_001, 1_447], 1 << 18, false);
}

/// Every byte a chunk of its own.
#[test]
fn every_stack_is_cut_at_every_byte() {
    for stack in [Stack::Ws, Stack::Tls, Stack::WsOverTls] {
        exchange_and_close(stack, [&bytes(70_000), &bytes(300)], &[1], 999, true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn ws_is_cut_anywhere(
        up in vec(any::<u8>(), 0..200_000), down in vec(any::<u8>(), 0..2_000),
        cuts in vec(1..3_000_usize, 1..20), slice in 1..70_000_usize, by_client: bool,
    ) {
        exchange_and_close(Stack::Ws, [&up, &down], &cuts, slice, by_client);
    }

    #[test]
    fn tls_is_cut_anywhere(
        up in vec(any::<u8>(), 0..2_000), down in vec(any::<u8>(), 0..100_000),
        cuts in vec(1..3_000_usize, 1..20), slice in 1..40_000_usize, by_client: bool,
    ) {
        exchange_and_close(Stack::Tls, [&up, &down], &cuts, slice, by_client);
    }

    #[test]
    fn ws_over_tls_is_cut_anywhere(
        up in vec(any::<u8>(), 0..100_000), down in vec(any::<u8>(), 0..100_000),
        cuts in vec(1..3_000_usize, 1..20), slice in 1..70_000_usize, by_client: bool,
    ) {
        exchange_and_close(Stack::WsOverTls, [&up, &down], &cuts, slice, by_client);
    }
}
