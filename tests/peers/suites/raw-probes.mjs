// Hand-made bytes against `push-mux demo`: what must survive survives, and nothing reaches beyond its connection.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { BINARY, END, GOODBYE, JSON_BODY, STREAM, TEXT, control, end, frame, open, request } from '../lib/frames.mjs'
import { Raw } from '../lib/raw.mjs'
import { residentMib, startDemo, within } from './harness.mjs'

const INVALID = 3
const credits = (value) => frame(STREAM | JSON_BODY, 1, value)
const echoed = (req) => [open(req, ['echo'], [], 'duplex'), frame(STREAM | TEXT, req, 'ping')]

/** Bytes after which the same session must still serve. */
const SURVIVES = {
  'control as the first frame': [control()],
  'control twice': [control(), control()],
  'control as a JSON string': [frame(STREAM | JSON_BODY, 1, '"control"')],
  'control on another id': [frame(STREAM | TEXT, 5, 'control')],
  'control as an ordinary request': [request(1, ['control'], [])],
  'control opened as a method': [open(1, ['control'], [], 'duplex')],
  'control ended at once': [control(), end(1)],
  'control ended twice': [control(), end(1), end(1)],
  'an end for the control stream of the server': [control(), end(-1, { error: true, message: 'flow-control not supported' })],
  'credit before control is open': [credits([-2, 65536]), control()],
  'credit for the server\'s own unopened ids': [control(), credits([-2, 100, -3, 100, -77, 2 ** 40])],
  'credit as an object': [control(), credits({ '-2': 100 })],
  'credit as a number, a string and null': [control(), credits(5), frame(STREAM | TEXT, 1, '[-2,5]'), credits(null)],
  'credit as binary': [control(), frame(STREAM | BINARY, 1, Buffer.from('[-2,5]'))],
  'data for an id never opened': [frame(STREAM | BINARY, 9, Buffer.from('late'))],
  'text for an id never opened': [frame(STREAM | TEXT, 9, 'late')],
  'an end for an id never opened': [end(9)],
  'an error end for an id never opened': [end(9, { message: 'x', name: 'Error', stack: '' })],
  'data for a reply id never asked for': [frame(STREAM | TEXT, -77, 'late'), frame(STREAM | JSON_BODY, -78, { x: 1 })],
  'an end for a reply id never asked for': [end(-77)],
  'a reply to nothing': [frame(JSON_BODY, -77, 1), frame(JSON_BODY | END, -78, { message: 'x' })],
  'a message with id zero': [frame(JSON_BODY, 0, { x: 1 })],
  'a stream frame with id zero': [frame(STREAM | JSON_BODY, 0, { name: ['echo'], args: [], type: 'duplex' })],
  'a stream end with id zero': [end(0)],
  'a request without args': [frame(JSON_BODY, 3, { name: ['hello'] })],
  'a request whose args are no array': [frame(JSON_BODY, 3, { name: ['hello'], args: { 0: 'x' } })],
  'a request whose name is a number': [frame(JSON_BODY, 3, { name: 5, args: [] })],
  'a request whose name is an array of other things': [frame(JSON_BODY, 3, { name: [null, { a: 1 }, []], args: [] })],
  'a request whose name is empty': [frame(JSON_BODY, 3, { name: [], args: [] })],
  'a request without a name': [frame(JSON_BODY, 3, { args: [] })],
  'a stream without a kind': [frame(STREAM | JSON_BODY, 3, { name: ['echo'], args: [] })],
  'a stream of an unknown kind': [open(3, ['echo'], [], 'quadruplex')],
  'a stream without args': [frame(STREAM | JSON_BODY, 3, { name: ['count'], type: 'source' })],
  'ids out of order': [request(70, ['hello'], ['a']), request(3, ['hello'], ['b'])],
  'the highest id': [request(2 ** 31 - 1, ['hello'], ['x'])],
  'flag bits that mean nothing': [frame(0xf0 | JSON_BODY, 3, { name: ['hello'], args: ['x'] })],
  'a request followed by white space': [frame(JSON_BODY, 3, '{"name":["hello"],"args":["x"]}\n')]
}

