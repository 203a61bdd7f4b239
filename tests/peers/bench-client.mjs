#!/usr/bin/env node
// Measures a server of the demo manifest with one JavaScript client and prints one line of JSON.
//   node bench-client.mjs --port N --peer push-mux|muxrpc|muxrpc-shs (--messages K | --seconds T) [--size 512]
//     --scenario source    [--streams 1]             messages to the client
//     --scenario sink      [--streams 1]             messages to the server, which is asked at the end what came
//     --scenario ping-pong [--streams 1] [--depth 1] messages there and back, so many of a stream on their way
//     --scenario async     [--concurrency 64]        calls of hello with a name of that size
//     [--credit 65536] [--patience S]
// Sink and ping-pong take --messages only. Nothing for S seconds prints {"event":"stalled","messages":N} instead.
// The CPU seconds are this process's; bench-server.mjs prints its own.
import { once } from 'node:events'
import { Latencies, Starts, watch } from './lib/bench.mjs'
import { bodyLength, indexed } from './lib/demo.mjs'
import { connectMuxrpc } from './lib/muxrpc-peer.mjs'
import { BENCH_KEYS, dialSecret, withKey } from './lib/secret.mjs'
import { connectPush } from './lib/push-peer.mjs'
import { cpuSeconds, guard, options, print } from './lib/script.mjs'

const given = options({
  port: 0, host: '127.0.0.1', peer: 'push-mux', scenario: 'source', size: 512, streams: 1, depth: 1, messages: 0, seconds: 0,
  concurrency: 64, credit: 65536, patience: 0, timeout: 600_000
})
if (!given.messages && !given.seconds) throw new Error('--messages or --seconds is needed')
guard(given.timeout)
const connectShs = (port, { host }) => dialSecret(withKey(`net:${host}:${port}~shs:`, BENCH_KEYS))
const connect = { 'push-mux': connectPush, muxrpc: connectMuxrpc, 'muxrpc-shs': connectShs }[given.peer]
if (!connect) throw new Error(`--peer is push-mux, muxrpc or muxrpc-shs, not ${given.peer}`)
const peer = await connect(given.port, given)

const total = { messages: 0, bytes: 0, errors: 0 }
const latencies = new Latencies()
const begin = process.hrtime.bigint()
const beginCpu = cpuSeconds()
const elapsed = () => Number(process.hrtime.bigint() - begin) / 1e9
// What is sent waits in the socket before it leaves: as long as that changes, nothing has stalled.
watch(given.patience, () => `${total.messages} ${peer.socket?.writableLength}`, () => total.messages)

/** How many messages of all are those of one stream. */
const share = (stream) =>
  Math.floor(given.messages / given.streams) + (stream < given.messages % given.streams ? 1 : 0)

/** Runs all streams at once. */
const streams = (run) => Promise.all(Array.from({ length: given.streams }, (_, stream) => run(stream)))

/** A body is right when it has its length and its number. */
function check (body, i) {
  total.messages++
  total.bytes += bodyLength(body)
  if (body.length !== given.size || body.readUInt32BE(0) !== i) total.errors++
}

/** A request for more than can be sent in the time stands for no end. */
async function source () {
  const runs = streams((stream) => {
    let next = 0
    const each = given.seconds ? 2 ** 31 - 1 : share(stream)
    const run = peer.source(['count'], [each, given.size], { onBody: (body) => check(body, next++) })
    return run.done ?? run
  })
  if (given.seconds) await new Promise((resolve) => setTimeout(resolve, given.seconds * 1000))
  else await runs
}

/** What counts is what the server says it collected; muxrpc sends on after its sinks are done. */
async function sink () {
  await streams((stream) => peer.sink(['collect'], ['sum'], share(stream), (i) => {
    total.messages++
    return indexed(i, given.size)
  }))
  for (;;) {
    const { messages, bytes } = await peer.request(['collected'])
    if (messages >= given.messages) return Object.assign(total, { messages, bytes })
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function pingPong () {
  await streams((stream) => {
    const starts = new Starts(given.depth)
    return peer.pingPong(['echo'], {
      count: share(stream),
      depth: given.depth,
      make: (i) => {
        starts.left(i)
        return indexed(i, given.size)
      },
      onBack: (body, i) => {
        latencies.since(starts.of(i))
        check(body, i)
      }
    })
  })
}

async function async () {
  let asked = 0
  const caller = async () => {
    while (given.seconds ? elapsed() < given.seconds : asked < given.messages) {
      const name = String(asked++).padStart(given.size, '0')
      const began = performance.now()
      const answer = await peer.request(['hello'], name)
      latencies.since(began)
      total.bytes += bodyLength(answer)
      total.messages++
      if (answer !== `hello, ${name}!`) total.errors++
    }
  }
  await Promise.all(Array.from({ length: given.concurrency }, caller))
}

const scenarios = { source, sink, 'ping-pong': pingPong, async }
if (!scenarios[given.scenario]) throw new Error(`--scenario is one of ${Object.keys(scenarios)}, not ${given.scenario}`)
if (!given.messages && ['sink', 'ping-pong'].includes(given.scenario)) throw new Error(`${given.scenario} takes --messages`)
await scenarios[given.scenario]()
const seconds = elapsed()
const { messages, bytes, errors } = total
const line = {
  peer: given.peer, scenario: given.scenario, messages, seconds, bytes, cpu_seconds: cpuSeconds() - beginCpu, errors,
  latency_us: latencies.percentiles(), size: given.size, streams: given.streams, depth: given.depth,
  concurrency: given.concurrency, credit: given.peer === 'push-mux' ? given.credit : null
}
print(line)
if (peer.socket) {
  peer.socket.destroy()
  if (!peer.socket.closed) await once(peer.socket, 'close')
}
process.exit(0)
