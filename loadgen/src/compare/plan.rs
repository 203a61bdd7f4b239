//! Who runs when: peers take turns, so that a busy minute of the machine hits them all.

use super::work::{Shape, Work};

/// The order of `peers` in one round.
///
/// Every round has every peer once. Rounds come in pairs, one forwards and one backwards, and each pair begins one peer
/// further on: over the rounds no peer is always first, nor always after the same neighbour.
pub(crate) fn order(round: usize, peers: usize) -> Vec<usize> {
    let mut turn: Vec<usize> = (0..peers).collect();
    if peers > 0 {
        turn.rotate_left(round / 2 % peers);
    }
    if round % 2 == 1 {
        turn.reverse();
    }
    turn
}

/// How many messages to try first, to learn a peer's speed.
pub(crate) fn first_try(work: &Work) -> u64 {
    match work.shape {
        Shape::Source | Shape::Sink => 20_000.max(u64::from(work.streams) * 5),
        Shape::PingPong | Shape::Async => 500 * u64::from(work.streams) * u64::from(work.depth),
    }
}

/// How many messages take `seconds` at that speed.
pub(crate) fn messages_for(seconds: f64, messages_per_second: f64) -> u64 {
    // The product is positive and far below 2^53; the cast saturates at worst.
    (messages_per_second * seconds).max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_every_peer_once() {
        for peers in 0..7 {
            for round in 0..20 {
                let mut turn = order(round, peers);
                turn.sort_unstable();
                assert_eq!(turn, (0..peers).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_turns_alternate() {
        assert_eq!(order(0, 4), [0, 1, 2, 3]);
        assert_eq!(order(1, 4), [3, 2, 1, 0]);
        assert_eq!(order(2, 4), [1, 2, 3, 0]);
        assert_eq!(order(3, 4), [0, 3, 2, 1]);
        assert_eq!((order(0, 2), order(1, 2)), (vec![0, 1], vec![1, 0]));
    }

    #[test]
    fn a_peer_gets_as_many_messages_as_it_can_move_in_the_time() {
        assert_eq!(messages_for(2.0, 220_000.0), 440_000);
        assert_eq!(messages_for(0.0, 220_000.0), 1);
    }
}
