#!/usr/bin/env node
// Serves the demo manifest with push-mux 1.0.7.
//   node push-mux-server.mjs [--port 0] [--credit 65536] [--tcp-pause] [--high-water BYTES]
// The first line is {"event":"listening","port":N}; `--credit 0` is a peer without flow control.
import { options, print } from './lib/script.mjs'
import { servePush } from './lib/push-demo.mjs'

const given = options({ port: 0, host: '127.0.0.1', credit: 65536, tcpPause: false, highWater: 64 * 1024 })
const server = await servePush({ ...given, log: print })
print({ event: 'listening', port: server.address().port, credit: given.credit })
