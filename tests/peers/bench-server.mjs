#!/usr/bin/env node
// Serves the demo manifest for throughput runs: push-mux 1.0.7 with corked writes, or muxrpc 8 over TCP
// or over net~shs.
//   node bench-server.mjs --peer push-mux|muxrpc|muxrpc-shs [--port 0] [--credit 65536]
// The first line is {"event":"listening","port":N}; after each connection a line tells the CPU seconds used since the last.
import { serveMuxrpc } from './lib/muxrpc-peer.mjs'
import { cpuSeconds, options, print } from './lib/script.mjs'
import { servePush } from './lib/push-demo.mjs'
import { BENCH_KEYS, freePort, serveSecret } from './lib/secret.mjs'

const given = options({ peer: 'push-mux', port: 0, host: '127.0.0.1', credit: 65536 })
let before = cpuSeconds()
const log = ({ event }) => {
  if (event !== 'closed') return
  const now = cpuSeconds()
  print({ event: 'closed', peer: given.peer, cpu_seconds: now - before })
  before = now
}
async function serveShs ({ log }) {
  const port = await freePort()
  await serveSecret('net', { where: port, keys: BENCH_KEYS, log })
  return { address: () => ({ port }) }
}
const serve = { 'push-mux': servePush, muxrpc: serveMuxrpc, 'muxrpc-shs': serveShs }[given.peer]
if (!serve) throw new Error(`--peer is push-mux, muxrpc or muxrpc-shs, not ${given.peer}`)
const server = await serve({ ...given, log })
print({ event: 'listening', port: server.address().port, peer: given.peer })
