// secret-stack peers over net~shs and ws~shs: they dial `push-mux demo`, and `push-mux call` dials them.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import ssbKeys from 'ssb-keys'
import { MANIFEST, indexed, notAllowed, sample } from '../lib/demo.mjs'
import { connectMuxrpc } from '../lib/muxrpc-peer.mjs'
import { MAIN_NETWORK, OTHER_NETWORK, dialSecret, serveSecret } from '../lib/secret.mjs'
import { startStack } from '../lib/secret-stack-peer.mjs'
import { call, eventLog, portOf, run, scratch, startCall, startDemo, within } from './harness.mjs'

const folder = scratch()
const LISTEN = { net: 'net:127.0.0.1:0~shs', ws: 'ws://127.0.0.1:0~shs' }
const SCHEMES = Object.keys(LISTEN)
// Undefined leaves the choice to each side's own default, which is the main network.
const NETWORKS = { 'the main network': undefined, 'another network': OTHER_NETWORK }

/** A body is boxed in pieces of 4096 bytes together with its header of nine. */
const SIZES = [1, 4086, 4087, 4088, 4096, 8183, 8192, 65_535, 65_536, 1_000_000]
const BODIES = [
  ...SIZES.map((size) => Buffer.alloc(size, size % 251)),
  'a', 'grüße, 世界 🙂', 0, -1.5, true, false, null, [], {}, [1, [2, [3]]], { text: 'y'.repeat(100_000) }
]

const asJson = (body) => JSON.parse(JSON.stringify(body))

/** secret-stack answers out of a manifest of its own, in which no control stream and its own methods stand. */
const known = ({ control, ...rest }) => Object.keys(rest)

