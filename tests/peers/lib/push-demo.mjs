// The demo manifest served by push-mux 1.0.7.
import net from 'node:net'
import { MANIFEST, added, indexed, kindOf, notAllowed } from './demo.mjs'
import { HEADER } from './frames.mjs'
import { PushPeer, Pump } from './push-peer.mjs'

/** Starts a server; `log` gets one object per event. Resolves to the listening net.Server, with `peers` on it. */
export function servePush ({ port = 0, host = '127.0.0.1', path, log = () => {}, ...options } = {}) {
  const server = net.createServer((socket) => {
    const session = { log, collected: { messages: 0, bytes: 0 } }
    const peer = new PushPeer(socket, {
      ...options,
      onRequest: (value, cb) => answer(session, value, cb),
      onStream: (sub, value) => serveStream(session, sub, value)
    })
    server.peers.add(peer)
    peer.closed.then(() => {
      server.peers.delete(peer)
      log({ event: 'closed', ...peer.counters })
    })
  })
  server.peers = new Set()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path ? { path } : { port, host }, () => resolve(server))
  })
}

/** Why a call of this kind is refused, or undefined. Requests say nothing of async or sync. */
function refusal (value, kinds) {
  const { name, args } = value ?? {}
  const kind = name === undefined ? undefined : kindOf(name)
  if (kind === undefined || kind === 'duplex' && [].concat(name)[0] === 'control') return notAllowed(name)
  if (!kinds.includes(kind)) return `no ${kinds[0]}:${[].concat(name)}`
  if (!Array.isArray(args)) return `invalid request, args should be array, was: ${JSON.stringify(value)}`
}

function answer (session, value, cb) {
  const why = refusal(value, ['async', 'sync'])
  if (why) return cb(new Error(why))
  const { name, args } = value
  const replies = {
    hello: () => cb(null, `hello, ${args[0]}!`),
    'nested,hello': () => cb(null, `hello, ${args[0]}!`),
    add: () => cb(null, args[0] + args[1]),
    fail: () => cb(new Error(args[0])),
    manifest: () => cb(null, MANIFEST),
    collected: () => cb(null, session.collected)
  }
  replies[[].concat(name)]()
}

function serveStream (session, sub, value) {
  const why = refusal(value, [value.type])
  if (why) return sub.end(new Error(why))
  const streams = { count, ticks, collect, echo }
  streams[[].concat(value.name)](session, sub, value.args)
}

/** Wires a source: `pump` writes, and an end from the caller stops it. */
function feed (session, sub, pump, stop = () => {}) {
  sub.source = pump
  sub.sink = {
    paused: false,
    source: sub,
    ended: false,
    write () {},
    end (end) {
      // Sub.end() with an error comes back here.
      if (this.ended) return
      this.ended = true
      stop()
      const early = !pump.stopped
      pump.abort()
      session.log({ event: 'source-stopped', early, sent: pump.sent, writes: sub.writes })
      if (early && !sub.parent.ended) sub.end(true)
    }
  }
  pump.resume()
}

function count (session, sub, [n, size]) {
  const pump = new Pump(sub, (i) => i < n ? (size === undefined ? i + 1 : indexed(i, size)) : undefined, () => {
    session.log({ event: 'counted', sent: pump.sent, writes: sub.writes })
    sub.end(true)
  })
  feed(session, sub, pump)
}

function ticks (session, sub, [ms]) {
  let due = 0
  const pump = new Pump(sub, (i) => i < due ? i + 1 : undefined)
  const timer = setInterval(() => {
    due++
    // The pump stops itself each time it runs dry.
    pump.stopped = false
    pump.resume()
  }, ms)
  feed(session, sub, pump, () => { clearInterval(timer); pump.stopped = false })
}

/** With 'sum' it adds to what earlier sinks of the connection collected. */
function collect (session, sub, [sum]) {
  let messages = 0
  sub.sink = {
    paused: false,
    source: sub,
    ended: false,
    write () { messages++ },
    end (end) {
      if (this.ended) return
      this.ended = true
      const tally = { messages, bytes: sub.reads - HEADER * messages }
      session.collected = sum === 'sum' ? added(session.collected, tally) : tally
      session.log({ event: 'collected', ...tally, reads: sub.reads, clean: end === true })
      if (!sub.parent.ended) sub.end(true)
    }
  }
}

function echo (session, sub) {
  const reader = {
    paused: false,
    source: sub,
    ended: false,
    write (body) {
      sub.write(body)
      // Reading no further than can be written is what passes the caller's slowness back to it.
      this.paused = sub.paused
    },
    end () {
      if (this.ended) return
      this.ended = true
      session.log({ event: 'echoed', reads: sub.reads, writes: sub.writes })
      if (!sub.parent.ended) sub.end(true)
    }
  }
  sub.sink = reader
  sub.source = {
    resume () {
      if (!reader.paused) return
      reader.paused = false
      sub.resume()
    },
    abort () {}
  }
}
