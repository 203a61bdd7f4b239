// The Rust implementation against the real npm packages. Run with `node --test interop.test.mjs` and PUSH_MUX_BIN set.
// PUSH_MUX_PEERS_SEED repeats the random pairs of an earlier run.
import './suites/rust-serves-push-mux.mjs'
import './suites/rust-serves-muxrpc.mjs'
import './suites/raw-probes.mjs'
import './suites/rust-calls.mjs'
import './suites/credit-matrix.mjs'
import './suites/pressure.mjs'
import './suites/scripts.mjs'
