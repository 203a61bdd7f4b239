// muxrpc 8 on a TCP socket: the demo manifest served, and the client's verbs.
import muxrpc from 'muxrpc'
import net from 'node:net'
import pull from 'pull-stream'
import { ALLOWED, MANIFEST, added, bodyLength, indexed } from './demo.mjs'
import { pullSocket } from './pull-socket.mjs'

// muxrpc queues whatever a source gives it in one turn, so sources give up their turn this often.
const TURN = 64

/** The demo's methods for one connection; `wire.ready(cb)` calls back in a later turn. */
export function demoApi (wire, log) {
  let collected = { messages: 0, bytes: 0 }
  return {
    hello: (name, cb) => cb(null, `hello, ${name}!`),
    add: (a, b) => a + b,
    fail: (message, cb) => cb(new Error(message)),
    count: (n, size) => {
      let i = 0
      return (abort, cb) => {
        if (abort) {
          log({ event: 'source-stopped', sent: i })
          return cb(abort)
        }
        if (i >= n) {
          log({ event: 'counted', sent: i })
          return cb(true)
        }
        const body = size === undefined ? i + 1 : indexed(i, size)
        if (++i % TURN === 0) wire.ready(() => cb(null, body))
        else cb(null, body)
      }
    },
    ticks: (ms) => {
      let i = 0
      let timer
      let waiting
      return (abort, cb) => {
        if (!abort) {
          waiting = cb
          timer = setTimeout(() => cb(null, ++i), ms)
          return
        }
        clearTimeout(timer)
        log({ event: 'source-stopped', sent: i })
        waiting?.(abort)
        cb(abort)
      }
    },
    // With 'sum' it adds to what earlier sinks of the connection collected.
    collect: (sum) => {
      const tally = { messages: 0, bytes: 0 }
      return pull.drain((body) => {
        tally.messages++
        tally.bytes += bodyLength(body)
      }, (error) => {
        collected = sum === 'sum' ? added(collected, tally) : tally
        log({ event: 'collected', ...tally, clean: !error })
      })
    },
    collected: (cb) => cb(null, collected),
    echo: () => {
      // The reader is the writer: whatever is asked of the source is asked of what came in.
      let from
      let early
      return {
        sink (read) {
          from = read
          if (early) from(...early)
        },
        source (abort, cb) {
          if (from) from(abort, cb)
          else early = [abort, cb]
        }
      }
    },
    nested: { hello: (name, cb) => cb(null, `hello, ${name}!`) },
    manifest: () => MANIFEST
  }
}

/** Starts a server; `log` gets one object per event. Resolves to the listening net.Server. */
export function serveMuxrpc ({ port = 0, host = '127.0.0.1', path, log = () => {}, onConnection } = {}) {
  const server = net.createServer((socket) => {
    const wire = pullSocket(socket)
    const rpc = muxrpc(MANIFEST, MANIFEST, demoApi(wire, log), { allow: ALLOWED })
    rpc.on('closed', () => log({ event: 'closed' }))
    pull(wire, rpc.stream, wire)
    onConnection?.(rpc, socket)
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path ? { path } : { port, host }, () => resolve(server))
  })
}

/** Connects; with `bootstrap` the manifest is asked for first, as ssb-client does it. */
export async function connectMuxrpc (port, { host = '127.0.0.1', bootstrap = false } = {}) {
  const socket = net.connect(port, host)
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  const wire = pullSocket(socket)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  let rpc
  const asked = new Promise((resolve, reject) => {
    const remote = bootstrap ? (error, manifest) => error ? reject(error) : resolve(manifest) : MANIFEST
    rpc = muxrpc(remote, null, {})
    if (!bootstrap) resolve(MANIFEST)
    pull(wire, rpc.stream, wire)
  })
  return new MuxrpcPeer({ rpc, socket, wire, closed, manifest: await asked })
}

export class MuxrpcPeer {
  constructor (parts) { Object.assign(this, parts) }

  /** Calls any path with any kind, whatever the manifest says. */
  request (name, ...args) {
    return new Promise((resolve, reject) => {
      this.rpc.stream.remoteCall('async', name, args, (error, value) => error ? reject(error) : resolve(value))
    })
  }

  open (name, kind, ...args) { return this.rpc.stream.remoteCall(kind, name, args) }

  /** Reads a source to its end, or takes `abortAfter` bodies and aborts it. */
  source (name, args, { onBody, slowMs = 0, abortAfter = Infinity } = {}) {
    const result = { messages: 0, bytes: 0 }
    const read = this.open(name, 'source', ...args)
    return new Promise((resolve) => {
      pull(
        read,
        abortAfter === Infinity ? pull.through() : pull.take(abortAfter),
        slowMs ? pull.asyncMap((body, cb) => setTimeout(cb, slowMs, null, body)) : pull.through(),
        pull.drain((body) => {
          result.messages++
          result.bytes += bodyLength(body)
          onBody?.(body)
        }, (end) => resolve({ ...result, end: end ?? true }))
      )
    })
  }

  /** Writes `make(0..count)` and `endWith` to a sink. Resolves then: muxrpc does not wait for the other side. */
  sink (name, args, count, make, { endWith = true } = {}) {
    const result = { messages: 0, bytes: 0 }
    return new Promise((resolve) => {
      pull((abort, cb) => {
        if (abort) return cb(abort)
        if (result.messages >= count) return cb(endWith)
        const body = make(result.messages++)
        result.bytes += bodyLength(body)
        if (result.messages % TURN === 0) this.wire.ready(() => cb(null, body))
        else cb(null, body)
      }, this.rpc.stream.remoteCall('sink', name, args, (end) => resolve({ ...result, end: end ?? true })))
    })
  }

  /** Keeps `depth` of `make(0..count)` on their way to a method that sends each back; `onBack(body, i)` sees them come. */
  pingPong (name, { count, depth, make, onBack }) {
    let sent = 0
    let back = 0
    let waiting
    const next = () => {
      if (!waiting || (sent < count && sent - back >= depth)) return
      const cb = waiting
      waiting = undefined
      if (sent < count) cb(null, make(sent++))
      else cb(true)
    }
    const source = (abort, cb) => {
      if (abort) return cb(abort)
      waiting = cb
      next()
    }
    return new Promise((resolve, reject) => {
      pull(source, this.open(name, 'duplex'), pull.drain((body) => {
        onBack(body, back++)
        next()
      }, (error) => error && error !== true ? reject(error) : resolve({ messages: back })))
    })
  }

  /** Sends the bodies, ends its half and reads until the other side ends. */
  duplex (name, args, bodies) {
    return new Promise((resolve, reject) => {
      pull(pull.values(bodies), this.open(name, 'duplex', ...args), pull.collect((error, all) => {
        if (error) reject(error)
        else resolve({ messages: all.length, bodies: all })
      }))
    })
  }

  /** The orderly close; resolves when every stream is done and GOODBYE has gone both ways. */
  async close () {
    await new Promise((resolve, reject) => this.rpc.close((error) => error ? reject(error) : resolve()))
    await this.closed
  }
}
