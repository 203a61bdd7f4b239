// The command-line peers themselves: each drives, or is driven by, the binary once in a process of its own.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { MANIFEST, notAllowed } from '../lib/demo.mjs'
import { call, runScript, startDemo, startScript } from './harness.mjs'

const outcome = (lines, name) => lines.find(({ call }) => call === name)

describe('the command-line clients against push-mux demo', () => {
  let demo
  before(async () => { demo = await startDemo() })
  after(() => demo?.stop())

  for (const [script, args] of [
    ['push-mux-client.mjs', ['--credit', 0]],
    ['push-mux-client.mjs', ['--credit', 65536]],
    ['push-mux-client.mjs', ['--credit', 65536, '--tcp-pause', '--kind', 'json']],
    ['muxrpc-client.mjs', []]
  ]) {
    test(`${[script, ...args].join(' ')} calls every method`, async () => {
      const lines = await runScript(script, ['--port', demo.port, ...args])
      assert.equal(outcome(lines, 'hello').value, 'hello, world!')
      assert.equal(outcome(lines, 'nested.hello').value, 'hello, world!')
      assert.equal(outcome(lines, 'add').value, 5)
      assert.equal(outcome(lines, 'fail').error.message, 'on purpose')
      assert.equal(outcome(lines, 'nope').error.message, notAllowed('nope'))
      assert.deepEqual(outcome(lines, 'manifest').value, MANIFEST)
      assert.equal(outcome(lines, 'count').messages, 1000)
      assert.equal(outcome(lines, 'ticks').messages, 3)
      assert.equal(outcome(lines, 'collected').value.messages, 1000)
      assert.equal(outcome(lines, 'echo').messages, 1000)
      assert.equal(lines.at(-1).event, 'done')
    })
  }

  for (const mode of ['source', 'sink', 'echo']) {
    test(`the push-mux client runs ten streams of mode ${mode}`, async () => {
      const lines = await runScript('push-mux-client.mjs', ['--port', demo.port, '--mode', mode, '--streams', 10, '--size', 500])
      const runs = lines.filter(({ call }) => call === mode)
      assert.equal(runs.length, 10)
      for (const run of runs) assert.equal(run.messages, 1000)
    })
  }

  for (const protocol of ['push-mux', 'muxrpc']) {
    for (const [scenario, streams] of [['source', 4], ['sink', 1], ['ping-pong', 4], ['async', 4]]) {
      test(`the bench client of ${protocol} measures ${scenario} and reports one result`, async () => {
        const lines = await runScript('bench-client.mjs',
          ['--port', demo.port, '--peer', protocol, '--scenario', scenario, '--messages', 2000, '--size', 512, '--streams', streams])
        assert.equal(lines.length, 1)
        assert.deepEqual([lines[0].messages, lines[0].errors], [2000, 0])
        assert.equal(lines[0].latency_us !== null, ['ping-pong', 'async'].includes(scenario))
        assert.deepEqual(Object.keys(lines[0]).slice(0, 6), ['peer', 'scenario', 'messages', 'seconds', 'bytes', 'cpu_seconds'])
      })
    }
  }
})

test('the bench client tells how far a stalled run came', async () => {
  // push-mux 1.0.7 grants once half its own credit has come, and a sender with much less stops before that.
  const server = await startScript('bench-server.mjs', ['--credit', 65536])
  try {
    const client = runScript('bench-client.mjs',
      ['--port', server.port, '--credit', 1048576, '--messages', 1000, '--size', 4096, '--patience', 1])
    await assert.rejects(client, /ended with 3: \{"event":"stalled","messages":\d+\}/)
  } finally {
    await server.stop()
  }
})

describe('push-mux call against the command-line servers', () => {
  for (const [script, ...args] of [
    ['push-mux-server.mjs', '--credit', 0], ['push-mux-server.mjs', '--tcp-pause'], ['muxrpc-server.mjs'],
    ['bench-server.mjs', '--peer', 'push-mux'], ['bench-server.mjs', '--peer', 'muxrpc']
  ]) {
    test(`${[script, ...args].join(' ')} is served from`, async () => {
      const server = await startScript(script, args)
      try {
        assert.deepEqual((await call(server.port, 'hello', ['x'])).lines, ['hello, x!'])
        const { bytes } = await call(server.port, 'count', [3000, 100], { raw: true })
        assert.equal(bytes.length, 300_000)
        for (let i = 0; i < 3000; i++) assert.equal(bytes.readUInt32BE(i * 100), i)
      } finally {
        await server.stop()
      }
    })
  }
})
