// Every pair of credit settings completes. Between two push-mux 1.0.7 peers almost half of all pairs hang for ever.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { HEADER } from '../lib/frames.mjs'
import { indexed, sample } from '../lib/demo.mjs'
import { connectPush } from '../lib/push-peer.mjs'
import { servePush } from '../lib/push-demo.mjs'
import { call, eventLog, seeded, startDemo, stopServer, within } from './harness.mjs'

const THEIRS = [0, 1024, 16 * 1024, 64 * 1024, 1024 * 1024]
const OURS = [4096, 64 * 1024, 1024 * 1024, 'auto']
// Together more than one and a half of the largest windows, so that every pair has to grant at least once.
const COUNT = 1000
const SIZE = 4000
const DEADLINE = 120_000

/** Rust sends, then JavaScript sends, then both at once; exact at quiescence. */
async function exchange (port, credit, count, size) {
  const peer = await connectPush(port, { credit })
  const source = await within(peer.source(['count'], [count, size]).done, 'the source', DEADLINE)
  assert.deepEqual({ end: source.end, messages: source.messages }, { end: true, messages: count })
  assert.equal(source.reads, count * (HEADER + size))
  assert.equal(source.reads, source.wireIn)

  const sink = await within(peer.sink(['collect'], [], count, (i) => indexed(i, size)), 'the sink', DEADLINE)
  assert.equal(sink.end, true)
  assert.deepEqual(await within(peer.request(['collected']), 'collected'), { messages: count, bytes: count * size })
  assert.equal(sink.writes, count * (HEADER + size))

  const echo = await within(peer.duplex(['echo'], [], count, (i) => indexed(i, size)), 'the echo', DEADLINE)
  assert.equal(echo.messages, count)
  assert.equal(echo.reads, echo.writes)
  assert.equal(await within(peer.close(), 'the close'), 1)
}

for (const ours of OURS) {
  describe(`push-mux demo with credit ${ours}`, () => {
    let demo
    before(async () => { demo = await startDemo({ credit: ours }) })
    after(() => demo?.stop())
    for (const theirs of THEIRS) {
      test(`source, sink and echo complete against a push-mux client with credit ${theirs}`, () =>
        exchange(demo.port, theirs, COUNT, SIZE))
    }
  })
}

for (const mode of ['offer', 'respond', 'off']) {
  describe(`push-mux demo in credit mode ${mode}`, () => {
    let demo
    before(async () => { demo = await startDemo({ mode }) })
    after(() => demo?.stop())
    for (const theirs of [0, 64 * 1024]) {
      test(`source, sink and echo complete against a push-mux client with credit ${theirs}`, () =>
        exchange(demo.port, theirs, COUNT, SIZE))
    }
  })
}

describe('push-mux call against push-mux servers', () => {
  for (const theirs of THEIRS) {
    describe(`a push-mux server with credit ${theirs}`, () => {
      const log = eventLog()
      let server
      before(async () => { server = await servePush({ credit: theirs, log }) })
      after(() => stopServer(server, [...server.peers].map((peer) => peer.socket)))
      for (const ours of OURS) {
        test(`a source completes with credit ${ours} on our side`, async () => {
          const { bytes, code, errors } = await call(server.address().port, 'count', [COUNT, SIZE], { credit: ours, raw: true })
          assert.equal(code, 0, errors)
          assert.equal(bytes.length, COUNT * SIZE)
          for (let i = 0; i < COUNT; i++) assert.equal(bytes.readUInt32BE(i * SIZE), i)
          const counted = await log.next(({ event }) => event === 'counted', 'the end of the source')
          assert.equal(counted.writes, COUNT * (HEADER + SIZE))
        })

        test(`a sink completes with credit ${ours} on our side`, async () => {
          const input = Array.from({ length: COUNT }, (_, i) => JSON.stringify(sample('text', i, SIZE)) + '\n').join('')
          const { code, errors } = await call(server.address().port, 'collect', [], { credit: ours, input })
          assert.equal(code, 0, errors)
          const collected = await log.next(({ event }) => event === 'collected', 'the end of the sink')
          assert.equal(collected.messages, COUNT)
          assert.equal(collected.reads, collected.bytes + HEADER * COUNT)
        })
      }
    })
  }
})

describe('pairs of odd credits', () => {
  const random = seeded()
  for (let i = 0; i < 10; i++) {
    const theirs = random.odd(1, 300_000)
    const ours = random.odd(4097, 1_000_000)
    const size = random.odd(5, 20_000)
    const count = Math.min(20_000, Math.ceil(2 * Math.max(theirs, ours) / size) + 10)
    test(`pair ${i} of seed ${random.seed} completes: ${theirs} against our ${ours}, bodies of ${size}`, async () => {
      const demo = await startDemo({ credit: ours })
      try {
        await exchange(demo.port, theirs, count, size)
      } finally {
        await demo.stop()
      }
    })
  }
})
