#!/usr/bin/env node
// Measures a server of the demo manifest with one JavaScript client and prints one line of JSON.
//   node bench-client.mjs --port N --peer push-mux|muxrpc|muxrpc-shs --scenario source [--size 512] [--streams 1]
//   node bench-client.mjs --port N --peer push-mux|muxrpc|muxrpc-shs --scenario async [--concurrency 64]
//     (--messages K | --seconds T) [--credit 65536]
// The CPU seconds are this process's; bench-server.mjs prints its own.
import { once } from 'node:events'
import { bodyLength } from './lib/demo.mjs'
import { connectMuxrpc } from './lib/muxrpc-peer.mjs'
import { BENCH_KEYS, dialSecret, withKey } from './lib/secret.mjs'
import { connectPush } from './lib/push-peer.mjs'
import { cpuSeconds, guard, options, print } from './lib/script.mjs'

const given = options({
  port: 0, host: '127.0.0.1', peer: 'push-mux', scenario: 'source', size: 512, streams: 1, messages: 0, seconds: 0,
  concurrency: 64, credit: 65536, timeout: 600_000
})
if (!given.messages && !given.seconds) throw new Error('--messages or --seconds is needed')
guard(given.timeout)
const connectShs = (port, { host }) => dialSecret(withKey(`net:${host}:${port}~shs:`, BENCH_KEYS))
const connect = { 'push-mux': connectPush, muxrpc: connectMuxrpc, 'muxrpc-shs': connectShs }[given.peer]
if (!connect) throw new Error(`--peer is push-mux, muxrpc or muxrpc-shs, not ${given.peer}`)
const peer = await connect(given.port, given)

const total = { messages: 0, bytes: 0 }
const begin = process.hrtime.bigint()
const beginCpu = cpuSeconds()
const elapsed = () => Number(process.hrtime.bigint() - begin) / 1e9

/** A request for more than can be sent in the time stands for no end. */
async function source () {
  const each = (stream) => given.seconds
    ? 2 ** 31 - 1
    : Math.floor(given.messages / given.streams) + (stream < given.messages % given.streams ? 1 : 0)
  const onBody = (body) => {
    total.messages++
    total.bytes += bodyLength(body)
  }
  const runs = Array.from({ length: given.streams }, (_, stream) => {
    const run = peer.source(['count'], [each(stream), given.size], { onBody })
    return run.done ?? run
  })
  if (given.seconds) await new Promise((resolve) => setTimeout(resolve, given.seconds * 1000))
  else await Promise.all(runs)
}

async function async () {
  let asked = 0
  const caller = async () => {
    while (given.seconds ? elapsed() < given.seconds : asked < given.messages) {
      asked++
      const answer = await peer.request(['hello'], 'bench')
      total.bytes += bodyLength(answer)
      total.messages++
    }
  }
  await Promise.all(Array.from({ length: given.concurrency }, caller))
}

const scenarios = { source, async }
await scenarios[given.scenario]()
const seconds = elapsed()
const { messages, bytes } = total
const line = {
  peer: given.peer, scenario: given.scenario, messages, seconds, bytes, cpu_seconds: cpuSeconds() - beginCpu, size: given.size,
  streams: given.streams, concurrency: given.concurrency, credit: given.peer === 'push-mux' ? given.credit : null
}
print(line)
peer.socket.destroy()
if (!peer.socket.closed) await once(peer.socket, 'close')
process.exit(0)
