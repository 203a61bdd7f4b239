// Keys, networks and plain multiserver peers that speak net~shs, ws~shs and unix~noauth, the demo manifest on top.
import muxrpc from 'muxrpc'
import multiserver from 'multiserver'
import netPlugin from 'multiserver/plugins/net.js'
import noauthPlugin from 'multiserver/plugins/noauth.js'
import shsPlugin from 'multiserver/plugins/shs.js'
import unixPlugin from 'multiserver/plugins/unix-socket.js'
import wsPlugin from 'multiserver/plugins/ws.js'
import { createRequire } from 'node:module'
import net from 'node:net'
import pull from 'pull-stream'
import ssbKeys from 'ssb-keys'
import { ALLOWED, MANIFEST } from './demo.mjs'
import { MuxrpcPeer, demoApi } from './muxrpc-peer.mjs'

// The whole package is one JSON file, which `require` takes as it is.
const caps = createRequire(import.meta.url)('ssb-caps')

export const HOST = '127.0.0.1'
export const MAIN_NETWORK = caps.shs
export const OTHER_NETWORK = Buffer.alloc(32, 'another network').toString('base64')

/** Where multiserver streams give up their turn: they have no buffer of their own to wait for. */
export const WIRE = { ready: (cb) => setImmediate(cb) }

export const newKeys = () => ssbKeys.generate()

/** Of the server of throughput runs: its client must know them. */
export const BENCH_KEYS = ssbKeys.generate('ed25519', Buffer.alloc(32, 'throughput'))

const bytes = (key) => Buffer.from(key.split('.')[0], 'base64')

/** Keys as ssb-keys has them, in the form of sodium. */
export const sodiumKeys = (keys) => ({ publicKey: bytes(keys.public), secretKey: bytes(keys.private) })

/** The address with another server's key in it. */
export const withKey = (address, keys) => address.replace(/~shs:.*$/, `~shs:${keys.public.split('.')[0]}`)

/** The address with another port in it. */
export const withPort = (address, port) => address.replace(/:\d+(?=~)/, `:${port}`)

/** The port of an address of TCP or WebSocket; NaN of any other. */
export const portOf = (address) => Number(/:(\d+)(?:~|$)/.exec(address)?.[1])

/** A port that nobody listened on a moment ago. multiserver cannot tell which port the system chose. */
export async function freePort () {
  const server = net.createServer()
  await new Promise((resolve) => server.listen(0, HOST, resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** One suite of multiserver; `where` is a port, or the folder of a Unix socket. */
function suite (scheme, where, { keys, networkKey = MAIN_NETWORK, auth }) {
  const shs = () => shsPlugin({ keys: sodiumKeys(keys), appKey: networkKey, auth })
  switch (scheme) {
    case 'net': return [netPlugin({ host: HOST, port: where, scope: 'device' }), shs()]
    case 'ws': return [wsPlugin({ host: HOST, port: where, scope: 'device' }), shs()]
    case 'unix': return [unixPlugin({ path: where, scope: 'device' }), noauthPlugin({ keys: sodiumKeys(keys) })]
    default: throw new Error(`no suite ${scheme}`)
  }
}

/** A byte stream by hand: `send` and `end` write, `onData` gets what comes, and `ended` resolves with `true` or an error. */
export class Line {
  constructor (stream, onData = () => {}) {
    this.queue = []
    this.waiting = null
    this.over = false
    this.ended = new Promise((resolve) => {
      pull(stream.source, pull.drain(onData, (end) => resolve(end ?? true)))
    })
    stream.sink((abort, cb) => {
      this.waiting = cb
      if (abort) this.over = true
      this.look()
    })
  }

  send (bytes) {
    this.queue.push(bytes)
    this.look()
    return this
  }

  /** Ends our half: a goodbye of the box stream, then the end of the connection's half. */
  end () {
    this.over = true
    this.look()
  }

  look () {
    if (!this.waiting || (!this.queue.length && !this.over)) return
    const cb = this.waiting
    this.waiting = null
    if (this.queue.length) cb(null, this.queue.shift())
    else cb(true)
  }
}

const yes = (id, cb) => cb(null, true)

/**
 * Serves the demo manifest, or whatever `onStream(stream)` makes of a connection. `log` gets one object per event; a failed
 * handshake is `{event: 'refused', message}`.
 */
export async function serveSecret (scheme, { where, log = () => {}, keys = newKeys(), auth = yes, onStream, ...options } = {}) {
  const open = new Set()
  const peers = multiserver([suite(scheme, where ?? await freePort(), { keys, auth, ...options })])
  let close
  await new Promise((resolve, reject) => {
    close = peers.server((stream) => {
      log({ event: 'connected', id: `@${stream.remote.toString('base64')}.ed25519` })
      if (onStream) return onStream(stream)
      const rpc = muxrpc(MANIFEST, MANIFEST, demoApi(WIRE, log), { allow: ALLOWED })
      open.add(rpc)
      rpc.on('closed', () => {
        open.delete(rpc)
        log({ event: 'closed' })
      })
      pull(stream, rpc.stream, stream)
    }, (error) => log({ event: 'refused', message: error.message }), (error) => error ? reject(error) : resolve())
  })
  return {
    address: peers.stringify('device'),
    keys,
    stop () {
      for (const rpc of open) rpc.close(true)
      close()
    }
  }
}

/** Dials; resolves to the byte stream of multiserver, or rejects when the handshake fails. */
export function dialStream (address, { keys = newKeys(), ...options } = {}) {
  const scheme = address.split(':')[0]
  const client = multiserver([suite(scheme, '/nowhere', { keys, auth: yes, ...options })])
  return new Promise((resolve, reject) => {
    client.client(address, (error, stream) => error ? reject(error) : resolve(stream))
  })
}

/** Dials a server of the demo manifest. Rejects when the handshake fails. */
export async function dialSecret (address, options) {
  const stream = await dialStream(address, options)
  const rpc = muxrpc(MANIFEST, null, {})
  const closed = new Promise((resolve) => rpc.once('closed', resolve))
  pull(stream, rpc.stream, stream)
  return new MuxrpcPeer({ rpc, wire: WIRE, closed, manifest: MANIFEST })
}
