// The demo manifest, and the bodies its methods produce. Every peer in this folder serves or drives exactly this.

export const MANIFEST = {
  hello: 'async',
  add: 'sync',
  fail: 'async',
  count: 'source',
  ticks: 'source',
  collect: 'sink',
  collected: 'async',
  echo: 'duplex',
  nested: { hello: 'async' },
  manifest: 'sync',
  control: 'duplex'
}

/** The dotted names of every method, in the form muxrpc's permissions take. */
export const ALLOWED = Object.entries(MANIFEST).flatMap(([name, kind]) =>
  typeof kind === 'string' ? [name] : Object.keys(kind).map((inner) => `${name}.${inner}`))

/** The kind of a method, or undefined. A request may carry its name as a string instead of a path. */
export function kindOf (name) {
  const path = [].concat(name)
  let at = MANIFEST
  for (const part of path) {
    if (at === null || typeof at !== 'object' || !Object.hasOwn(at, part)) return undefined
    at = at[part]
  }
  return typeof at === 'string' ? at : undefined
}

/** SSB clients compare this text, so it is the same for every implementation. */
export const notAllowed = (name) => `method:${[].concat(name).join(',')} is not in list of allowed methods`

/** What two sinks collected together. */
export const added = (a, b) => ({ messages: a.messages + b.messages, bytes: a.bytes + b.bytes })

/** The `i`th body of `count(n, size)`. */
export function indexed (i, size) {
  const body = Buffer.alloc(size, 0x2e)
  body.writeUInt32BE(i, 0)
  return body
}

/** A body of about `size` bytes of the wanted kind that can be told apart from its neighbours. */
export function sample (kind, i, size) {
  if (kind === 'binary') return indexed(i, Math.max(4, size))
  const text = String(i).padEnd(Math.max(1, size), '.')
  return kind === 'text' ? text : { text }
}

/** The number of bytes a body takes on the wire, without its header. */
export function bodyLength (value) {
  if (Buffer.isBuffer(value)) return value.length
  return Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value))
}
