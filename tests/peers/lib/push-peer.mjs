// push-mux 1.0.7 on a TCP socket: framing, GOODBYE, optional back pressure, counters, and the client's verbs.
import Mux from 'push-mux'
import codec from 'packet-stream-codec'
import net from 'node:net'
import { GOODBYE, HEADER, splitter } from './frames.mjs'
import { bodyLength } from './demo.mjs'

/** Feeds a substream from `next(i)` until it returns undefined, stopping whenever the substream is paused. */
export class Pump {
  constructor (sub, next, onEnd) {
    this.sub = sub
    this.next = next
    this.onEnd = onEnd
    this.sent = 0
    this.bytes = 0
    this.stopped = false
    this.scheduled = false
  }

  resume () {
    let turn = 0
    while (!this.stopped && !this.sub.paused && !this.sub.parent.ended) {
      const value = this.next(this.sent)
      if (value === undefined) {
        this.stopped = true
        this.onEnd?.()
        return
      }
      this.sent++
      this.bytes += bodyLength(value)
      this.sub.write(value)
      // Without credit nothing ever pauses the substream: let the socket and the other streams have a turn.
      if (++turn === 128) return this.later()
    }
  }

  later () {
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      this.resume()
    })
  }

  abort () { this.stopped = true }
}

export class PushPeer {
  constructor (socket, { credit = 0, tcpPause = false, highWater = 64 * 1024, onRequest, onStream, onFrame } = {}) {
    this.socket = socket
    this.onFrame = onFrame
    this.counters = { framesIn: 0, framesOut: 0, creditsIn: 0, creditsOut: 0, phantoms: 0, goodbyes: 0, pauses: 0 }
    this.wireIn = new Map() // bytes of data frames by request id as it stands on the wire
    this.ends = new Map() // the end value of every stream that the other side ended
    this.endWaiters = new Map()
    this.said = false
    this.closed = new Promise((resolve) => socket.once('close', resolve))
    this.mux = new Mux({
      codec: { type: 'packet-stream-codec', encode: (msg) => this.encode(msg), decode: (bytes) => this.decode(bytes) },
      credit: credit || undefined,
      onRequest: onRequest ?? ((value, cb) => cb(new Error('this peer serves nothing'))),
      onStream: (sub, value) => this.accept(sub, value, onStream)
    })
    this.attach(tcpPause, highWater)
  }

  /** push-mux drops a stream's entry as soon as it ends it, and takes what still comes for it as a new stream. */
  accept (sub, value, onStream) {
    if (value === null || typeof value !== 'object' || Buffer.isBuffer(value) || value.name === undefined) {
      this.counters.phantoms++
      delete this.mux.subs[sub.id]
    } else if (onStream) onStream(sub, value)
    else sub.end(new Error('this peer serves nothing'))
  }

  encode (msg) {
    const [head, body] = codec.encodePair(msg)
    this.counters.framesOut++
    if (msg.req === 1 && msg.stream && Array.isArray(msg.value) && this.mux.controlStream) this.counters.creditsOut++
    return Buffer.concat([head, body], head.length + body.length)
  }

  decode (bytes) {
    const msg = codec.decodeBody(bytes.subarray(HEADER), codec.decodeHead(bytes.subarray(0, HEADER)))
    this.counters.framesIn++
    if (msg.stream && msg.end) this.sawEnd(msg.req, msg.value)
    else if (msg.stream && msg.req === 1 && Array.isArray(msg.value)) this.counters.creditsIn++
    else if (msg.stream) this.wireIn.set(msg.req, (this.wireIn.get(msg.req) ?? 0) + bytes.length)
    this.onFrame?.(msg)
    return msg
  }

  attach (tcpPause, highWater) {
    const { mux, socket } = this
    socket.setNoDelay(true)
    let corked = false
    // Below its own mark a socket never says that it has drained.
    const mark = Math.max(highWater, socket.writableHighWaterMark)
    const sink = {
      paused: false,
      source: null,
      write: (bytes) => {
        if (this.said || socket.destroyed) return
        // One system call for all frames of a turn, as a careful user of push-mux would do it.
        if (!corked) {
          corked = true
          socket.cork()
          process.nextTick(() => { corked = false; socket.uncork() })
        }
        socket.write(bytes)
        if (tcpPause && !sink.paused && socket.writableLength > mark) {
          sink.paused = true
          this.counters.pauses++
        }
      },
      end: () => { if (!this.said) socket.end() }
    }
    socket.on('drain', () => {
      if (!sink.paused) return
      sink.paused = false
      mux.resume()
    })
    mux.pipe(sink)
    const feed = splitter((bytes) => bytes.length === HEADER ? this.sawGoodbye() : mux.write(bytes))
    socket.on('data', (chunk) => {
      if (mux.ended) return
      // push-mux throws out of write() on bytes it cannot decode.
      try { feed(chunk) } catch (error) { socket.destroy(error) }
    })
    const finish = (why) => { if (!mux.ended) mux.end(why) }
    socket.on('error', finish)
    socket.on('end', () => finish(true))
    socket.on('close', () => finish(true))
  }

  sawGoodbye () {
    this.counters.goodbyes++
    this.sayGoodbye()
  }

  sayGoodbye () {
    if (this.said) return
    // Whatever push-mux holds back is lost now, so callers close at quiescence.
    this.said = true
    this.socket.end(GOODBYE)
  }

  sawEnd (req, value) {
    this.ends.set(req, value)
    this.endWaiters.get(req)?.(value)
  }

