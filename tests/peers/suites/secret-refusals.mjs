// Handshakes that must fail: the wrong network, the wrong server, a peer that is not wanted, and bytes that are no handshake.
import assert from 'node:assert/strict'
import net from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import ssbKeys from 'ssb-keys'
import { GOODBYE, request } from '../lib/frames.mjs'
import { startRelay } from '../lib/relay.mjs'
import { HOST, OTHER_NETWORK, dialSecret, newKeys, serveSecret, withKey, withPort } from '../lib/secret.mjs'
import { startStack } from '../lib/secret-stack-peer.mjs'
import { call, eventLog, portOf, scratch, sleep, startDemo, within } from './harness.mjs'

const folder = scratch()
const secret = join(folder, 'secret')
const keys = ssbKeys.createSync(secret)
const SCHEMES = ['net', 'ws']

/** Well below the five seconds after which a handshake is given up: a refusal is told by closing, not by silence. */
const PROMPT = 4_000
const HELLO = 64

describe('push-mux demo refuses', () => {
  let demo
  before(async () => { demo = await startDemo({ listen: ['net:127.0.0.1:0~shs', 'ws://127.0.0.1:0~shs'], secret }) })
  after(() => demo?.stop())

  /** Dials through a relay, expects a failure at once, and returns what the demo said by then. */
  async function refused (at, options, keysThere = keys) {
    const relay = await startRelay(portOf(demo.addresses[at]))
    const stack = await startStack({ schemes: ['net'], ...options })
    try {
      const address = withKey(withPort(demo.addresses[at], relay.port), keysThere)
      await assert.rejects(within(stack.connect(address), 'the refusal', PROMPT), /hung up|hangup|error/i)
      return relay
    } finally {
      await stack.stop()
      await relay.stop()
    }
  }

  async function stillServes () {
    for (const address of demo.addresses) {
      const peer = await within(dialSecret(address), 'the handshake')
      assert.equal(await within(peer.request(['hello'], 'x'), 'hello'), 'hello, x!')
      await within(peer.close(), 'the close')
    }
    assert.ok(demo.running)
  }

  test('a peer of another network, without a word', async () => {
    const { received, sent } = await refused(0, { networkKey: OTHER_NETWORK })
    assert.deepEqual({ received, sent }, { received: 0, sent: HELLO })
    await stillServes()
  })

  test('a peer of another network over ws, with no more than the answer of HTTP', async () => {
    const main = await startRelay(portOf(demo.addresses[1]))
    const socket = net.connect(main.port, HOST)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n')
    const answer = await within(new Promise((resolve) => socket.once('data', resolve)), 'the answer of HTTP')
    assert.match(answer.toString(), /^HTTP\/1\.1 101 /)
    socket.destroy()
    await main.stop()
    const { received } = await refused(1, { networkKey: OTHER_NETWORK })
    // A frame that closes a WebSocket has at most 127 bytes here; a hello would make it longer than that.
    assert.ok(received < answer.length + 16, `${received} bytes after an HTTP answer of ${answer.length}`)
    await stillServes()
  })

  for (const [at, scheme] of SCHEMES.entries()) {
    test(`a peer that wants another server over ${scheme}, once it has said so`, async () => {
      const { received } = await refused(at, {}, newKeys())
      if (scheme === 'net') assert.equal(received, HELLO)
      await stillServes()
    })
  }

  for (const [what, bytes] of [
    ['muxrpc without a transport', Buffer.concat([request(1, ['hello'], ['x']), Buffer.alloc(HELLO)])],
    ['a goodbye and noise', Buffer.concat([GOODBYE, Buffer.alloc(500, 0xa5)])],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: someone\r\n\r\n')],
    ['a megabyte of zeros', Buffer.alloc(1 << 20)]
  ]) {
    test(`${what} on the port of shs, without a word`, async () => {
      const socket = net.connect(portOf(demo.addresses[0]), HOST)
      let received = 0
      socket.on('data', (chunk) => { received += chunk.length })
      socket.on('error', () => {})
      socket.write(bytes)
      await within(new Promise((resolve) => socket.once('close', resolve)), 'the end of the connection', PROMPT)
      assert.equal(received, 0)
      await stillServes()
    })
  }

  test('half a hello that is then ended, and silent connections do not keep others out', async () => {
    const half = net.connect(portOf(demo.addresses[0]), HOST)
    half.end(Buffer.alloc(HELLO / 2))
    const silent = Array.from({ length: 60 }, (_, i) => net.connect(portOf(demo.addresses[i % 2]), HOST))
    for (const socket of silent) socket.on('error', () => {})
    await within(new Promise((resolve) => half.once('close', resolve)), 'the end of half a hello', PROMPT)
    await stillServes()
    for (const socket of silent) socket.destroy()
  })
})

