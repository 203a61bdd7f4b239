// Frames by hand: nine bytes of header (flags, length, request id), then the body.

export const STREAM = 8
export const END = 4
export const BINARY = 0
export const TEXT = 1
export const JSON_BODY = 2
export const HEADER = 9
export const GOODBYE = Buffer.alloc(HEADER)

/** One frame. A body that is neither a Buffer nor a string is sent as JSON text; the flags are sent as given. */
export function frame (flags, req, body) {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const head = Buffer.alloc(HEADER)
  head[0] = flags
  head.writeUInt32BE(bytes.length, 1)
  head.writeInt32BE(req, 5)
  return Buffer.concat([head, bytes])
}

export const request = (req, name, args) => frame(JSON_BODY, req, { name, args })
export const open = (req, name, args, type) => frame(STREAM | JSON_BODY, req, { name, args, type })
export const end = (req, value = true) => frame(STREAM | END | JSON_BODY, req, value)
export const control = () => frame(STREAM | TEXT, 1, 'control')

// A probe that sends text that is no JSON may get it back.
function json (text) {
  try { return JSON.parse(text) } catch { return undefined }
}

/** Reads a whole frame back. */
export function parse (bytes) {
  const flags = bytes[0]
  const body = bytes.subarray(HEADER)
  const kind = flags & 3
  const value = kind === BINARY ? body : kind === TEXT ? body.toString() : json(body.toString())
  return { flags, stream: Boolean(flags & STREAM), end: Boolean(flags & END), kind, req: bytes.readInt32BE(5), value }
}

/** Returns a function that takes chunks of any size and calls `onFrame` with each whole frame. */
export function splitter (onFrame) {
  let parts = []
  let have = 0
  let need = HEADER
  return (chunk) => {
    parts.push(chunk)
    have += chunk.length
    // Joining only when something can be cut off keeps a large body linear.
    if (have < need) return
    const all = parts.length === 1 ? parts[0] : Buffer.concat(parts, have)
    let at = 0
    for (;;) {
      const left = all.length - at
      if (left < HEADER) { need = HEADER; break }
      const size = HEADER + all.readUInt32BE(at + 1)
      if (left < size) { need = size; break }
      onFrame(all.subarray(at, at + size))
      at += size
    }
    parts = at < all.length ? [all.subarray(at)] : []
    have = all.length - at
  }
}
