// How fast the JavaScript peers take a feed in: one line of JSON per run, with the seconds of wall and processor time of the
// receiving process alone. Every receiver is a process of its own, which exits when it holds the last message.
//
//   node bench-replication.mjs --messages 20000              all runs: ssb-db2 by EBT, ssb-server by history streams and by
//                                                            EBT 5, and ssb-validate alone, on the same feed
//   node bench-replication.mjs --mode pull --server net:HOST:PORT~shs:KEY --feed @ID --messages N
//                                                            a fresh ssb-db2 peer takes N messages from that server
//   node bench-replication.mjs --mode push --server ADDRESS --messages N
//                                                            sends a feed by hand to a server that replicates it, over EBT; its id
//                                                            is printed first and is the same in every run: see --mode id
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssbKeys from 'ssb-keys'
import { Feed } from './lib/feed.mjs'
import { cpuSeconds, guard, options, print } from './lib/script.mjs'

const { mode, server, feed: feedId, messages, size, patience } =
  options({ mode: 'all', server: '', feed: '', messages: 10_000, size: 200, patience: 180 })
guard(patience * 1000, () => ({ mode }))

/** The same feed in every run: its author is known, only the times differ. */
const KEYS = ssbKeys.generate('ed25519', Buffer.alloc(32, 'replication'))

const folder = mkdtempSync(join(tmpdir(), 'push-mux-replication-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/** Wall and processor time since now, without what the start of the process took. */
function stopwatch () {
  const [began, cpu] = [performance.now(), cpuSeconds()]
  return () => ({ seconds: (performance.now() - began) / 1000, cpu_s: cpuSeconds() - cpu })
}

function report (peer, count, { seconds, cpu_s: cpu }, rest = {}) {
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? NaN) / 1024
  print({
    peer, messages: count, seconds: round(seconds), cpu_s: round(cpu), messages_per_s: Math.round(count / seconds),
    messages_per_cpu_s: Math.round(count / cpu), peak_mib: Math.round(peak), ...rest
  })
}

const round = (x) => Math.round(x * 1000) / 1000

/** Receives a feed from an address, from the first message to the last. */
async function receive (name, peer, address, id, count) {
  const whole = stopwatch()
  let first
  const done = new Promise((resolve) => {
    const look = () => {
      // The clock stands on the first message: what a connection costs is in `connect_s`.
      if (peer.latest(id) > 0) first ??= { since: stopwatch(), connect: whole() }
      if (peer.latest(id) >= count) resolve()
      else setTimeout(look, 1)
    }
    look()
  })
  peer.request(id)
  await peer.connect(address)
  await done
  report(name, count, whole(), { connect_s: round(first.connect.seconds), after_first_s: round(first.since().seconds) })
  process.exit(0)
}

/** Runs another mode of this script and gives its lines. */
function sub (args, { keep = false } = {}) {
  const child = spawn(process.execPath, [new URL(import.meta.url).pathname, ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] })
  process.on('exit', () => child.kill('SIGKILL'))
  let text = ''
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      text += chunk
      if (keep && text.includes('\n')) resolve({ child, line: JSON.parse(text.split('\n')[0]) })
    })
    child.once('close', (code) => {
      if (code !== 0 && !keep) reject(new Error(`${args.join(' ')} ended with ${code}: ${text}`))
      else resolve({ child, line: JSON.parse(text.trim().split('\n').at(-1)) })
    })
  })
}

const own = () => new Feed(KEYS).fill(messages, size)

const modes = {
  async all () {
    const rest = ['--messages', messages, '--size', size, '--patience', patience]
    print((await sub(['--mode', 'validate', ...rest])).line)
    for (const [serve, take] of [['serve-modern', 'pull'], ['serve-legacy', 'pull-legacy'], ['serve-legacy-ebt', 'pull-legacy-ebt']]) {
      const { child, line } = await sub(['--mode', serve, ...rest], { keep: true })
      print((await sub(['--mode', take, '--server', line.address, '--feed', line.feed, ...rest])).line)
      child.kill('SIGKILL')
    }
  },

  id () { print({ feed: KEYS.id }) },

  /** What the validation of old costs alone. */
  validate () {
    const require = createRequire(new URL('./legacy/package.json', import.meta.url))
    const validate = require('ssb-validate')
    const { values } = own()
    const bytes = values.reduce((sum, value) => sum + Buffer.byteLength(JSON.stringify(value)), 0)
    const since = stopwatch()
    let state = validate.initial()
    for (const value of values) {
      state = validate.append(state, null, value)
      // Nobody takes the queue away here.
      state.queue.length = 0
    }
    report('ssb-validate', messages, since(), { bytes_per_message: Math.round(bytes / messages) })
  },

  async 'serve-modern' () {
    const { startModern } = await import('./lib/modern-peer.mjs')
    const peer = await startModern({ dir: folder, keys: KEYS })
    await peer.publish(messages, size)
    print({ address: peer.address, feed: peer.id })
  },

  async 'serve-legacy' (ebt = false) {
    const { startLegacy } = await import('./lib/legacy-peer.mjs')
    const peer = await startLegacy({ dir: folder, keys: KEYS, ebt })
    await peer.publish(messages, size)
    print({ address: peer.address, feed: peer.id })
  },

  'serve-legacy-ebt': () => modes['serve-legacy'](true),

  async pull () {
    const { startModern } = await import('./lib/modern-peer.mjs')
    await receive('ssb-db2 ebt', await startModern({ dir: folder }), server, feedId, messages)
  },

  async 'pull-legacy' (ebt = false) {
    const { startLegacy } = await import('./lib/legacy-peer.mjs')
    const peer = await startLegacy({ dir: folder, ebt })
    await receive(ebt ? 'ssb-server ebt' : 'ssb-server createHistoryStream', peer, server, feedId, messages)
  },

  'pull-legacy-ebt': () => modes['pull-legacy'](true),

  /** Nothing of a database: the sender costs as little as it can. */
  async push () {
    // No program is started here, which the harness of the suites wants to know beforehand.
    process.env.PUSH_MUX_BIN ??= process.execPath
    const [{ dialPub, position }, feed] = [await import('./lib/ssb-wire.mjs'), own()]
    print({ feed: feed.id, messages })
    const peer = await dialPub(server, { keys: KEYS })
    const ebt = peer.ebt()
    await ebt.greeted()
    const since = stopwatch()
    ebt.send({ [feed.id]: position(messages) })
    for (const value of feed.values) ebt.send(value)
    // The server has taken the feed in when it gives the last message back.
    const last = async () => {
      const read = peer.source('createHistoryStream', { id: feed.id, seq: messages, keys: false })
      await read.end()
      return read.items.length > 0
    }
    while (!await last()) await new Promise((resolve) => setTimeout(resolve, 5))
    report('push by hand', messages, since())
    process.exit(0)
  }
}

await modes[mode]()
if (['all', 'id', 'validate'].includes(mode)) process.exit(0)
