// A pub of the binary under test: started, stopped and killed, on a directory of its own.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { connectAdmin } from './admin.mjs'
import { digest, keyOf } from './feed.mjs'
import { portOf } from './secret.mjs'
import { BIN, ready, run, scratch, start, until, within } from '../suites/harness.mjs'

/** What JavaScript stands in the pub's place, if any. Tests of what that cannot do are skipped. */
export const STAND_IN = BIN.endsWith('stand-in-pub.mjs') ? process.env.STAND_IN ?? 'modern' : undefined

/** Why a test of these is skipped with that stand-in: `unless('modern', 'legacy-ebt')` runs with these two and the pub. */
export const unless = (...able) => STAND_IN && !able.includes(STAND_IN) ? `${STAND_IN} in the place of the pub cannot` : false

/** The line that `push-mux serve` prints for a listener of TCP. */
const LISTENING = /^(net:127\.0\.0\.1:\d+~shs:[A-Za-z0-9+/]{43}=)\n/m

/**
 * Starts a pub, by default in a fresh directory and on a free port. `replicate` are feeds, `connect` addresses.
 */
export async function startPub ({ dir = scratch(), port = 0, replicate = [], connect = [], hops, args = [] } = {}) {
  const child = start(BIN, [
    'serve', '--dir', dir, '--listen', `net:127.0.0.1:${port}~shs`,
    ...replicate.flatMap((id) => ['--replicate', id]), ...connect.flatMap((address) => ['--connect', address]),
    ...hops === undefined ? [] : ['--hops', String(hops)], ...args
  ])
  let printed = ''
  child.stdout.on('data', (chunk) => { printed += chunk })
  const address = await ready(child, (text) => LISTENING.exec(text)?.[1])
  return new Pub({ child, dir, address, printed: () => printed })
}

class Pub {
  constructor ({ child, dir, address, printed }) {
    Object.assign(this, { child, dir, address, printed, port: portOf(address), pid: child.pid })
    this.id = `@${address.split('~shs:')[1]}.ed25519`
  }

  get running () { return this.child.exitCode === null && this.child.signalCode === null }

  get errors () { return this.child.errors }

  /** Lines that the pub printed so far. */
  get lines () { return this.printed().split('\n').filter(Boolean) }

  /** A client of the Unix socket, which may be there a little later than the address. */
  async admin () {
    if (this.socket) return this.socket
    await until(async () => {
      try { this.socket = await connectAdmin(join(this.dir, 'socket')) } catch { return false }
      return true
    }, 'the Unix socket of the pub')
    return this.socket
  }

  async ask (name, ...args) {
    return within((await this.admin()).request(name.split('.'), ...args), `an answer of the pub to ${name}`)
  }

  async read (name, ...args) {
    return within((await this.admin()).source(name.split('.'), ...args), `the end of the pub's ${name}`)
  }

  /** The messages of a feed that the pub holds from a sequence on, bare, in the order in which it gives them. */
  async messages (id, seq = 1) {
    const values = await this.read('createHistoryStream', { id, seq, keys: false })
    // ssb-db2 sorts them by the time of their arrival, which is the same for many.
    return STAND_IN ? values.sort((a, b) => a.sequence - b.sequence) : values
  }


  async digest (id) { return digest((await this.messages(id)).map(keyOf)) }

  /** Waits until the pub holds a feed up to that sequence. */
  async holds (id, sequence) {
    let have = 0
    await until(async () => {
      have = (await this.messages(id, have + 1)).at(-1)?.sequence ?? have
      return have >= sequence
    }, `message ${sequence} of ${id} at the pub`)
  }

  async invite (uses) {
    const made = await run('invite', 'create', '--dir', this.dir, ...uses === undefined ? [] : ['--uses', String(uses)])
    assert.equal(made.code, 0, made.errors)
    return made.bytes.toString().trim()
  }

  /** Orderly; resolves to the exit code. */
  async stop () {
    this.socket?.close()
    this.child.kill('SIGTERM')
    const hard = setTimeout(() => this.child.kill('SIGKILL'), 10_000)
    const { code } = await this.child.done
    clearTimeout(hard)
    return code
  }

  /** As the power goes. */
  async kill () {
    this.child.kill('SIGKILL')
    await this.child.done
    this.socket?.close()
  }

  /** The options that start it again in its place. */
  get place () { return { dir: this.dir, port: this.port } }
}
