#!/usr/bin/env node
// Serves the demo manifest with muxrpc 8.
//   node muxrpc-server.mjs [--port 0]
// The first line is {"event":"listening","port":N}.
import { options, print } from './lib/script.mjs'
import { serveMuxrpc } from './lib/muxrpc-peer.mjs'

const server = await serveMuxrpc({ ...options({ port: 0, host: '127.0.0.1' }), log: print })
print({ event: 'listening', port: server.address().port })
