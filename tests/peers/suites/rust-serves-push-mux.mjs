// push-mux 1.0.7 clients, with and without credit, against `push-mux demo`.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { MANIFEST, bodyLength, indexed, notAllowed, sample } from '../lib/demo.mjs'
import { HEADER } from '../lib/frames.mjs'
import { connectPush } from '../lib/push-peer.mjs'
import { startDemo, within } from './harness.mjs'

const refused = (name) => ({ message: notAllowed(name) })
const BODIES = [
  Buffer.from([0]), Buffer.alloc(100_000, 7), 'a', 'grüße, 世界 🙂', 'x'.repeat(100_000), 0, -1.5, true, false, null, [],
  {}, [1, [2, [3]]], { deep: { er: ['x', null] } }, { text: 'y'.repeat(100_000) }
]

for (const credit of [0, 65536]) {
  describe(`a push-mux client ${credit ? `with credit ${credit}` : 'without credit'} of push-mux demo`, () => {
    let demo
    let peer
    before(async () => {
      demo = await startDemo()
      peer = await connectPush(demo.port, { credit })
    })
    after(async () => {
      peer?.sayGoodbye()
      await demo?.stop()
    })
    const ask = (...args) => within(peer.request(...args), `an answer to ${args[0]}`)

    test('async and sync calls are answered with their values', async () => {
      assert.equal(await ask(['hello'], 'world'), 'hello, world!')
      assert.equal(await ask(['nested', 'hello'], 'world'), 'hello, world!')
      assert.equal(await ask(['add'], 2, 3), 5)
      assert.equal(await ask(['add'], -0.5, 0.25), -0.25)
    })

    test('calls in flight together each get their own answer', async () => {
      const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => ask(['hello'], String(i))))
      assert.deepEqual(answers, Array.from({ length: 200 }, (_, i) => `hello, ${i}!`))
    })

    test('a failing call is answered with its own message', async () => {
      await assert.rejects(ask(['fail'], 'it was on purpose'), { message: 'it was on purpose' })
    })

    test('the manifest lists every method with its kind, asked for by path or by string', async () => {
      assert.deepEqual(await ask(['manifest']), MANIFEST)
      assert.deepEqual(await ask('manifest'), MANIFEST)
    })

    test('an unknown method is refused with the text SSB clients compare, its path joined with commas', async () => {
      await assert.rejects(ask(['nope']), refused('nope'))
      await assert.rejects(ask(['nested', 'nope']), refused(['nested', 'nope']))
      await assert.rejects(ask(['no', 'such', 'path']), refused(['no', 'such', 'path']))
      for (const kind of ['source', 'sink', 'duplex']) {
        const sub = peer.open(['nope'], kind)
        sub.sink = { paused: false, source: sub, write () {}, end () {} }
        assert.equal((await within(peer.ended(sub.id), `the refusal of a ${kind}`)).message, notAllowed('nope'))
      }
      assert.equal(await ask(['hello'], 'again'), 'hello, again!')
    })

    test('a method called as the wrong kind is refused and the connection carries on', async () => {
      await assert.rejects(ask(['count'], 3), (error) => typeof error.message === 'string' && error.message !== '')
      const { end } = await within(peer.source(['hello'], ['x']).done, 'hello as a source')
      assert.equal(typeof end.message, 'string')
      assert.equal(await ask(['hello'], 'again'), 'hello, again!')
    })

    test('count without a size sends the numbers from one', async () => {
      const got = []
      const { end, messages } = await within(peer.source(['count'], [1000], { onBody: (n) => got.push(n) }).done, 'count')
      assert.equal(end, true)
      assert.equal(messages, 1000)
      assert.deepEqual(got, Array.from({ length: 1000 }, (_, i) => i + 1))
    })

    test('count with a size sends binary bodies that carry their index', async () => {
      for (const size of [4, 5, 1000, 70_000]) {
        let i = 0
        const run = peer.source(['count'], [50, size], {
          onBody: (body) => {
            assert.equal(body.length, size)
            assert.equal(body.readUInt32BE(0), i++)
          }
        })
        assert.equal((await within(run.done, 'count')).end, true)
        assert.equal(i, 50)
      }
    })

    test('a sink that its caller aborts is confirmed and the connection carries on', async () => {
      const endWith = new Error('enough')
      const sent = await within(peer.sink(['collect'], [], 50, (i) => indexed(i, 1000), { endWith }), 'an aborted sink')
      assert.equal(sent.messages, 50)
      assert.ok(sent.end, 'an end frame carries a truthy value')
      assert.equal(await ask(['hello'], 'again'), 'hello, again!')
    })

    test('count of nothing ends at once', async () => {
      const { messages, end } = await within(peer.source(['count'], [0]).done, 'count')
      assert.deepEqual({ messages, end }, { messages: 0, end: true })
    })

    test('an aborted source is confirmed and the connection carries on, with true and with an error', async () => {
      for (const abortWith of [true, new Error('enough')]) {
        const got = []
        const run = peer.source(['ticks'], [1], { onBody: (n) => got.push(n), abortAfter: 5, abortWith })
        const { end } = await within(run.done, 'the confirmation of an abort')
        assert.ok(end, 'an end frame carries a truthy value')
        assert.deepEqual(got, [...got].sort((a, b) => a - b))
        assert.equal(new Set(got).size, 5)
        const big = await within(peer.source(['count'], [1e9, 4000], { abortAfter: 20, abortWith }).done, 'an abort of count')
        assert.equal(big.messages, 20)
      }
      assert.equal(await ask(['hello'], 'again'), 'hello, again!')
    })

    for (const kind of ['binary', 'text', 'json']) {
      test(`a sink of ${kind} bodies is confirmed, and collected counts exactly what the mux says it wrote`, async () => {
        const sent = await within(peer.sink(['collect'], [], 3000, (i) => sample(kind, i, 200)), 'a sink')
        assert.equal(sent.end, true)
        const collected = await ask(['collected'])
        assert.deepEqual(collected, { messages: 3000, bytes: sent.bytes })
        assert.equal(sent.writes, collected.bytes + HEADER * collected.messages)
      })

      test(`a duplex of ${kind} bodies reads back what it wrote, and both counters agree with the wire`, async () => {
        const make = (i) => sample(kind, i, 300)
        const run = await within(peer.duplex(['echo'], [], 2000, make), 'an echo')
        assert.equal(run.messages, 2000)
        run.bodies.forEach((body, i) => assert.deepEqual(body, make(i)))
        assert.equal(run.reads, run.wireIn)
        assert.equal(run.reads, run.writes)
        assert.equal(run.end, true)
      })
    }

    test('an echo keeps the kind and the value of every body', async () => {
      const run = await within(peer.duplex(['echo'], [], BODIES.length, (i) => BODIES[i]), 'an echo')
      assert.deepEqual(run.bodies, BODIES)
      assert.equal(run.writes, BODIES.reduce((sum, body) => sum + HEADER + bodyLength(body), 0))
    })

    test('what the server sent on a stream is what the mux has read of it', async () => {
      for (const args of [[5000], [5000, 4], [800, 5001]]) {
        const run = await within(peer.source(['count'], args).done, 'count')
        assert.equal(run.reads, run.wireIn)
        const sent = Array.from({ length: args[0] }, (_, i) =>
          HEADER + bodyLength(args[1] ? indexed(i, args[1]) : i + 1)).reduce((sum, n) => sum + n, 0)
        assert.equal(run.reads, sent)
      }
    })

    if (credit) {
      test('credit goes both ways once both sides have opened control', async () => {
        const own = await connectPush(demo.port, { credit })
        await within(own.sink(['collect'], [], 2000, (i) => sample('binary', i, 500)), 'a sink')
        await within(own.source(['count'], [2000, 500]).done, 'a source')
        assert.ok(own.counters.creditsIn > 0, 'the server granted credit')
        assert.ok(own.counters.creditsOut > 0, 'the client granted credit')
        assert.equal(await within(own.close(), 'the close'), 1)
      })
    }

    test('GOODBYE is answered with GOODBYE and the connection ends', async () => {
      const own = await connectPush(demo.port, { credit })
      assert.equal(await within(own.request(['hello'], 'x'), 'hello'), 'hello, x!')
      assert.equal(await within(own.close(), 'the close'), 1)
      assert.ok(demo.running)
    })
  })
}