/** Frames after which the server may or may not give up the connection, but never anything else. */
const MAY_CLOSE = {
  'a body of kind three': [frame(INVALID, 3, 'abc')],
  'a body of kind three on a stream': [...echoed(3), frame(STREAM | INVALID, 3, 'abc')],
  'a request that is not JSON': [frame(JSON_BODY, 3, '{"name":["hello"],"args":["x"]')],
  'a stream body that is not JSON': [...echoed(3), frame(STREAM | JSON_BODY, 3, '{')],
  'a request as text': [frame(TEXT, 3, '{"name":["hello"],"args":["x"]}')],
  'text that is not UTF-8': [...echoed(3), frame(STREAM | TEXT, 3, Buffer.from([0xff, 0xfe, 0xc0]))],
  'the lowest id, whose negation overflows': [request(-(2 ** 31), ['hello'], ['x'])],
  'the lowest id as a stream': [open(-(2 ** 31), ['echo'], [], 'duplex'), end(-(2 ** 31))],
  'JSON nested ten thousand deep': [frame(JSON_BODY, 3, `{"name":["hello"],"args":${'['.repeat(10_000)}${']'.repeat(10_000)}}`)],
  'an id used twice at once': [open(3, ['ticks'], [1], 'source'), open(3, ['ticks'], [1], 'source')],
  'credit for the control stream itself': [control(), credits([-1, 100, 1, 100])]
}

const GARBAGE_CREDIT = {
  'a negative value': '[-2,-1]',
  'a value that goes backwards': '[-2,65536,-2,1]',
  'an enormous value': '[-2,1e308]',
  'a value beyond every float': '[-2,1e999]',
  'a fraction': '[-2,65536.5]',
  'a string': '[-2,"20000"]',
  'null': '[-2,null]',
  'true and an object': '[-2,true,-2,{}]',
  'nested arrays': '[[-2,65536],[[[]]]]',
  'an odd length': '[-2,65536,-2]',
  'nothing': '[]',
  'a string for an id': '["-2",65536]',
  'an id beyond 32 bits': '[-99999999999,65536,4294967294,65536]',
  'a fractional id': '[-2.5,65536]',
  'the lowest id': '[-2147483648,65536,2147483648,65536]'
}

