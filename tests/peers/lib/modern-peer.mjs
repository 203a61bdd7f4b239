// The Secure Scuttlebutt application of today: secret-stack 6.4 with ssb-db2, EBT 9, blobs, friends, conn and its scheduler.
import { createRequire } from 'node:module'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { digest, post } from './feed.mjs'
import { HOST, freePort } from './secret.mjs'
import { tapMuxrpc } from './tap.mjs'

// A set of packages of its own: its versions and those of the older applications cannot stand in one tree.
const require = createRequire(new URL('../modern/package.json', import.meta.url))
const framesOf = tapMuxrpc(require)
const SecretStack = require('secret-stack')
const caps = require('ssb-caps')
const pull = require('pull-stream')
const ssbKeys = require('ssb-keys')
const { author, toPromise, where } = require('ssb-db2/operators')

/** Calls a function that takes a callback. */
export const promised = (call, ...args) =>
  new Promise((resolve, reject) => call(...args, (error, value) => error ? reject(error) : resolve(value)))

export const seededKeys = (seed) => ssbKeys.generate('ed25519', Buffer.alloc(32, seed))

const BATCH = 250

/** What every application loads; ssb-db2 fills in for the parts of ssb-db that older plugins look for. */
function plugins (extra) {
  return [
    require('ssb-db2'), require('ssb-db2/compat/history-stream'), require('ssb-db2/compat/db'), require('ssb-db2/compat/ebt'),
    require('ssb-db2/compat/publish'), require('ssb-ebt'), require('ssb-friends'), require('ssb-conn'),
    require('ssb-invite-client'), require('ssb-blobs'), require('ssb-replication-scheduler'), ...extra
  ]
}

/**
 * Starts a peer in the directory; one that is there goes on with the feeds it holds. `plugins` are loaded besides, and
 * `incoming` are transports to listen on besides TCP.
 */
export async function startModern ({ dir, keys, hops = 2, port, plugins: extra = [], incoming = {} }) {
  mkdirSync(dir, { recursive: true })
  keys ??= ssbKeys.loadOrCreateSync(join(dir, 'secret'))
  port ??= await freePort()
  const ssb = plugins(extra).reduce((stack, plugin) => stack.use(plugin), SecretStack({ caps: { shs: caps.shs } }))({
    path: dir,
    keys,
    caps: { shs: caps.shs },
    friends: { hops },
    timers: { inactivity: 600_000, handshake: 15_000 },
    conn: { autostart: false, populatePubs: false },
    connections: {
      incoming: { net: [{ scope: 'device', transform: 'shs', host: HOST, port }], ...incoming },
      outgoing: { net: [{ transform: 'shs' }] }
    }
  })
  const peer = new ModernPeer({ ssb, keys, dir, port })
  await peer.loaded()
  return peer
}

class ModernPeer {
  constructor ({ ssb, keys, dir, port }) {
    Object.assign(this, { ssb, keys, dir, port, id: keys.id })
    this.address = `net:${HOST}:${port}~shs:${keys.public.split('.')[0]}`
    /** The last sequence of every feed that is held. */
    this.clock = {}
    /** The frames of each connection, the oldest connection first. */
    this.connections = []
    this.open = new Set()
    ssb.db.onMsgAdded(({ kvt }) => { this.clock[kvt.value.author] = kvt.value.sequence })
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

  connect (address) { return promised(this.ssb.conn.connect, address) }

  /** Replicates a feed whatever the graph of friends says. */
  request (id) { this.ssb.ebt.request(id, true) }

  async append (content) { return promised(this.ssb.db.create, { keys: this.keys, content }) }

  /** Publishes `count` posts of about `size` characters each. */
  async publish (count, size = 200) {
    for (let done = 0; done < count; done += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, count - done) }, (_, i) => post(`${done + i} ${'x'.repeat(size)}`))
      await Promise.all(batch.map((content) => this.append(content)))
      await turn()
    }
  }

  follow (id) { return this.append({ type: 'contact', contact: id, following: true }) }

  /** Every message of a feed, in its order. */
  async messages (id) {
    const found = await this.ssb.db.query(where(author(id)), toPromise())
    return found.sort((a, b) => a.value.sequence - b.value.sequence)
  }

  async digest (id) { return digest((await this.messages(id)).map(({ key }) => key)) }

  addBlob (bytes) {
    return new Promise((resolve, reject) => {
      const pieces = []
      for (let at = 0; at < bytes.length; at += 65_536) pieces.push(bytes.subarray(at, at + 65_536))
      pull(pull.values(pieces), this.ssb.blobs.add((error, id) => error ? reject(error) : resolve(id)))
    })
  }

  /** Resolves when the blob has come. */
  wantBlob (id) { return promised(this.ssb.blobs.want, id) }

  async blob (id) { return Buffer.concat(await promised((cb) => pull(this.ssb.blobs.get(id), pull.collect(cb)))) }

  /** Ends every connection, the orderly way. */
  async disconnect () {
    const all = [...this.open]
    await Promise.all(all.map((rpc) => new Promise((resolve) => {
      rpc.once('closed', resolve)
      rpc.close(true)
    })))
  }

  async stop () {
    await this.disconnect()
    await promised(this.ssb.close, true)
  }
}