  /** Resolves with the end value of one of our own streams; push-mux hides it once it has ended its own half. */
  ended (id) {
    if (this.ends.has(-id)) return Promise.resolve(this.ends.get(-id))
    return new Promise((resolve, reject) => {
      this.endWaiters.set(-id, resolve)
      this.closed.then(() => reject(new Error(`the connection closed before stream ${id} ended`)))
    })
  }

  request (name, ...args) {
    return new Promise((resolve, reject) => {
      this.mux.request({ name, args }, (error, value) => error ? reject(error) : resolve(value))
    })
  }

  open (name, type, ...args) { return this.mux.stream({ name, args, type }) }

  /**
   * Reads a source to its end, or to `abortAfter` bodies. `slowMs` pauses after every body; `onBody(body, reader)` may set
   * `reader.paused` and call `reader.wake()` later.
   */
  source (name, args, { onBody, slowMs = 0, abortAfter = Infinity, abortWith } = {}) {
    const sub = this.open(name, 'source', ...args)
    const result = { id: sub.id, messages: 0, bytes: 0, sub }
    const reader = {
      paused: false,
      source: sub,
      aborted: false,
      write: (body) => {
        if (reader.aborted) return
        result.messages++
        onBody?.(body, reader)
        if (result.messages >= abortAfter) {
          reader.aborted = true
          // The entry is dropped here, so bodies in flight never reach this reader.
          this.snapshot(result, sub)
          sub.end(abortWith ?? true)
        } else if (slowMs) {
          reader.paused = true
          setTimeout(reader.wake, slowMs)
        }
      },
      wake: () => { reader.paused = false; sub.resume() }
    }
    result.reader = reader
    result.done = new Promise((resolve) => {
      reader.end = (end) => {
        if (result.end !== undefined) return
        result.end = end
        if (!reader.aborted) {
          this.snapshot(result, sub)
          if (!this.mux.ended) sub.end(true)
        }
        resolve(result)
      }
      if (abortAfter !== Infinity) this.ended(sub.id).then((end) => { result.end ??= end; resolve(result) }, () => {})
    })
    sub.sink = reader
    return result
  }

  /** The counters of the mux itself: what it says it has read and written, and what stood on the wire. */
  snapshot (result, sub) {
    result.reads = sub.reads
    result.writes = sub.writes
    result.wireIn = this.wireIn.get(-sub.id) ?? 0
    result.bytes = result.reads - HEADER * result.messages
  }

  /** Writes `make(0..count)` to a sink, ends it with `endWith`, and waits for the other side's confirmation. */
  async sink (name, args, count, make, { endWith = true } = {}) {
    const sub = this.open(name, 'sink', ...args)
    const confirmed = this.ended(sub.id)
    const result = { id: sub.id, sub }
    const pump = new Pump(sub, (i) => i < count ? make(i) : undefined, () => {
      result.writes = sub.writes
      sub.end(endWith)
    })
    sub.sink = { paused: false, source: sub, write () {}, end: () => pump.abort() }
    sub.source = pump
    pump.resume()
    result.end = await confirmed
    pump.abort()
    result.writes ??= sub.writes
    return Object.assign(result, { messages: pump.sent, bytes: pump.bytes, reads: sub.reads })
  }

  /** Sends the bodies, reads as many back, then ends: push-mux cannot read after it has ended its own half. */
  async duplex (name, args, count, make, { slowMs = 0 } = {}) {
    const sub = this.open(name, 'duplex', ...args)
    const result = { id: sub.id, messages: 0, bodies: [], sub }
    const pump = new Pump(sub, (i) => i < count ? make(i) : undefined)
    await new Promise((resolve) => {
      sub.sink = {
        paused: false,
        source: sub,
        write: function (body) {
          result.messages++
          result.bodies.push(body)
          if (result.messages === count) return resolve()
          if (!slowMs) return
          this.paused = true
          setTimeout(() => { this.paused = false; sub.resume() }, slowMs)
        },
        end: (end) => { result.end = end; resolve() }
      }
      sub.source = pump
      pump.resume()
    })
    pump.abort()
    // In the callback of the last body the mux has counted it already.
    this.snapshot(result, sub)
    if (result.end === undefined && !this.mux.ended) {
      const confirmed = this.ended(sub.id)
      sub.end(true)
      result.end = await confirmed
    }
    return result
  }

  /** Keeps `depth` of `make(0..count)` on their way to a method that sends each back; `onBack(body, i)` sees them come. */
  async pingPong (name, { count, depth, make, onBack }) {
    const sub = this.open(name, 'duplex')
    let back = 0
    const pump = new Pump(sub, (i) => i < count && i - back < depth ? make(i) : undefined)
    await new Promise((resolve) => {
      sub.sink = {
        paused: false,
        source: sub,
        write: (body) => {
          onBack(body, back++)
          if (back === count) return resolve()
          // The pump stops itself whenever as many are on their way as may be.
          pump.stopped = false
          pump.resume()
        },
        end: resolve
      }
      sub.source = pump
      pump.resume()
    })
    pump.abort()
    if (!this.mux.ended && !this.ends.has(-sub.id)) {
      const confirmed = this.ended(sub.id)
      sub.end(true)
      await confirmed
    }
    return { messages: back }
  }

  /** GOODBYE both ways, then the end of the connection. */
  async close () {
    this.sayGoodbye()
    await this.closed
    return this.counters.goodbyes
  }

  /** The mux's own figures of every stream it still knows. */
  streams () {
    return Object.values(this.mux.subs).map((sub) => ({
      id: sub.id, reads: sub.reads, writes: sub.writes, credit: sub.credit, paused: sub.paused, buffered: sub.buffer.length
    }))
  }
}

/** Connects to a server and resolves once the connection stands. */
export function connectPush (port, options = {}) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, options.host ?? '127.0.0.1')
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(new PushPeer(socket, options))
    })
  })
}
