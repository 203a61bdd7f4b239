// A peer of Secure Scuttlebutt by hand: muxrpc over net~shs, which sends what a test wants and answers as it is told.
import muxrpc from 'muxrpc'
import pull from 'pull-stream'
import { until } from '../suites/harness.mjs'
import { dialStream, newKeys } from './secret.mjs'

/** What a pub may call on us. */
const OURS = {
  manifest: 'sync',
  createHistoryStream: 'source',
  blobs: { createWants: 'source', get: 'source', has: 'async', size: 'async' },
  ebt: { replicate: 'duplex' },
  gossip: { ping: 'duplex' }
}
const ALLOWED = ['manifest', 'createHistoryStream', 'blobs.createWants', 'blobs.get', 'blobs.has', 'blobs.size', 'gossip.ping']

/** A source that gives what is pushed into it and stays open until it is ended. */
export function pushable (first = []) {
  const queue = [...first]
  let waiting
  let end = null
  const look = () => {
    if (!waiting || (queue.length === 0 && end === null)) return
    const cb = waiting
    waiting = undefined
    if (queue.length > 0) cb(null, queue.shift())
    else cb(end)
  }
  const source = (abort, cb) => {
    if (abort) {
      end = abort
      waiting?.(abort)
      waiting = undefined
      return cb(abort)
    }
    waiting = cb
    look()
  }
  source.push = (...items) => {
    // One frame a turn: muxrpc takes whatever it is given at once.
    queue.push(...items)
    look()
  }
  source.end = (reason = true) => {
    end ??= reason
    look()
  }
  return source
}

/** What came on a stream so far, and how it ended. */
export class Received {
  constructor (source, what) {
    this.what = what
    this.items = []
    this.ended = undefined
    pull(source, pull.drain((item) => { this.items.push(item) }, (end) => { this.ended = end ?? true }))
  }

  /** Waits until an item passes the test; the stream may not end before. */
  async first (test, what) {
    await until(() => {
      if (this.items.some(test)) return true
      if (this.ended !== undefined) throw new Error(`${this.what} ended before ${what}: ${this.ended?.message ?? this.ended}`)
      return false
    }, what)
    return this.items.find(test)
  }

  async end () {
    await until(() => this.ended !== undefined, `the end of ${this.what}`)
    return this.ended
  }
}

/** A stream of EBT by hand: notes and messages are told apart, and nothing is sent but by `send`. */
export class Ebt extends Received {
  constructor (rpc, options) {
    const out = pushable()
    const duplex = rpc.stream.remoteCall('duplex', ['ebt', 'replicate'], options)
    pull(out, duplex.sink)
    super(duplex.source, 'the stream of EBT')
    this.out = out
  }

  send (...frames) { this.out.push(...frames) }

  get messages () { return this.items.filter((item) => item.author !== undefined) }

  get notes () { return this.items.filter((item) => item.author === undefined) }

  /** What the peer last said of a feed: a sequence and whether it wants more, or -1; undefined if nothing. */
  note (id) {
    const n = this.notes.findLast((note) => id in note)?.[id]
    return n === undefined || n < 0 ? n : { sequence: n >> 1, receive: (n & 1) === 0 }
  }

  /** Waits for the server's first note, before which no client may speak. */
  async greeted () { return this.first((item) => item.author === undefined, 'the first note') }

  messagesOf (id) { return this.messages.filter(({ author }) => author === id) }

  async reaches (id, sequence) {
    await until(() => this.messagesOf(id).at(-1)?.sequence >= sequence || this.ended !== undefined, `message ${sequence} of ${id}`)
    return this.messagesOf(id)
  }
}

/** The number that stands for a position in a note. */
export const position = (sequence, receive = true) => sequence * 2 + (receive ? 0 : 1)

const never = () => pushable()

/**
 * Dials a pub. `serve` answers its calls: `createHistoryStream(options)` and `blobs.get(options)` return sources;
 * `wants` is the source for blobs.createWants. Every call of the pub stands in `calls`.
 */
export async function dialPub (address, { keys = newKeys(), wants = pushable([{}]), serve = {} } = {}) {
  const stream = await dialStream(address, { keys })
  const calls = []
  const noted = (name, answer) => (...args) => {
    calls.push({ name, args: args.filter((arg) => typeof arg !== 'function') })
    return answer(...args)
  }
  const rpc = muxrpc({}, OURS, {
    manifest: () => OURS,
    createHistoryStream: noted('createHistoryStream', serve.createHistoryStream ?? (() => pull.empty())),
    blobs: {
      createWants: noted('blobs.createWants', () => wants),
      get: noted('blobs.get', serve.get ?? (() => pull.error(new Error('could not get blob')))),
      has: noted('blobs.has', (ids, cb) => cb(null, Array.isArray(ids) ? ids.map(() => false) : false)),
      size: noted('blobs.size', (id, cb) => cb(null, null))
    },
    ebt: { replicate: () => ({ source: never(), sink: pull.drain() }) },
    gossip: { ping: () => ({ source: never(), sink: pull.drain() }) }
  }, { allow: ALLOWED })
  const peer = new WirePeer({ rpc, keys, id: keys.id, calls, wants })
  rpc.once('closed', () => { peer.open = false })
  pull(stream, rpc.stream, stream)
  return peer
}

class WirePeer {
  constructor (parts) {
    Object.assign(this, parts)
    this.open = true
  }

  request (name, ...args) {
    return new Promise((resolve, reject) => {
      this.rpc.stream.remoteCall('async', name.split('.'), args, (error, value) => error ? reject(error) : resolve(value))
    })
  }

  /** Opens a source and keeps what comes. */
  source (name, ...args) { return new Received(this.rpc.stream.remoteCall('source', name.split('.'), args), name) }

  ebt (...options) { return new Ebt(this.rpc, options.length > 0 ? options : [{ version: 3, format: 'classic' }]) }

  async close () {
    await new Promise((resolve) => {
      if (!this.open) return resolve()
      this.rpc.once('closed', resolve)
      this.rpc.close(true)
    })
  }
}
