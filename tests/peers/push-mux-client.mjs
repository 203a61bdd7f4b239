#!/usr/bin/env node
// Drives a server of the demo manifest with push-mux 1.0.7.
//   node push-mux-client.mjs --port N [--mode all|source|sink|echo] [--credit 65536] [--tcp-pause] [--high-water BYTES]
//     [--streams 1] [--count 1000] [--size 64] [--kind binary|text|json] [--slow-ms 0] [--abort-after 0] [--timeout 60000]
// Prints one JSON line per stream with the mux's own reads and writes, then a summary.
import { sample } from './lib/demo.mjs'
import { connectPush } from './lib/push-peer.mjs'
import { cpuSeconds, guard, options, plain, print } from './lib/script.mjs'

const given = options({
  port: 0, host: '127.0.0.1', mode: 'all', credit: 65536, tcpPause: false, highWater: 64 * 1024, streams: 1, count: 1000,
  size: 64, kind: 'binary', slowMs: 0, abortAfter: 0, timeout: 60000
})
const peer = await connectPush(given.port, given)
guard(given.timeout, () => ({ streams: peer.streams(), ...peer.counters }))

const make = (i) => sample(given.kind, i, given.size)
const read = { slowMs: given.slowMs, abortAfter: given.abortAfter || Infinity }
const modes = {
  source: () => peer.source(['count'], given.kind === 'binary' ? [given.count, given.size] : [given.count], read).done,
  sink: () => peer.sink(['collect'], [], given.abortAfter || given.count, make, {
    endWith: given.abortAfter ? new Error('aborted by the caller') : true
  }),
  echo: () => peer.duplex(['echo'], [], given.count, make, read)
}

/** Every method of the manifest once. */
async function all () {
  for (const [name, ...args] of [['hello', 'world'], ['add', 2, 3], ['fail', 'on purpose'], ['manifest'], ['nope']]) {
    await peer.request([name], ...args).then(
      (value) => print({ call: name, value }),
      (error) => print({ call: name, error: plain(error) }))
  }
  print({ call: 'nested.hello', value: await peer.request(['nested', 'hello'], 'world') })
  report('count', await modes.source())
  report('ticks', await peer.source(['ticks'], [1], { abortAfter: 3 }).done)
  report('collect', await modes.sink())
  print({ call: 'collected', value: await peer.request(['collected']) })
  report('echo', await modes.echo())
}

function report (call, { id, messages, bytes, reads, writes, wireIn, end }) {
  print({ call, id, messages, bytes, reads, writes, wireIn, end: end && plain(end) })
}

const before = cpuSeconds()
if (given.mode === 'all') await all()
else {
  const results = await Promise.all(Array.from({ length: given.streams }, modes[given.mode]))
  for (const result of results) report(given.mode, result)
  if (given.mode === 'sink') print({ call: 'collected', value: await peer.request(['collected']) })
}
const left = peer.streams()
const goodbyes = await peer.close()
print({ event: 'done', cpu_seconds: cpuSeconds() - before, goodbyes, left, ...peer.counters })
