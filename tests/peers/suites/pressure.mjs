// Many streams, slow readers and full sockets: everything completes, and nobody pays memory for somebody else's slowness.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { HEADER, open } from '../lib/frames.mjs'
import { indexed, sample } from '../lib/demo.mjs'
import { connectMuxrpc } from '../lib/muxrpc-peer.mjs'
import { connectPush } from '../lib/push-peer.mjs'
import { servePush } from '../lib/push-demo.mjs'
import { Raw } from '../lib/raw.mjs'
import { call, eventLog, residentMib, settled, startCall, startDemo, stopServer, within } from './harness.mjs'

const MIB = 1024 * 1024
const LONG = 120_000
// What a server may hold for one slow connection is a fixed budget; the streams below are many times that.
const FLAT_MIB = 48

/** The source has ended well, and the mux has read what stood on the wire. */
function complete (run, messages) {
  assert.equal(run.end, true)
  assert.equal(run.messages, messages)
  assert.equal(run.reads, run.wireIn)
}

describe('one hundred streams at once', () => {
  let demo
  before(async () => { demo = await startDemo() })
  after(() => demo?.stop())

  for (const credit of [0, 65536]) {
    test(`sources, sinks and echoes share a push-mux connection with credit ${credit}`, async () => {
      const peer = await connectPush(demo.port, { credit })
      const hundred = (run) => within(Promise.all(Array.from({ length: 100 }, run)), 'a hundred streams', LONG)
      for (const run of await hundred(() => peer.source(['count'], [300, 1000]).done)) {
        complete(run, 300)
      }
      for (const run of await hundred(() => peer.sink(['collect'], [], 300, (i) => indexed(i, 1000)))) {
        assert.deepEqual({ end: run.end, writes: run.writes }, { end: true, writes: 300 * (HEADER + 1000) })
      }
      const echoes = await hundred((_, s) => peer.duplex(['echo'], [], 100, (i) => sample('text', i * 1000 + s, 500)))
      echoes.forEach((run, s) => run.bodies.forEach((body, i) => assert.equal(body, sample('text', i * 1000 + s, 500))))
      assert.equal(await within(peer.close(), 'the close'), 1)
    })
  }

  test('sources and echoes share a muxrpc connection', async () => {
    const peer = await connectMuxrpc(demo.port)
    const hundred = (run) => within(Promise.all(Array.from({ length: 100 }, run)), 'a hundred streams', LONG)
    const runs = await hundred(() => peer.source(['count'], [300, 1000]))
    for (const run of runs) assert.deepEqual(run, { messages: 300, bytes: 300_000, end: true })
    const bodies = Array.from({ length: 100 }, (_, i) => sample('json', i, 200))
    const echoes = await hundred(() => peer.duplex(['echo'], [], bodies))
    for (const run of echoes) assert.deepEqual(run.bodies, bodies)
    await within(peer.close(), 'the close')
  })
})

