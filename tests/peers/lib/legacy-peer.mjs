// The Secure Scuttlebutt server of old: ssb-server 16 with what it replicated by before EBT, and with EBT 5 on request.
import { createRequire } from 'node:module'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { digest, post } from './feed.mjs'
import { HOST, freePort } from './secret.mjs'
import { tapMuxrpc } from './tap.mjs'

const require = createRequire(new URL('../legacy/package.json', import.meta.url))
const framesOf = tapMuxrpc(require)
const { createSsbServer } = require('ssb-server')
const caps = require('ssb-caps')
const pull = require('pull-stream')
const ssbClient = require('ssb-client')
const ssbKeys = require('ssb-keys')

const promised = (call, ...args) =>
  new Promise((resolve, reject) => call(...args, (error, value) => error ? reject(error) : resolve(value)))

const BATCH = 250

/** Starts a server in the directory. `gossip` loads the scheduler of connections, whose only part used here is its ping. */
export async function startLegacy ({ dir, keys, ebt = false, gossip = false, invite = false, hops = 3, port, plugins = [], incoming = {} }) {
  mkdirSync(dir, { recursive: true })
  keys ??= ssbKeys.loadOrCreateSync(join(dir, 'secret'))
  port ??= await freePort()
  const wanted = [
    require('ssb-master'), ...gossip ? [require('ssb-gossip')] : [], require('ssb-replicate'), require('ssb-friends'),
    require('ssb-blobs'), ...invite ? [require('ssb-invite')] : [], ...ebt ? [require('ssb-ebt')] : [], ...plugins
  ]
  // ssb-server keeps the plugins it was given, so each peer gets a stack of its own.
  const ssb = wanted.reduce((stack, plugin) => stack.use(plugin), createSsbServer())({
    path: dir,
    keys,
    caps: { shs: caps.shs },
    master: keys.id,
    friends: { hops },
    replicate: {},
    allowPrivate: true,
    timers: { inactivity: 600_000, handshake: 15_000 },
    // Connections are made by hand.
    gossip: { local: false, seed: false, global: false, friends: false, autostart: false },
    connections: {
      incoming: { net: [{ scope: 'public', transform: 'shs', host: HOST, port }], ...incoming },
      outgoing: { net: [{ transform: 'shs' }] }
    }
  })
  const peer = new LegacyPeer({ ssb, keys, dir, port })
  await peer.loaded()
  return peer
}

class LegacyPeer {
  constructor ({ ssb, keys, dir, port }) {
    Object.assign(this, { ssb, keys, dir, port, id: keys.id })
    this.address = `net:${HOST}:${port}~shs:${keys.public.split('.')[0]}`
    this.clock = {}
    this.connections = []
    this.open = new Set()
    ssb.post(({ value }) => { this.clock[value.author] = value.sequence })
    ssb.on('rpc:connect', (rpc) => {
      this.connections.push({ id: rpc.id, frames: framesOf(rpc) })
      this.open.add(rpc)
      rpc.once('closed', () => this.open.delete(rpc))
    })
  }

  async loaded () {
    Object.assign(this.clock, await promised(this.ssb.getVectorClock))
  }

  latest (id) { return this.clock[id] ?? 0 }

  connect (address) { return promised(this.ssb.connect, address) }

  request (id) { this.ssb.replicate.request(id, true) }

  append (content) { return promised(this.ssb.publish, content) }

  async publish (count, size = 200) {
    for (let done = 0; done < count; done += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, count - done) }, (_, i) => post(`${done + i} ${'x'.repeat(size)}`))
      await Promise.all(batch.map((content) => this.append(content)))
      await turn()
    }
  }

  follow (id) { return this.append({ type: 'contact', contact: id, following: true }) }

  messages (id) { return promised((cb) => pull(this.ssb.createUserStream({ id }), pull.collect(cb))) }

  async digest (id) { return digest((await this.messages(id)).map(({ key }) => key)) }

  async disconnect () {
    await Promise.all([...this.open].map((rpc) => new Promise((resolve) => {
      rpc.once('closed', resolve)
      rpc.close(true)
    })))
  }

  async stop () {
    await this.disconnect()
    await promised(this.ssb.close, true)
  }
}

/** ssb-client as command-line tools use it: it asks for the manifest, if it is not given one, and calls what stands in there. */
export const connectClient = (remote, keys, manifest) => promised(ssbClient, keys, { remote, caps: { shs: caps.shs }, manifest })
