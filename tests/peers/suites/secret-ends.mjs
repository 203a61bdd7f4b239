// How encrypted connections end: in good order, and cut, spoilt, killed or idle.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import ssbKeys from 'ssb-keys'
import { GOODBYE, JSON_BODY, frame, parse, request, splitter } from '../lib/frames.mjs'
import { startRelay } from '../lib/relay.mjs'
import { Line, dialSecret, dialStream, serveSecret, withPort } from '../lib/secret.mjs'
import { startStack } from '../lib/secret-stack-peer.mjs'
import {
  call, eventLog, openFiles, portOf, scratch, settled, spawnScript, startCall, startDemo, startScript, until,
  within
} from './harness.mjs'

const folder = scratch()
const secret = join(folder, 'secret')
ssbKeys.createSync(secret)
const SCHEMES = ['net', 'ws']

/** Everything a child prints until `lines` lines have come. */
function printed (child, lines) {
  return within(new Promise((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
      if (text.split('\n').length > lines) resolve(text)
    })
    child.once('close', () => reject(new Error(`it ended early: ${text}`)))
  }), `${lines} lines`)
}

describe('push-mux demo survives', () => {
  let demo
  before(async () => {
    demo = await startDemo({ listen: ['net:127.0.0.1:0~shs', 'ws://127.0.0.1:0~shs'], secret })
    // Whatever the demo opens once and keeps is open after this.
    await serves()
  })
  after(() => demo?.stop())

  async function serves () {
    for (const address of demo.addresses) {
      const peer = await within(dialSecret(address), 'the handshake')
      assert.equal(await within(peer.request(['hello'], 'x'), 'hello'), 'hello, x!')
      await within(peer.close(), 'the close')
    }
    assert.ok(demo.running)
  }

  /** Runs `harm` on a demo with a peer in the middle of a stream, and waits until the demo has let go of everything. */
  async function freed (harm) {
    const before = await settled(() => openFiles(demo.pid), 'the files of the demo')
    await harm()
    await until(() => openFiles(demo.pid) <= before, 'the demo to close what was dropped')
    await serves()
  }

  for (const [at, scheme] of SCHEMES.entries()) {
    test(`a secret-stack that is killed in the middle of a stream over ${scheme}`, () => freed(async () => {
      const child = spawnScript('secret-stack-client.mjs', ['--address', demo.addresses[at]])
      await printed(child, 10)
      child.kill('SIGKILL')
    }))

    for (const [what, harm] of [
      ['is cut off', (relay) => relay.truncate()], ['is reset', (relay) => relay.reset()],
      ['has a bit turned', (relay) => relay.turn('sent')]
    ]) {
      test(`a connection over ${scheme} that ${what} in the middle of two streams`, () => freed(async () => {
        const relay = await startRelay(portOf(demo.addresses[at]))
        const peer = await within(dialSecret(withPort(demo.addresses[at], relay.port)), 'the handshake')
        let ticks = 0
        const reading = peer.source(['ticks'], [1], { onBody: () => ticks++ })
        // Something must be on its way for a bit of it to be turned.
        peer.sink(['collect'], [], 1e6, () => Buffer.alloc(100)).catch(() => {})
        await until(() => ticks > 10, 'ten ticks')
        harm(relay)
        const { end } = await within(reading, 'the end of the stream')
        assert.notEqual(end, true)
        await until(relay.idle, 'the connections to be closed')
        await relay.stop()
      }))
    }

    test(`a secret-stack over ${scheme} that drops the connection for being idle`, () => freed(async () => {
      const stack = await startStack({ schemes: ['net'], inactivity: 1000 })
      const peer = await within(stack.connect(demo.addresses[at]), 'the handshake')
      assert.equal(await peer.request(['hello'], 'x'), 'hello, x!')
      // An open stream on which nothing comes does not keep the connection.
      const reading = peer.source(['ticks'], [3_600_000])
      await within(peer.closed, 'the end of the idle connection', 20_000)
      await within(reading, 'the end of the stream')
      await stack.stop()
    }))
  }
})