describe('push-mux call reports', () => {
  /** Runs a call that must fail at once, with 1 and a reason. */
  async function failing (address, options = {}) {
    const { code, errors, bytes } = await within(call(address, 'hello', ['x'], { secret, ...options }), 'the failure', PROMPT)
    assert.equal(code, 1)
    assert.equal(bytes.length, 0)
    assert.match(errors, /handshake|refus|hung up|closed|network key|authori[sz]ed/i)
    assert.doesNotMatch(errors, /panicked/)
    return errors
  }

  for (const scheme of SCHEMES) {
    for (const [what, options, address] of [
      ['another network', { networkKey: OTHER_NETWORK }, (served) => served],
      ['another server key', {}, (served) => withKey(served, newKeys())]
    ]) {
      test(`a server of ${what} over ${scheme}`, async () => {
        const log = eventLog()
        const server = await serveSecret(scheme, { log })
        try {
          await failing(address(server.address), options)
          const { message } = await log.next(({ event }) => event === 'refused', 'the refusal')
          assert.match(message, /shs\.server/)
          await sleep(50)
          assert.ok(!log.events.some(({ event }) => event === 'connected'))
        } finally {
          server.stop()
        }
      })
    }

    test(`a secret-stack whose auth hook does not want us, over ${scheme}`, async () => {
      const asked = []
      const stack = await startStack({
        schemes: [scheme],
        auth: (id, cb) => {
          asked.push(id)
          cb(asked.length % 2 ? null : new Error('you are banned'), false)
        }
      })
      try {
        await failing(stack.addresses[0])
        await failing(stack.addresses[0])
        assert.deepEqual(asked, [keys.id, keys.id])
      } finally {
        await stack.stop()
      }
    })

    test(`a secret-stack that lets nobody in but one, over ${scheme}`, async () => {
      const stack = await startStack({ schemes: [scheme], auth: (id, cb) => cb(null, id === keys.id) })
      try {
        const { code, lines, errors } = await call(stack.addresses[0], 'hello', ['x'], { secret })
        assert.equal(code, 0, errors)
        assert.deepEqual(lines, ['hello, x!'])
      } finally {
        await stack.stop()
      }
    })
  }

  for (const [what, answer] of [
    ['closes at once', (socket) => socket.end()],
    ['answers with HTTP', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'.padEnd(200))],
    ['gives our hello back', (socket) => socket.on('data', (chunk) => socket.write(chunk))],
    ['speaks plain muxrpc', (socket) => socket.write(Buffer.concat([request(1, ['hello'], ['x']), Buffer.alloc(HELLO)]))]
  ]) {
    test(`a server that ${what}`, async () => {
      const server = net.createServer((socket) => {
        socket.on('error', () => {})
        answer(socket)
      })
      await new Promise((resolve) => server.listen(0, HOST, resolve))
      try {
        await failing(withKey(`net:${HOST}:${server.address().port}~shs:`, newKeys()))
      } finally {
        server.close()
      }
    })
  }
})