describe('a slow reader', () => {
  let demo
  before(async () => { demo = await startDemo({ credit: 65536 }) })
  after(() => demo?.stop())

  test('a push-mux client that stops reading one stream bounds it, keeps its other calls, and gets the rest later', async () => {
    const peer = await connectPush(demo.port, { credit: 65536 })
    const before = residentMib(demo.pid)
    const count = 20_000
    const run = peer.source(['count'], [count, 4096], {
      onBody: (body, reader) => { if (run.messages === 10) reader.paused = true }
    })
    await settled(() => peer.wireIn.get(-run.id) ?? 0, 'the paused stream')
    const held = peer.wireIn.get(-run.id) - run.sub.reads
    assert.ok(held < 8 * MIB, `${held} bytes were pushed at a reader that reads nothing`)
    assert.ok(residentMib(demo.pid) - before < FLAT_MIB)
    assert.equal(await within(peer.request(['hello'], 'you'), 'hello beside the paused stream'), 'hello, you!')
    assert.equal((await within(peer.source(['count'], [5000, 1000]).done, 'a source beside the paused one')).messages, 5000)
    run.reader.wake()
    const whole = await within(run.done, 'the rest of the stream', LONG)
    complete(whole, count)
    assert.equal(await within(peer.close(), 'the close'), 1)
  })

  test('a push-mux client that pauses after every body gets all of them', async () => {
    const peer = await connectPush(demo.port, { credit: 16 * 1024 })
    const run = await within(peer.source(['count'], [400, 3000], { slowMs: 1 }).done, 'a slow source', LONG)
    complete(run, 400)
    const echo = await within(peer.duplex(['echo'], [], 400, (i) => indexed(i, 3000), { slowMs: 1 }), 'a slow echo', LONG)
    assert.deepEqual({ messages: echo.messages, reads: echo.reads }, { messages: 400, reads: echo.writes })
    assert.equal(await within(peer.close(), 'the close'), 1)
  })

  test('a client without credit that stops reading its socket costs the server a bounded amount', async () => {
    const before = residentMib(demo.pid)
    const stuck = await Raw.connect(demo.port)
    stuck.socket.pause()
    for (let id = 1; id <= 20; id++) stuck.send(open(id, ['count'], [20_000, 4096], 'source'))
    const after = await settled(() => Math.round(residentMib(demo.pid)), 'the memory of the server')
    assert.ok(after - before < FLAT_MIB, `${after - before} MiB were kept for a client that reads nothing`)
    const other = await Raw.connect(demo.port)
    await within(other.hello(), 'hello on another connection')
    assert.equal(await within(other.goodbye(), 'the goodbye'), 1)
    stuck.socket.destroy()
    assert.ok(demo.running)
  })

  test('push-mux call with nobody reading its output holds back the server it reads from', async () => {
    const log = eventLog()
    const server = await servePush({ credit: 65536, log })
    try {
      const child = startCall(server.address().port, 'count', [20_000, 4096], { credit: 65536, raw: true })
      const written = () => [...server.peers].flatMap((peer) => peer.streams()).reduce((sum, { writes }) => sum + writes, 0)
      await within((async () => {
        while (written() === 0) await new Promise((resolve) => setTimeout(resolve, 20))
      })(), 'the first body')
      const sent = await settled(written, 'the source')
      assert.ok(sent < 8 * MIB, `${sent} bytes were taken in though nobody reads them`)
      let bytes = 0
      child.stdout.on('data', (chunk) => { bytes += chunk.length })
      assert.equal((await within(child.done, 'the rest', LONG)).code, 0, child.errors)
      assert.equal(bytes, 20_000 * 4096)
    } finally {
      await stopServer(server, [...server.peers].map((peer) => peer.socket))
    }
  })
})

// push-mux 1.0.7 never resumes a substream that a full socket has paused, unless credit for it arrives: only repeated
// grants of ours can bring these runs to their end. Without credit on its side nothing can, so zero is not tried.
describe('a push-mux peer that honours a full socket', () => {
  for (const credit of [16 * 1024, 64 * 1024, MIB]) {
    test(`sixteen sinks complete from a client with credit ${credit}`, async () => {
      const demo = await startDemo()
      try {
        const peer = await connectPush(demo.port, { credit, tcpPause: true })
        const runs = await within(Promise.all(Array.from({ length: 16 }, () =>
          peer.sink(['collect'], [], 256, (i) => indexed(i, 4096)))), 'the sinks', LONG)
        for (const run of runs) assert.equal(run.writes, 256 * (HEADER + 4096))
        if (credit > 16 * 1024) assert.ok(peer.counters.pauses > 0, 'the socket was full at least once')
        assert.equal(await within(peer.close(), 'the close'), 1)
      } finally {
        await demo.stop()
      }
    })

    test(`sixteen echoes complete with a client with credit ${credit}`, async () => {
      const demo = await startDemo()
      try {
        const peer = await connectPush(demo.port, { credit, tcpPause: true })
        const runs = await within(Promise.all(Array.from({ length: 16 }, () =>
          peer.duplex(['echo'], [], 200, (i) => indexed(i, 4096)))), 'the echoes', LONG)
        for (const { messages, reads, writes } of runs) assert.deepEqual({ messages, reads }, { messages: 200, reads: writes })
        assert.equal(await within(peer.close(), 'the close'), 1)
      } finally {
        await demo.stop()
      }
    })

    test(`push-mux call reads a source to its end from a server with credit ${credit}`, async () => {
      const server = await servePush({ credit, tcpPause: true })
      try {
        const { bytes, code, errors } = await call(server.address().port, 'count', [2000, 4096], { raw: true })
        assert.equal(code, 0, errors)
        assert.equal(bytes.length, 2000 * 4096)
      } finally {
        await stopServer(server, [...server.peers].map((peer) => peer.socket))
      }
    })
  }
})
