// secret-stack 8 with the demo manifest as its only plugin, over net~shs and ws~shs.
import wsPlugin from 'multiserver/plugins/ws.js'
import { createRequire } from 'node:module'
import { ALLOWED, MANIFEST } from './demo.mjs'
import { MuxrpcPeer, demoApi } from './muxrpc-peer.mjs'
import { HOST, MAIN_NETWORK, WIRE, freePort, newKeys } from './secret.mjs'

// Its package exports nothing to `import`.
const SecretStack = createRequire(import.meta.url)('secret-stack')

/** secret-stack brings `manifest` itself, and knows nothing of control streams. */
const { manifest, control, ...METHODS } = MANIFEST

const ws = { name: 'multiserver-ws', init: (api) => { api.multiserver.transport({ name: 'ws', create: wsPlugin }) } }

const demo = (log) => ({
  manifest: METHODS,
  permissions: { anonymous: { allow: ALLOWED } },
  init () {
    const { manifest, ...methods } = demoApi(WIRE, log)
    return methods
  }
})

/**
 * Starts a peer that listens on the schemes and dials any of them. `auth(id, cb)` takes the place of the stack's own hook;
 * `inactivity` in ms closes idle connections; `log` gets one object per event.
 */
export async function startStack ({
  schemes = ['net', 'ws'], networkKey = MAIN_NETWORK, keys = newKeys(), auth, inactivity = 600_000, log = () => {}
} = {}) {
  const incoming = {}
  for (const scheme of schemes) {
    incoming[scheme] = [{ scope: 'device', transform: 'shs', host: HOST, port: await freePort() }]
  }
  const stack = SecretStack({
    global: {
      keys,
      caps: { shs: networkKey },
      timers: { inactivity, handshake: 15_000 },
      connections: { incoming, outgoing: { net: [{ transform: 'shs' }], ws: [{ transform: 'shs' }] } }
    }
  }).use(ws).use(demo(log))()
  if (auth) stack.auth.hook((original, [id, cb]) => auth(id, cb))
  const peers = new Set()
  stack.on('rpc:connect', (rpc, isClient) => {
    peers.add(rpc)
    log({ event: 'connected', id: rpc.id, isClient })
    rpc.once('closed', () => {
      peers.delete(rpc)
      log({ event: 'closed' })
    })
  })
  await new Promise((resolve) => stack.once('multiserver:listening', resolve))
  return {
    stack,
    keys,
    addresses: stack.getAddress('device').split(';'),
    /** Dials; rejects when the handshake fails. */
    connect: (address) => new Promise((resolve, reject) => {
      stack.connect(address, (error, rpc) => {
        if (error) return reject(error)
        const closed = new Promise((done) => rpc.once('closed', done))
        resolve(new MuxrpcPeer({ rpc, wire: WIRE, closed, manifest: MANIFEST }))
      })
    }),
    /** Ends every connection and stops listening. */
    stop: () => {
      for (const rpc of peers) rpc.close(true)
      return new Promise((resolve) => stack.close(true, resolve))
    }
  }
}