for (const [network, networkKey] of Object.entries(NETWORKS)) {
  describe(`secret-stack dials push-mux demo on ${network}`, () => {
    const secret = join(folder, `demo-${networkKey ? 'other' : 'main'}`)
    const keys = ssbKeys.createSync(secret)
    let demo
    let stack
    before(async () => {
      demo = await startDemo({ listen: Object.values(LISTEN), secret, networkKey })
      stack = await startStack({ schemes: ['net'], networkKey })
    })
    after(async () => {
      await stack?.stop()
      await demo?.stop()
    })

    test('the demo prints the address of each listener, with its port and its key', () => {
      const key = keys.public.split('.')[0]
      assert.deepEqual(demo.addresses, [
        `net:127.0.0.1:${portOf(demo.addresses[0])}~shs:${key}`, `ws://127.0.0.1:${portOf(demo.addresses[1])}~shs:${key}`
      ])
      for (const address of demo.addresses) assert.ok(portOf(address) > 0, address)
    })

    SCHEMES.forEach((scheme, at) => describe(`over ${scheme}`, () => {
      let peer
      before(async () => { peer = await within(stack.connect(demo.addresses[at]), 'the handshake') })
      const ask = (...args) => within(peer.request(...args), `an answer to ${args[0]}`)

      test('the remote is the one that was dialled', () => assert.equal(peer.rpc.id, keys.id))

      test('async and sync calls are answered', async () => {
        assert.equal(await ask(['hello'], 'world'), 'hello, world!')
        assert.equal(await within(peer.rpc.nested.hello('api'), 'a call of the generated api'), 'hello, api!')
        assert.equal(await ask(['add'], 2, 3), 5)
        assert.deepEqual(Object.keys(await ask('manifest')).sort(), Object.keys(MANIFEST).sort())
        await assert.rejects(ask(['fail'], 'on purpose'), { message: 'on purpose' })
        await assert.rejects(ask(['nope']), { message: notAllowed('nope') })
      })

      test('a source of numbers and a source of binary bodies arrive whole and in order', async () => {
        const numbers = []
        assert.equal((await within(peer.source(['count'], [3000], { onBody: (n) => numbers.push(n) }), 'count')).end, true)
        assert.deepEqual(numbers, Array.from({ length: 3000 }, (_, i) => i + 1))
        for (const size of [64, 4087, 4096, 70_000]) {
          const n = Math.min(4000, Math.ceil(4_000_000 / size))
          let i = 0
          const read = await within(peer.source(['count'], [n, size], {
            onBody: (body) => assert.equal(body.readUInt32BE(0), i++)
          }), 'count')
          assert.deepEqual(read, { messages: n, bytes: n * size, end: true })
        }
      })

      test('an aborted source stops and the connection carries on', async () => {
        assert.equal((await within(peer.source(['ticks'], [1], { abortAfter: 5 }), 'ticks')).messages, 5)
        await within(peer.source(['count'], [1e9, 1000], { abortAfter: 5 }), 'an abort of count')
        assert.equal(await ask(['hello'], 'again'), 'hello, again!')
      })

      for (const kind of ['binary', 'text', 'json']) {
        test(`a sink of ${kind} bodies is counted to the byte`, async () => {
          const sent = await within(peer.sink(['collect'], [], 2000, (i) => sample(kind, i, 300)), 'a sink')
          const collected = await within((async () => {
            for (;;) {
              const seen = await peer.request(['collected'])
              if (seen?.bytes === sent.bytes && seen.messages === sent.messages) return seen
            }
          })(), 'the count of the sink')
          assert.deepEqual(collected, { messages: 2000, bytes: sent.bytes })
        })
      }

      test('an echo keeps the kind and the value of every body, at and about the size of a box', async () => {
        const { bodies } = await within(peer.duplex(['echo'], [], BODIES), 'an echo')
        assert.deepEqual(bodies, BODIES)
      })

      test('streams and calls share a connection', async () => {
        const many = Array.from({ length: 500 }, (_, i) => sample(['binary', 'text', 'json'][i % 3], i, 2000))
        const [echo, ...rest] = await within(Promise.all([
          peer.duplex(['echo'], [], many),
          ...Array.from({ length: 4 }, () => peer.source(['count'], [500, 5000])),
          ...Array.from({ length: 50 }, (_, i) => peer.request(['hello'], String(i)))
        ]), 'all at once')
        assert.deepEqual(echo.bodies, many)
        for (const read of rest.slice(0, 4)) assert.deepEqual(read, { messages: 500, bytes: 2_500_000, end: true })
        assert.deepEqual(rest.slice(4), Array.from({ length: 50 }, (_, i) => `hello, ${i}!`))
      })

      test('a graceful close completes after every kind of call', async () => {
        const own = await within(stack.connect(demo.addresses[at]), 'the handshake')
        await within(own.source(['count'], [10]), 'count')
        await within(own.source(['ticks'], [1], { abortAfter: 2 }), 'ticks')
        await within(own.sink(['collect'], [], 10, (i) => i), 'collect')
        await within(own.duplex(['echo'], [], [1, 2, 3]), 'echo')
        await within(own.close(), 'the close')
      })
    }))

    test('ten identities at once are told apart and served', async () => {
      const stacks = await Promise.all(Array.from({ length: 10 }, () => startStack({ schemes: ['net'], networkKey })))
      try {
        const read = await within(Promise.all(stacks.map(async ({ connect }, i) => {
          const peer = await connect(demo.addresses[i % 2])
          return peer.source(['count'], [200, 3000])
        })), 'ten peers')
        for (const { bytes } of read) assert.equal(bytes, 600_000)
      } finally {
        await Promise.all(stacks.map((one) => one.stop()))
      }
    })
  })

  describe(`push-mux call dials secret-stack on ${network}`, () => {
    const secret = join(folder, `call-${networkKey ? 'other' : 'main'}`)
    const log = eventLog()
    let id
    let stack
    before(async () => {
      const made = await run('keygen', '--secret', secret)
      assert.equal(made.code, 0, made.errors)
      id = made.bytes.toString().trim()
      stack = await startStack({ networkKey, log })
    })
    after(() => stack?.stop())

    SCHEMES.forEach((scheme, at) => describe(`over ${scheme}`, () => {
      const start = (method, args, options) =>
        call(stack.addresses[at], method, args, { secret, networkKey, ...options })
      async function finished (...args) {
        const result = await start(...args)
        assert.equal(result.code, 0, result.errors)
        return result
      }

      test('the peer learns our identity', async () => {
        log.events.length = 0
        await finished('hello', ['x'])
        const seen = await log.next(({ event }) => event === 'connected', 'the connection')
        assert.deepEqual({ id: seen.id, isClient: seen.isClient }, { id, isClient: false })
        await log.next(({ event }) => event === 'closed', 'the end of the connection')
      })

      test('async and sync results are printed as JSON', async () => {
        assert.deepEqual((await finished('hello', ['Rust'])).lines, ['hello, Rust!'])
        assert.deepEqual((await finished('nested.hello', ['Rust'])).lines, ['hello, Rust!'])
        assert.deepEqual((await finished('add', [2, 3])).lines, [5])
        const [manifest] = (await finished('manifest', [])).lines
        for (const name of known(MANIFEST)) assert.deepEqual(manifest[name], MANIFEST[name])
      })

      test('errors and refusals end the command with 1 and the message of the peer', async () => {
        const failed = await start('fail', ['it was on purpose'])
        assert.equal(failed.code, 1)
        assert.match(failed.errors, /it was on purpose/)
        const refused = await start('nested.nope', [])
        assert.equal(refused.code, 1)
        assert.ok(refused.errors.includes(notAllowed(['nested', 'nope'])), refused.errors)
      })

      test('a source is printed as lines of JSON, or as bytes with --raw', async () => {
        assert.deepEqual((await finished('count', [500])).lines, Array.from({ length: 500 }, (_, i) => i + 1))
        const { bytes } = await finished('count', [1000, 5000], { raw: true })
        assert.ok(bytes.equals(Buffer.concat(Array.from({ length: 1000 }, (_, i) => indexed(i, 5000)))))
      })

      test('a sink and an echo are fed from standard input', async () => {
        const bodies = Array.from({ length: 500 }, (_, i) => sample(i % 2 ? 'json' : 'text', i, 100))
        const input = bodies.map((body) => JSON.stringify(body) + '\n').join('')
        await finished('collect', [], { input })
        const collected = await log.next(({ event }) => event === 'collected', 'the end of the sink')
        assert.deepEqual({ messages: collected.messages, clean: collected.clean }, { messages: 500, clean: true })
        assert.deepEqual((await finished('echo', [], { input })).lines, bodies.map(asJson))
      })

      test('a source stops at the peer when the command is interrupted', async () => {
        log.events.length = 0
        const child = startCall(stack.addresses[at], 'ticks', [1], { secret, networkKey })
        await within(new Promise((resolve, reject) => {
          child.stdout.once('data', resolve)
          child.done.then(() => reject(new Error(child.errors)))
        }), 'a tick')
        child.kill('SIGINT')
        await within(child.done, 'the end of the command')
        await log.next(({ event }) => event === 'source-stopped', 'the abort')
        await log.next(({ event }) => event === 'closed', 'the end of the connection')
      })
    }))
  })
}

