// Starts the binary under test and JavaScript servers, and keeps a hang from lasting for ever.
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { portOf } from '../lib/secret.mjs'

export { portOf }

export const BIN = process.env.PUSH_MUX_BIN
if (!BIN) throw new Error('PUSH_MUX_BIN must hold the path of the push-mux binary')

const children = new Set()
process.on('exit', () => { for (const child of children) child.kill('SIGKILL') })

const PATIENCE = Number(process.env.PUSH_MUX_PEERS_PATIENCE ?? 1)

/** Nothing here is timed: a deadline only turns a hang into a failure. Slow machines multiply it. */
export function within (promise, what, limit = 60_000) {
  const ms = limit * PATIENCE
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`still waiting after ${ms / 1000} s: ${what}`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export function start (file, args, stdin = 'ignore') {
  const child = spawn(file, args, { stdio: [stdin, 'pipe', 'pipe'] })
  children.add(child)
  child.errors = ''
  child.stderr.on('data', (chunk) => { child.errors = (child.errors + chunk).slice(-20_000) })
  child.done = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      children.delete(child)
      resolve({ code, signal })
    })
  })
  return child
}

/** What `find` sees in a child's output, as soon as that is not undefined. */
export function ready (child, find) {
  return within(new Promise((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
      const found = find(text)
      if (found !== undefined) resolve(found)
    })
    child.done.then(
      ({ code, signal }) => reject(new Error(`it ended (${code ?? signal}) before it was ready: ${child.errors}`)), reject)
  }), 'the server to be ready')
}

function settings ({ secret, networkKey, credit, mode, shards }) {
  return [
    ...secret === undefined ? [] : ['--secret', secret],
    ...networkKey === undefined ? [] : ['--network-key', networkKey],
    ...credit === undefined ? [] : ['--credit', String(credit)],
    ...mode === undefined ? [] : ['--credit-mode', mode],
    ...shards === undefined ? [] : ['--shards', String(shards)]
  ]
}

/** Runs `push-mux demo`, on a free port if not told where to listen. `addresses` are those it prints, in the same order. */
export async function startDemo ({ listen = ['net:127.0.0.1:0'], ...options } = {}) {
  const child = start(BIN, [
    'demo', ...listen.flatMap((address) => ['--listen', address]), ...settings({ shards: 1, ...options })
  ])
  const addresses = await ready(child, (text) => {
    const found = [...text.matchAll(/^listening on (\S+)\n/gm)].map(([, address]) => address)
    return found.length === listen.length ? found : undefined
  })
  return {
    addresses,
    port: portOf(addresses[0]),
    pid: child.pid,
    get running () { return child.exitCode === null && child.signalCode === null },
    get errors () { return child.errors },
    async stop () {
      child.kill('SIGTERM')
      const hard = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await child.done
      clearTimeout(hard)
    }
  }
}

/** Starts `push-mux call` without waiting for it. */
export function startCall (address, method, args = [], { raw, input, ...options } = {}) {
  // Both spellings of an address of TCP are used: this one here, and host:port in a test of its own.
  const where = typeof address === 'number' ? `net:127.0.0.1:${address}` : address
  const child = start(BIN, [
    'call', ...settings(options), ...raw ? ['--raw'] : [], where, method, ...args.map((arg) => JSON.stringify(arg))
  ], input === undefined ? 'ignore' : 'pipe')
  if (input !== undefined) {
    // A peer that refuses the stream closes our end of the pipe early.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  }
  return child
}

/** Runs `push-mux call` to its end. */
export const call = (address, method, args, options) =>
  output(startCall(address, method, args, options), `push-mux call ${method}`)

/** A folder that is removed when this process ends. */
export function scratch () {
  const folder = mkdtempSync(join(tmpdir(), 'push-mux-peers-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs any command of the binary to its end. */
export const run = (...args) => output(start(BIN, args), `push-mux ${args.join(' ')}`)

/** Runs any other program to its end; the deadline is for programs that run many others. */
export const runProgram = (file, args) => output(start(file, args), `${file} ${args.join(' ')}`, 120_000)

async function output (child, what, limit) {
  const chunks = []
  child.stdout.on('data', (chunk) => chunks.push(chunk))
  const { code } = await within(child.done, what, limit)
  const bytes = Buffer.concat(chunks)
  return {
    code,
    bytes,
    errors: child.errors,
    get lines () { return bytes.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line)) }
  }
}

/** Starts one of this folder's scripts. */
export const spawnScript = (name, args) =>
  start(process.execPath, [new URL(`../${name}`, import.meta.url).pathname, ...args.map(String)])

/** Runs one of this folder's scripts to its end and returns the lines it printed. */
export async function runScript (name, args) {
  const child = spawnScript(name, args)
  let text = ''
  child.stdout.on('data', (chunk) => { text += chunk })
  const { code } = await within(child.done, name, 90_000)
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${text.slice(-2000)} ${child.errors}`)
  return text.split('\n').filter(Boolean).map((line) => JSON.parse(line))
}

/** Starts one of this folder's server scripts and waits until it listens. */
export async function startScript (name, args = []) {
  const child = spawnScript(name, args)
  const { port, addresses } = await ready(child, (text) => {
    const line = /^.*"event":"listening".*(?=\n)/m.exec(text)
    return line ? JSON.parse(line[0]) : undefined
  })
  return {
    port,
    addresses,
    async stop () {
      child.kill('SIGKILL')
      await child.done
    }
  }
}

/** Resident memory of a process in MiB. */
export function residentMib (pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024
}

/** The number of files and sockets that a process holds. */
export const openFiles = (pid) => readdirSync(`/proc/${pid}/fd`).length

/** Waits until `test()` holds. */
export async function until (test, what) {
  for (let waited = 0; !await test(); waited += 20) {
    if (waited > 30_000 * PATIENCE) throw new Error(`never came: ${what}`)
    await sleep(20)
  }
}

/** Waits until `measure()` has stood still for ten samples. */
export async function settled (measure, what) {
  let last
  let same = 0
  for (let i = 0; i < 600; i++) {
    const now = measure()
    same = now === last ? same + 1 : 0
    if (same === 10) return now
    last = now
    await sleep(100)
  }
  throw new Error(`${what} never settled`)
}

/** An event log that can be waited for. */
export function eventLog () {
  const events = []
  const waiters = new Set()
  const log = (event) => {
    events.push(event)
    for (const waiter of waiters) waiter()
  }
  log.events = events
  log.next = (test, what) => within(new Promise((resolve) => {
    const waiter = () => {
      const at = events.findIndex(test)
      if (at < 0) return
      waiters.delete(waiter)
      resolve(events.splice(at, 1)[0])
    }
    waiters.add(waiter)
    waiter()
  }), what)
  return log
}

/** A small seeded generator, so that a failure can be run again. */
export function seeded () {
  const seed = Number(process.env.PUSH_MUX_PEERS_SEED ?? randomInt(2 ** 31))
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ state >>> 15, state | 1)
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61)
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32
  }
  return {
    seed,
    /** An odd number of the range, small ones as likely as large ones. */
    odd: (low, high) => Math.floor(low * (high / low) ** next()) | 1
  }
}

/** Closes a net.Server together with its connections. */
export function stopServer (server, sockets = []) {
  for (const socket of sockets) socket.destroy()
  return new Promise((resolve) => server.close(resolve))
}
