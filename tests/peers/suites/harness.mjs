// Starts the binary under test and JavaScript servers, and keeps a hang from lasting for ever.
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'

const BIN = process.env.PUSH_MUX_BIN
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

function start (file, args, stdin = 'ignore') {
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

/** The first line of a child's output that yields a port. */
function port (child, find) {
  return within(new Promise((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
      const found = find(text)
      if (found) resolve(Number(found[1]))
    })
    child.done.then(
      ({ code, signal }) => reject(new Error(`it ended (${code ?? signal}) before it was ready: ${child.errors}`)), reject)
  }), 'the server to be ready')
}

function settings ({ credit, mode, shards }) {
  return [
    ...credit === undefined ? [] : ['--credit', String(credit)],
    ...mode === undefined ? [] : ['--credit-mode', mode],
    ...shards === undefined ? [] : ['--shards', String(shards)]
  ]
}

/** Runs `push-mux demo` on a free port. */
export async function startDemo (options = {}) {
  const child = start(BIN, ['demo', '--listen', 'net:127.0.0.1:0', ...settings({ shards: 1, ...options })])
  return {
    port: await port(child, (text) => /^listening on net:.*:(\d+)$/m.exec(text)),
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
export async function call (address, method, args, options) {
  const child = startCall(address, method, args, options)
  const chunks = []
  child.stdout.on('data', (chunk) => chunks.push(chunk))
  const { code } = await within(child.done, `push-mux call ${method}`)
  const bytes = Buffer.concat(chunks)
  return {
    code,
    bytes,
    errors: child.errors,
    get lines () { return bytes.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line)) }
  }
}

/** Runs one of this folder's scripts to its end and returns the lines it printed. */
export async function runScript (name, args) {
  const child = start(process.execPath, [new URL(`../${name}`, import.meta.url).pathname, ...args.map(String)])
  let text = ''
  child.stdout.on('data', (chunk) => { text += chunk })
  const { code } = await within(child.done, name, 90_000)
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${text.slice(-2000)} ${child.errors}`)
  return text.split('\n').filter(Boolean).map((line) => JSON.parse(line))
}

/** Starts one of this folder's server scripts. */
export async function startScript (name, args = []) {
  const child = start(process.execPath, [new URL(`../${name}`, import.meta.url).pathname, ...args.map(String)])
  return {
    port: await port(child, (text) => /"port":(\d+)/.exec(text)),
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
