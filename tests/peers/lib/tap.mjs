// What passes over the connections of a secret-stack, frame by frame, as it stands on the wire.
import { createRequire } from 'node:module'
import { GOODBYE, parse, splitter } from './frames.mjs'

/**
 * Wraps the muxrpc that the secret-stack of a set of packages uses; to be called before that is loaded for the first time.
 * Returns a function that gives the frames of a connection so far, oldest first, with `out` for those that we sent.
 */
export function tapMuxrpc (require) {
  const path = createRequire(require.resolve('secret-stack')).resolve('muxrpc')
  const original = require(path)
  const taps = new WeakMap()
  const tapped = (...args) => {
    const rpc = original(...args)
    taps.set(rpc, watch(rpc.stream))
    return rpc
  }
  require.cache[path].exports = Object.assign(tapped, original)
  return (rpc) => taps.get(rpc)
}

function watch (stream) {
  const frames = []
  const names = new Map()
  const cut = (out) => splitter((bytes) => {
    if (bytes.equals(GOODBYE)) return
    const frame = { out, ...parse(bytes) }
    // A stream belongs to whom it was opened by, whoever sends.
    const key = `${out === frame.req > 0} ${Math.abs(frame.req)}`
    const opening = frame.req > 0 && !names.has(key)
    if (opening) names.set(key, [].concat(frame.value?.name ?? []).join('.'))
    frames.push({ ...frame, opening, method: names.get(key) })
  })
  const [sent, received] = [cut(true), cut(false)]
  const { source, sink } = stream
  stream.source = (abort, cb) => source(abort, (end, bytes) => {
    if (!end) sent(Buffer.from(bytes))
    cb(end, bytes)
  })
  stream.sink = (read) => sink((abort, cb) => read(abort, (end, bytes) => {
    if (!end) received(Buffer.from(bytes))
    cb(end, bytes)
  }))
  return frames
}
