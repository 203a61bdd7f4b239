// The pub against real peers of Secure Scuttlebutt. Run with `node --test --test-force-exit pub.test.mjs` and PUSH_MUX_BIN set.
import './suites/pub-ebt.mjs'
import './suites/pub-blobs.mjs'
import './suites/pub-reconnect.mjs'
import './suites/pub-legacy.mjs'
import './suites/pub-invites.mjs'
import './suites/pub-line.mjs'
import './suites/pub-crash.mjs'
import './suites/pub-bad-input.mjs'
