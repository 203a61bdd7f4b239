// muxrpc 8 clients against `push-mux demo`. They know nothing of credit, whatever the server offers.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { GOODBYE } from '../lib/frames.mjs'
import { MANIFEST, notAllowed, sample } from '../lib/demo.mjs'
import { connectMuxrpc } from '../lib/muxrpc-peer.mjs'
import { startDemo, within } from './harness.mjs'

const BODIES = [
  Buffer.from([0]), Buffer.alloc(100_000, 7), 'a', 'grüße, 世界 🙂', 0, -1.5, true, false, null, [], {}, [1, [2, [3]]],
  { text: 'y'.repeat(100_000) }
]

for (const mode of ['respond', 'offer', 'auto', 'off']) {
  describe(`a muxrpc client of push-mux demo in credit mode ${mode}`, () => {
    let demo
    let peer
    before(async () => {
      demo = await startDemo({ mode })
      peer = await connectMuxrpc(demo.port)
    })
    after(async () => {
      peer?.socket.destroy()
      await demo?.stop()
    })
    const ask = (...args) => within(peer.request(...args), `an answer to ${args[0]}`)

    test('async and sync calls are answered with their values', async () => {
      assert.equal(await ask(['hello'], 'world'), 'hello, world!')
      assert.equal(await ask(['nested', 'hello'], 'world'), 'hello, world!')
      assert.equal(await ask(['add'], 2, 3), 5)
      await assert.rejects(ask(['fail'], 'it was on purpose'), { message: 'it was on purpose' })
    })

    test('a client that asks for the manifest by a string first gets all of it', async () => {
      const own = await within(connectMuxrpc(demo.port, { bootstrap: true }), 'the manifest')
      const { control, ...rest } = MANIFEST
      assert.deepEqual(own.manifest, mode === 'off' ? rest : { ...rest, control })
      assert.equal(await within(own.rpc.nested.hello('api'), 'nested.hello'), 'hello, api!')
      await within(own.close(), 'the close')
    })

    test('an unknown method is refused with the text SSB clients compare, its path joined with commas', async () => {
      await assert.rejects(ask(['nope']), { message: notAllowed('nope') })
      await assert.rejects(ask(['nested', 'nope']), { message: notAllowed(['nested', 'nope']) })
      const { end } = await within(peer.source(['nope'], []), 'the refusal of a source')
      assert.equal(end.message, notAllowed('nope'))
      await assert.rejects(within(peer.duplex(['nope'], [], [1]), 'the refusal of a duplex'), { message: notAllowed('nope') })
      await within(peer.sink(['nope'], [], 1, () => 'x'), 'a refused sink')
      assert.equal(await ask(['hello'], 'again'), 'hello, again!')
    })

    test('a method called as the wrong kind is refused and the connection carries on', async () => {
      await assert.rejects(ask(['count'], 3), (error) => typeof error.message === 'string' && error.message !== '')
      const { end } = await within(peer.source(['hello'], ['x']), 'hello as a source')
      assert.equal(typeof end.message, 'string')
      assert.equal(await ask(['hello'], 'again'), 'hello, again!')
    })

    test('a source of numbers and a source of binary bodies arrive whole and in order', async () => {
      const numbers = []
      const first = await within(peer.source(['count'], [2000], { onBody: (n) => numbers.push(n) }), 'count')
      assert.equal(first.end, true)
      assert.deepEqual(numbers, Array.from({ length: 2000 }, (_, i) => i + 1))
      let i = 0
      const second = await within(peer.source(['count'], [2000, 1500], {
        onBody: (body) => assert.equal(body.readUInt32BE(0), i++)
      }), 'count')
      assert.deepEqual(second, { messages: 2000, bytes: 3_000_000, end: true })
    })

    test('an aborted source stops and the connection carries on', async () => {
      const { messages } = await within(peer.source(['ticks'], [1], { abortAfter: 5 }), 'ticks')
      assert.equal(messages, 5)
      await within(peer.source(['count'], [1e9, 1000], { abortAfter: 5 }), 'an abort of count')
      assert.equal(await ask(['hello'], 'again'), 'hello, again!')
    })

    for (const kind of ['binary', 'text', 'json']) {
      test(`a sink of ${kind} bodies is counted to the byte`, async () => {
        const sent = await within(peer.sink(['collect'], [], 3000, (i) => sample(kind, i, 200)), 'a sink')
        // muxrpc does not tell when the other side has confirmed, so the count is asked for until it is there.
        const collected = await within((async () => {
          for (;;) {
            const seen = await peer.request(['collected'])
            if (seen?.bytes === sent.bytes && seen.messages === sent.messages) return seen
          }
        })(), 'the count of the sink')
        assert.deepEqual(collected, { messages: 3000, bytes: sent.bytes })
      })
    }

    test('an echo keeps the kind and the value of every body', async () => {
      const { bodies } = await within(peer.duplex(['echo'], [], BODIES), 'an echo')
      assert.deepEqual(bodies, BODIES)
      const many = Array.from({ length: 2000 }, (_, i) => sample(['binary', 'text', 'json'][i % 3], i, 100))
      const run = await within(peer.duplex(['echo'], [], many), 'an echo')
      assert.deepEqual(run.bodies, many)
    })

    test('a graceful close completes after every kind of call, and GOODBYE is answered', async () => {
      const own = await connectMuxrpc(demo.port)
      await within(own.source(['count'], [10]), 'count')
      await within(own.source(['ticks'], [1], { abortAfter: 2 }), 'ticks')
      await within(own.sink(['collect'], [], 10, (i) => i), 'collect')
      await within(own.sink(['collect'], [], 10, (i) => i, { endWith: new Error('enough') }), 'an aborted collect')
      await within(own.duplex(['echo'], [], [1, 2, 3]), 'echo')
      await within(own.source(['nope'], []), 'a refusal')
      // packet-stream completes only when both halves of every stream, and of an offered control stream, have ended.
      await within(own.close(), 'the close')
      assert.deepEqual(own.wire.tail, GOODBYE)
    })
  })
}
