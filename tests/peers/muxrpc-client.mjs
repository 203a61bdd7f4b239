#!/usr/bin/env node
// Drives a server of the demo manifest with muxrpc 8.
//   node muxrpc-client.mjs --port N [--mode all|source|sink|echo] [--streams 1] [--count 1000] [--size 64]
//     [--kind binary|text|json] [--slow-ms 0] [--abort-after 0] [--timeout 60000]
import { sample } from './lib/demo.mjs'
import { connectMuxrpc } from './lib/muxrpc-peer.mjs'
import { cpuSeconds, guard, options, plain, print } from './lib/script.mjs'

const given = options({
  port: 0, host: '127.0.0.1', mode: 'all', streams: 1, count: 1000, size: 64, kind: 'binary', slowMs: 0, abortAfter: 0,
  timeout: 60000
})
guard(given.timeout)
const peer = await connectMuxrpc(given.port, { host: given.host, bootstrap: true })

const make = (i) => sample(given.kind, i, given.size)
const read = { slowMs: given.slowMs, abortAfter: given.abortAfter || Infinity }
const modes = {
  source: () => peer.source(['count'], given.kind === 'binary' ? [given.count, given.size] : [given.count], read),
  sink: () => peer.sink(['collect'], [], given.abortAfter || given.count, make, {
    endWith: given.abortAfter ? new Error('aborted by the caller') : true
  }),
  echo: () => peer.duplex(['echo'], [], Array.from({ length: given.count }, (_, i) => make(i)))
}

/** Every method of the manifest once. */
async function all () {
  print({ call: 'manifest', value: peer.manifest })
  for (const [name, ...args] of [['hello', 'world'], ['add', 2, 3], ['fail', 'on purpose'], ['nope']]) {
    await peer.request([name], ...args).then(
      (value) => print({ call: name, value }),
      (error) => print({ call: name, error: plain(error) }))
  }
  print({ call: 'nested.hello', value: await peer.request(['nested', 'hello'], 'world') })
  report('count', await modes.source())
  report('ticks', await peer.source(['ticks'], [1], { abortAfter: 3 }))
  report('collect', await modes.sink())
  print({ call: 'collected', value: await peer.request(['collected']) })
  report('echo', await modes.echo())
}

function report (call, { messages, bytes, end }) {
  print({ call, messages, bytes, end: end && plain(end) })
}

const before = cpuSeconds()
if (given.mode === 'all') await all()
else {
  for (const result of await Promise.all(Array.from({ length: given.streams }, modes[given.mode]))) report(given.mode, result)
  if (given.mode === 'sink') print({ call: 'collected', value: await peer.request(['collected']) })
}
await peer.close()
print({ event: 'done', cpu_seconds: cpuSeconds() - before, goodbye: peer.wire.tail.equals(Buffer.alloc(9)) })
