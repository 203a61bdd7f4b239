// `push-mux call` against JavaScript servers of both protocols.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { MANIFEST, indexed, notAllowed, sample } from '../lib/demo.mjs'
import { serveMuxrpc } from '../lib/muxrpc-peer.mjs'
import { servePush } from '../lib/push-demo.mjs'
import { call, eventLog, startCall, stopServer, within } from './harness.mjs'

const asJson = (body) => JSON.parse(JSON.stringify(body))
const lines = (bodies) => bodies.map((body) => JSON.stringify(body) + '\n').join('')

const SERVERS = {
  'a push-mux server with credit': (options) => servePush({ ...options, credit: 65536 }),
  'a push-mux server without credit': (options) => servePush({ ...options, credit: 0 }),
  'a muxrpc server': serveMuxrpc
}
const MODES = { default: undefined, offer: 'offer', respond: 'respond', auto: 'auto', off: 'off' }

for (const [what, serve] of Object.entries(SERVERS)) {
  for (const [name, mode] of Object.entries(MODES)) {
    describe(`push-mux call of ${what} in credit mode ${name}`, () => {
      const sockets = new Set()
      const log = eventLog()
      let server
      let port
      before(async () => {
        server = await serve({ log })
        server.on('connection', (socket) => sockets.add(socket))
        port = server.address().port
      })
      after(() => stopServer(server, sockets))

      async function run (method, ...args) {
        const result = await call(port, method, args, { mode })
        assert.equal(result.code, 0, result.errors)
        return result
      }
      const answer = async (...args) => JSON.parse((await run(...args)).bytes.toString())

      test('async and sync results are printed as JSON', async () => {
        assert.equal(await answer('hello', 'Rust'), 'hello, Rust!')
        assert.equal(await answer('nested.hello', 'Rust'), 'hello, Rust!')
        assert.equal(await answer('add', 2, 3), 5)
        assert.deepEqual(await answer('collected'), { messages: 0, bytes: 0 })
        assert.deepEqual(await answer('manifest'), MANIFEST)
      })

      test('an error ends the command with 1 and the message of the peer', async () => {
        const { code, errors } = await call(port, 'fail', ['it was on purpose'], { mode })
        assert.equal(code, 1)
        assert.match(errors, /it was on purpose/)
      })

      test('an unknown method ends the command with 1 and the refusal of the peer', async () => {
        for (const method of ['nope', 'nested.nope']) {
          const { code, errors } = await call(port, method, [], { mode })
          assert.equal(code, 1)
          assert.ok(errors.includes(notAllowed(method.split('.'))), errors)
        }
      })

      test('a source is printed as lines of JSON, or as bytes with --raw', async () => {
        assert.deepEqual((await run('count', 500)).lines, Array.from({ length: 500 }, (_, i) => i + 1))
        assert.deepEqual((await run('count', 20, 7)).lines, Array.from({ length: 20 }, (_, i) => asJson(indexed(i, 7))))
        const { bytes } = await call(port, 'count', [300, 3000], { mode, raw: true })
        assert.ok(bytes.equals(Buffer.concat(Array.from({ length: 300 }, (_, i) => indexed(i, 3000)))))
      })

      test('a sink is fed from the lines of standard input until they end', async () => {
        const bodies = Array.from({ length: 500 }, (_, i) => sample(i % 2 ? 'json' : 'text', i, 100))
        const { code, errors } = await call(port, 'collect', [], { mode, input: lines(bodies) })
        assert.equal(code, 0, errors)
        const collected = await log.next(({ event }) => event === 'collected', 'the end of the sink')
        assert.deepEqual({ messages: collected.messages, clean: collected.clean }, { messages: 500, clean: true })
      })

      test('an echo gives every line back, of all three kinds of body', async () => {
        const kinds = ['binary', 'text', 'json']
        const bodies = Array.from({ length: 200 }, (_, i) => sample(kinds[i % 3], i, 50))
        bodies.push(1.5, [1, [2]], 'grüße 🙂')
        const { code, errors, lines: back } = await call(port, 'echo', [], { mode, input: lines(bodies) })
        assert.equal(code, 0, errors)
        assert.deepEqual(back, bodies.map(asJson))
      })

      test('a source stops at the server when the command is interrupted', async () => {
        log.events.length = 0
        const child = startCall(port, 'ticks', [1], { mode })
        await within(new Promise((resolve, reject) => {
          let text = ''
          child.stdout.on('data', (chunk) => {
            text += chunk
            if (text.split('\n').length > 5) resolve()
          })
          child.done.then(() => reject(new Error(child.errors)))
        }), 'five ticks')
        child.kill('SIGINT')
        await within(child.done, 'the end of the command')
        const stopped = await log.next(({ event }) => event === 'source-stopped', 'the abort')
        assert.ok(stopped.sent >= 5)
      })

      test('every command has closed its connection', async () => {
        await within(Promise.all([...sockets].map((socket) =>
          socket.destroyed || new Promise((resolve) => socket.once('close', resolve)))), 'the connections to close')
      })
    })
  }
}

describe('addresses and servers that go away', () => {
  test('push-mux call takes host:port and unix:/path', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'push-mux-peers-'))
    const path = join(folder, 'socket')
    const servers = [await serveMuxrpc(), await servePush({ path, credit: 65536 })]
    try {
      assert.deepEqual((await call(`127.0.0.1:${servers[0].address().port}`, 'hello', ['x'])).lines, ['hello, x!'])
      assert.deepEqual((await call(`unix:${path}`, 'hello', ['x'])).lines, ['hello, x!'])
      assert.equal((await call(`unix:${path}`, 'count', [2000, 500], { raw: true })).bytes.length, 1_000_000)
    } finally {
      await Promise.all(servers.map((server) => stopServer(server)))
      await rm(folder, { recursive: true })
    }
  })

  test('push-mux call of a port where nobody listens ends with 1', async () => {
    const server = await serveMuxrpc()
    const { port } = server.address()
    await stopServer(server)
    const { code, errors } = await call(port, 'hello', ['x'])
    assert.equal(code, 1)
    assert.notEqual(errors, '')
  })

  test('push-mux call of a server that closes at once ends with an error, not a hang', async () => {
    const server = await serveMuxrpc({ onConnection: (rpc, socket) => socket.destroy() })
    const { code } = await call(server.address().port, 'hello', ['x'])
    assert.notEqual(code, 0)
    await stopServer(server)
  })

  test('push-mux call of a server that says goodbye in the middle of a source ends with an error, not a hang', async () => {
    const sockets = new Set()
    const server = await serveMuxrpc({
      onConnection: (rpc, socket) => {
        sockets.add(socket)
        setTimeout(() => rpc.close(true), 300)
      }
    })
    const { code } = await call(server.address().port, 'ticks', [1])
    assert.notEqual(code, 0)
    await stopServer(server, sockets)
  })
})