describe('push-mux demo fed by hand', () => {
  let demo
  before(async () => { demo = await startDemo() })
  after(() => demo?.stop())

  async function othersAreServed () {
    const fresh = await Raw.connect(demo.port)
    await within(fresh.hello(), 'hello on a fresh connection')
    assert.equal(await within(fresh.goodbye(), 'a goodbye on a fresh connection'), 1)
    assert.ok(demo.running, 'the server still runs')
  }

  for (const [what, bytes] of Object.entries(SURVIVES)) {
    test(`the session survives ${what}`, async () => {
      const raw = await Raw.connect(demo.port)
      await within(raw.send(...bytes).hello(), 'hello on the same connection')
      assert.equal(await within(raw.goodbye(), 'the goodbye'), 1)
      await othersAreServed()
    })
  }

  for (const [what, bytes] of Object.entries(MAY_CLOSE)) {
    test(`other connections survive ${what}`, async () => {
      const raw = await Raw.connect(demo.port)
      raw.send(...bytes, request(1000, ['hello'], ['again']))
      // Either it still answers or it closes; silence would be a stuck session.
      await within(Promise.race([raw.reply(1000).catch(() => {}), raw.closed]), 'an answer or the end')
      raw.socket.destroy()
      await othersAreServed()
    })
  }

  for (const [what, text] of Object.entries(GARBAGE_CREDIT)) {
    test(`a stream still completes when its credit is ${what}`, async () => {
      const raw = await Raw.connect(demo.port)
      const n = 200
      raw.send(control(), open(2, ['count'], [n, 400], 'source'), frame(STREAM | JSON_BODY, 1, text))
      await within(raw.hello(), 'hello on the same connection')
      raw.send(credits([-2, 2 ** 40]))
      assert.equal((await within(raw.endOf(2), 'the end of the source')).value, true)
      assert.equal(raw.frames.filter((frame) => frame.req === -2 && !frame.end).length, n)
      raw.send(end(2))
      assert.equal(await within(raw.goodbye(), 'the goodbye'), 1)
      await othersAreServed()
    })
  }

  test('control is answered with control, as a text body on id one', async () => {
    const raw = await Raw.connect(demo.port)
    raw.send(control())
    const answer = await within(raw.frame((frame) => frame.stream && frame.req === 1), 'the control stream of the server')
    assert.deepEqual({ kind: answer.kind, end: answer.end, value: answer.value }, { kind: TEXT, end: false, value: 'control' })
    await within(raw.hello(), 'hello')
    assert.ok(!raw.frames.some((frame) => frame.req === -1), 'the stream of the client is not refused')
    raw.socket.destroy()
  })

  test('a client that never opens control is never sent one', async () => {
    const raw = await Raw.connect(demo.port)
    raw.send(open(1, ['count'], [10], 'source'))
    await within(raw.endOf(1), 'count on id one')
    await within(raw.hello(), 'hello')
    assert.deepEqual(raw.frames.filter((frame) => frame.req > 0), [])
    raw.socket.destroy()
  })

  test('a stream on id one that carries the text control as data is not taken for a control stream', async () => {
    const raw = await Raw.connect(demo.port)
    raw.send(open(1, ['echo'], [], 'duplex'), frame(STREAM | TEXT, 1, 'control'))
    const back = await within(raw.reply(1), 'the echo')
    assert.deepEqual({ kind: back.kind, value: back.value }, { kind: TEXT, value: 'control' })
    raw.socket.destroy()
  })

  for (const [what, bytes] of Object.entries({
    'at the start': [GOODBYE],
    'twice': [GOODBYE, GOODBYE],
    'with a source running': [open(1, ['ticks'], [1], 'source'), GOODBYE],
    'with a sink open': [open(1, ['collect'], [], 'sink'), frame(STREAM | TEXT, 1, 'x'), GOODBYE],
    'after control': [control(), GOODBYE],
    'followed by more': [GOODBYE, request(5, ['hello'], ['x'])],
    'as an empty body on id zero and with every flag set': [frame(0xff, 0, '')]
  })) {
    test(`goodbye ${what} is answered with goodbye and the end`, async () => {
      const raw = await Raw.connect(demo.port)
      raw.send(...bytes)
      await within(raw.closed, 'the end')
      assert.equal(raw.goodbyes, 1)
      await othersAreServed()
    })
  }

  // What muxrpc takes for goodbye, and sends all the same: ssb-blobs ends a blob of 65,536 bytes so.
  for (const [what, bytes] of Object.entries({
    'data of a stream': [...echoed(1), frame(STREAM | BINARY, 1, '')],
    'a request': [frame(TEXT, 1, '')],
    'an end': [...echoed(1), frame(STREAM | END | JSON_BODY, 1, '')],
    'data for a stream that is not there': [frame(STREAM | BINARY, -5, '')]
  })) {
    test(`an empty body as ${what} is no goodbye`, async () => {
      const raw = await Raw.connect(demo.port)
      raw.send(...bytes)
      await within(raw.hello(), 'hello on the same connection')
      assert.equal(raw.goodbyes, 0)
      raw.socket.destroy()
    })
  }

  test('a frame may be split at every byte', async () => {
    const bytes = request(7, ['hello'], ['split'])
    for (let at = 1; at < bytes.length; at++) {
      const raw = await Raw.connect(demo.port)
      raw.send(bytes.subarray(0, at))
      // A turn of the loop makes two writes of it; the kernel may still join them, so this runs at every cut.
      await new Promise((resolve) => setTimeout(resolve, 2))
      raw.send(bytes.subarray(at))
      assert.equal((await within(raw.reply(7), 'hello')).value, 'hello, split!')
      raw.socket.destroy()
    }
  })

  test('a session fed one byte at a time serves as any other', async () => {
    const raw = await Raw.connect(demo.port)
    const bytes = Buffer.concat([control(), ...echoed(2), credits([-2, 65536]), request(3, ['add'], [1, 2])])
    for (const byte of bytes) {
      raw.socket.write(Buffer.from([byte]))
      await new Promise(setImmediate)
    }
    assert.equal((await within(raw.reply(3), 'add')).value, 3)
    assert.equal((await within(raw.reply(2), 'the echo')).value, 'ping')
    raw.socket.destroy()
  })

  test('data and ends that come after a stream has ended are dropped', async () => {
    const raw = await Raw.connect(demo.port)
    raw.send(...echoed(2), end(2))
    await within(raw.endOf(2), 'the end of the echo')
    const before = raw.frames.filter((frame) => frame.req === -2).length
    raw.send(frame(STREAM | TEXT, 2, 'late'), end(2), end(2), frame(STREAM | BINARY, 2, Buffer.from('later')))
    await within(raw.hello(), 'hello on the same connection')
    assert.equal(raw.frames.filter((frame) => frame.req === -2 && !frame.end).length, before - 1)
    assert.equal(await within(raw.goodbye(), 'the goodbye'), 1)
  })

  test('bad requests are answered with an error, each under its own id', async () => {
    const raw = await Raw.connect(demo.port)
    const bad = [{ name: ['hello'] }, { name: 5, args: [] }, { args: [] }, { name: [], args: [] }]
    bad.forEach((body, i) => raw.send(frame(JSON_BODY, 10 + i, body)))
    for (let i = 0; i < bad.length; i++) {
      const answer = await within(raw.reply(10 + i), `an answer to ${JSON.stringify(bad[i])}`)
      assert.ok(answer.end)
      assert.equal(typeof answer.value.message, 'string')
    }
    raw.socket.destroy()
  })

  test('an echo gives JSON strings back as JSON, so that an empty one is no goodbye', async () => {
    const raw = await Raw.connect(demo.port)
    raw.send(open(2, ['echo'], [], 'duplex'), frame(STREAM | JSON_BODY, 2, '""'), frame(STREAM | JSON_BODY, 2, '"x"'), end(2))
    await within(raw.endOf(2), 'the end of the echo')
    const back = raw.frames.filter((frame) => frame.req === -2 && !frame.end)
    assert.deepEqual(back.map(({ kind, value }) => [kind, value]), [[JSON_BODY, ''], [JSON_BODY, 'x']])
    assert.equal(await within(raw.goodbye(), 'the goodbye'), 1)
  })

  test('a length beyond the limit closes the connection before any body, without the memory for it', async () => {
    const before = residentMib(demo.pid)
    for (const flags of [JSON_BODY, STREAM | BINARY, STREAM | TEXT, STREAM | END | JSON_BODY]) {
      const head = Buffer.alloc(9)
      head[0] = flags
      head.writeUInt32BE(0xffffffff, 1)
      head.writeInt32BE(1, 5)
      const raw = await Raw.connect(demo.port)
      raw.send(head)
      await within(raw.closed, 'the end')
    }
    assert.ok(residentMib(demo.pid) - before < 64)
    await othersAreServed()
  })

  test('connections that vanish in the middle of a frame leave nothing behind', async () => {
    for (let i = 0; i < 50; i++) {
      const raw = await Raw.connect(demo.port)
      raw.send(control(), open(2, ['ticks'], [1], 'source'), request(3, ['hello'], ['x']).subarray(0, 5 + i % 20))
      await new Promise(setImmediate)
      raw.socket.resetAndDestroy()
    }
    await othersAreServed()
  })
})