describe('push-mux demo ends in good order', () => {
  for (const [at, scheme] of SCHEMES.entries()) {
    test(`GOODBYE over ${scheme} is answered, then comes the goodbye of the box stream`, async () => {
      const demo = await startDemo({ listen: ['net:127.0.0.1:0~shs', 'ws://127.0.0.1:0~shs'], secret })
      try {
        const chunks = []
        const line = new Line(await dialStream(demo.addresses[at]), (chunk) => chunks.push(chunk))
        line.send(request(1, ['hello'], ['x']))
        const bytes = () => Buffer.concat(chunks)
        await until(() => bytes().includes('hello, x!'), 'the answer')
        line.send(GOODBYE)
        assert.equal(await within(line.ended, 'the end of the box stream'), true)
        assert.deepEqual(bytes().subarray(-GOODBYE.length), GOODBYE)
        line.end()
      } finally {
        await demo.stop()
      }
    })
  }
})

describe('push-mux call', () => {
  for (const scheme of SCHEMES) {
    test(`says GOODBYE over ${scheme}, then the goodbye of the box stream`, async () => {
      let line
      let frames = 0
      let goodbyes = 0
      const server = await serveSecret(scheme, {
        onStream (stream) {
          line = new Line(stream, splitter((bytes) => {
            if (bytes.length === GOODBYE.length) {
              goodbyes++
              return line.send(GOODBYE)
            }
            frames++
            const { req, stream, value } = parse(bytes)
            if (stream || req <= 0) return
            // The name of the manifest's request is a string or a path.
            const result = [].concat(value.name)[0] === 'hello' ? 'hello!' : { hello: 'async' }
            line.send(frame(JSON_BODY, -req, JSON.stringify(result)))
          }))
        }
      })
      try {
        const { code, lines, errors } = await call(server.address, 'hello', ['x'], { secret })
        assert.equal(code, 0, errors)
        assert.deepEqual(lines, ['hello!'])
        assert.equal(await within(line.ended, 'the end of the box stream'), true)
        assert.equal(goodbyes, 1)
        assert.ok(frames >= 1)
      } finally {
        line?.end()
        server.stop()
      }
    })

    for (const [what, harm] of [
      ['is cut off', (relay) => relay.truncate()], ['is reset', (relay) => relay.reset()],
      ['has a bit turned', (relay) => relay.turn('received')]
    ]) {
      test(`ends with an error when the line over ${scheme} ${what} in the middle of a source`, async () => {
        const log = eventLog()
        const server = await serveSecret(scheme, { log })
        const relay = await startRelay(portOf(server.address))
        try {
          const child = startCall(withPort(server.address, relay.port), 'ticks', [1], { secret })
          await printed(child, 10)
          harm(relay)
          const { code } = await within(child.done, 'the end of the command')
          assert.equal(code, 1)
          assert.notEqual(child.errors, '')
          assert.doesNotMatch(child.errors, /panicked/)
          await log.next(({ event }) => event === 'source-stopped', 'the end of the source')
        } finally {
          await relay.stop()
          server.stop()
        }
      })
    }

    test(`ends with an error when a secret-stack is killed in the middle of a source over ${scheme}`, async () => {
      const server = await startScript('secret-stack-server.mjs')
      const child = startCall(server.addresses[SCHEMES.indexOf(scheme)], 'ticks', [1], { secret })
      await printed(child, 10)
      await server.stop()
      const { code } = await within(child.done, 'the end of the command')
      assert.equal(code, 1)
      assert.notEqual(child.errors, '')
    })

    test(`ends with an error when a secret-stack over ${scheme} drops it for being idle`, async () => {
      const stack = await startStack({ schemes: [scheme], inactivity: 1000 })
      try {
        const { code, errors } = await call(stack.addresses[0], 'ticks', [3_600_000], { secret })
        assert.equal(code, 1)
        assert.notEqual(errors, '')
      } finally {
        await stack.stop()
      }
    })
  }
})