describe('what secret-stack has no plugin for', () => {
  const secret = join(folder, 'unix')
  const keys = ssbKeys.createSync(secret)

  test('one demo listens on all kinds of addresses at once', async () => {
    const socket = join(folder, 'demo.sock')
    const demo = await startDemo({ listen: [...Object.values(LISTEN), `unix:${socket}~noauth`, 'net:127.0.0.1:0'], secret })
    try {
      assert.equal(demo.addresses[2], `unix:${socket}~noauth`)
      const peers = await within(Promise.all([
        dialSecret(demo.addresses[0]), dialSecret(demo.addresses[1]), dialSecret(demo.addresses[2], { keys }),
        connectMuxrpc(portOf(demo.addresses[3]))
      ]), 'the connections')
      for (const peer of peers) {
        assert.equal(await within(peer.request(['hello'], 'x'), 'hello'), 'hello, x!')
        assert.deepEqual(await within(peer.source(['count'], [500, 5000]), 'count'),
          { messages: 500, bytes: 2_500_000, end: true })
        assert.deepEqual((await within(peer.duplex(['echo'], [], BODIES), 'echo')).bodies, BODIES)
      }
      for (const peer of peers) await within(peer.close(), 'the close')
    } finally {
      await demo.stop()
    }
  })

  test('push-mux call dials unix~noauth of multiserver', async () => {
    // multiserver makes a file `socket` in the folder that it is given.
    const server = await serveSecret('unix', { where: folder })
    try {
      assert.equal(server.address, `unix:${join(folder, 'socket')}~noauth`)
      const { lines, errors } = await call(server.address, 'hello', ['x'], { secret })
      assert.deepEqual(lines, ['hello, x!'], errors)
      assert.equal((await call(server.address, 'count', [500, 5000], { secret, raw: true })).bytes.length, 2_500_000)
    } finally {
      server.stop()
    }
  })

  test('the main network may also be named', async () => {
    const server = await serveSecret('net')
    try {
      const { lines, errors } = await call(server.address, 'hello', ['x'], { secret, networkKey: MAIN_NETWORK })
      assert.deepEqual(lines, ['hello, x!'], errors)
    } finally {
      server.stop()
    }
  })
})
