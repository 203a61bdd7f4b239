//! Tests of the layers, in one binary.
//!
//! What other multiplexers were attacked with, and the test here that does the same to this one:
//!
//! | attack | test |
//! |---|---|
//! | frames for ids never opened, half ended, ended, aborted here | `streams::frames_of_*`, `streams::frames_after_an_end_*`, `streams::data_after_we_gave_up_*` |
//! | id 0, 1 without control, reused, far ahead, out of order, `i32::MIN` | `streams::id_zero_*`, `control::control_is_control_only_*`, `streams::ids_may_*`, `wire::the_id_without_*` |
//! | one stream or request over the limit | `requests::streams_over_the_limit_*`, `requests::requests_over_the_limit_*` |
//! | credit 0, negative, lower, 2^53, 1e308, no number, odd, nested, duplicate, of the control stream | `credit::numbers_that_*`, `credit::credit_that_*`, `credit::credit_never_falls_*`, `credit::floats_*`, `control::what_is_no_array_*` |
//! | 10^6 pairs in a frame | `control::a_million_pairs_*` |
//! | window of one byte; window lowered below what is out | `credit::*_one_byte*`, `flow::a_window_of_one_byte_*`, `flow::a_window_lowered_*` |
//! | body length at the limit, over it, 2^32 - 1 without a body; an opening over it | `wire::a_length_over_*`, `wire::an_announced_length_*`, `streams::a_body_over_*` |
//! | goodbye with work open, twice, followed by data; empty bodies | `shutdown::*`, `streams::no_body_is_*`, `streams::an_end_with_an_empty_*`, `wire::any_header_*` |
//! | control late, twice, as JSON, on another id; credit before control | `control::*` |
//! | a sender that ignores credit: the limit, one past it, far past it | `credit::a_sender_is_cut_off_*`, `flow::a_sender_past_*`, `limits::a_peer_without_credit_*` |
//! | budgets after every way a stream can end | `fuzzed::budgets_return_*` (`ops`), `limits::a_pool_*`, `streams::*` |
//! | thresholds and batches of grants (I8) | `flow::grants_are_few`, `credit::a_quarter_*`, `control::all_grants_*`, `control::no_control_frame_*` |
//! | parked senders wake on credit, either end, loss | `credit::a_parked_sender_*`, `credit::a_grant_on_one_*`, `limits::all_streams_together_*` |
//! | streams not yet opened or queued starve others (I6, I7) | `fairness::*` |
//! | pong, credit and ends overtake data | `fairness::ends_grants_*`, `requests::long_replies_*` |
//! | floods of tiny frames, against small frames slowly read | `limits::one_byte_frames_*`, `limits::many_small_frames_*` |
//! | floods of credit; push-mux past 2 GiB | `credit::a_flood_*`, `credit::a_grant_for_each_*` |
//! | asks, refused opens, ends, long answers by a peer that does not read | `requests::re*_of_a_peer_*`, `requests::replies_to_*` |
//! | empty frames; a body that never ends | `wire::any_header_*`; the deadline for a body is the driver's, so it is tested with sockets |
//! | 10,000 streams aborted here at once; end and goodbye in one read | `limits::ten_thousand_*`, `shutdown::an_end_and_a_goodbye_*` |
//! | open and abort 10^6 times; opens that make us refuse | `limits::streams_opened_and_aborted_*`, `limits::a_storm_*`, `requests::refused_opens_*` |
//! | two ends that echo over a line of 1 KiB, and ask both ways | `mutual::*`, `deadlock::*` (I5); socket buffers of that size need sockets |
//! | one stream unread, credit of others goes on | `limits::a_pause_*`, `ops`; what it costs the others is measured, not tested here |
//! | open back pressure, accept timeout, half-closed leak timer | opens are refused over the limit; the session has no such timers, its owner has |
//! | data, end and error in all orders on both halves | `streams::a_duplex_closes_*`, `streams::an_error_ends_*`, `streams::an_end_before_*` |
//! | proofs of the arithmetic, sequences of operations | `flow::*`, `fuzzed::*`, and the targets in `fuzz` |
//! | more than was asked for; data after cancel; bad and unbounded demand | `credit::floats_*`, `streams::data_after_we_gave_up_*` |
//! | 2,000 tiny streams over a limit, long round trips, black holes | `sim` (latency to 0.4 s, pauses to 8 s); the matrix of foreign peers runs with Node |
//! | the tests of push-mux itself | `vectors`, `sim::js_runs`; the rest runs with Node |

mod control;
mod credit;
mod deadlock;
mod fairness;
mod flow;
mod frames;
mod fuzz_bodies;
#[cfg(feature = "ssb")]
mod fuzz_notes;
mod fuzz_secret;
mod fuzzed;
mod limits;
mod mutual;
mod ops;
mod pair;
mod peer;
mod requests;
mod shutdown;
mod streams;
mod tidy;
mod wire;
