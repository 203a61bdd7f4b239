// ssb-server 16, with and without EBT, and the calls that command-line tools make by ssb-client.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pull from 'pull-stream'
import ssbKeys from 'ssb-keys'
import { post } from '../lib/feed.mjs'
import { connectClient, startLegacy } from '../lib/legacy-peer.mjs'
import { promised, seededKeys, startModern } from '../lib/modern-peer.mjs'
import { STAND_IN, startPub, unless } from '../lib/pub.mjs'
import { newKeys } from '../lib/secret.mjs'
import { dialPub, pushable } from '../lib/ssb-wire.mjs'
import { scratch, until, within } from './harness.mjs'

const COUNT = 300

/** The calls of one method in a connection, by who made them. */
const calls = ({ frames }, method, out) => frames.filter((frame) => frame.opening && frame.method === method && frame.out === out)

for (const [name, ebt] of [['ssb-server 16 without EBT', false], ['ssb-server 16 with EBT 5', true]]) {
  // ssb-replicate asks only those that ask it, which ssb-db2 does not, and it keeps one position for all live streams of a
  // feed, so that it does not pass on what is new.
  const passesOn = ebt ? unless('legacy-ebt') : unless()
  describe(`${name} at both sides of the pub`, { skip: ebt ? unless('modern', 'legacy-ebt') : unless('legacy', 'legacy-ebt') }, () => {
    const folder = scratch()
    const keys = { alice: seededKeys(`${name} alice`), bob: seededKeys(`${name} bob`) }
    const start = (options) => startLegacy({ ...options, gossip: true, ebt })
    let alice
    let bob
    let pub
    before(async () => {
      pub = await startPub({ replicate: [keys.alice.id, keys.bob.id] })
      alice = await start({ dir: join(folder, 'alice'), keys: keys.alice })
      bob = await start({ dir: join(folder, 'bob'), keys: keys.bob })
      alice.request(bob.id)
      bob.request(alice.id)
    })
    after(async () => {
      await alice?.stop()
      await bob?.stop()
      await pub?.stop()
    })

    test('what was there before arrives at the other', async () => {
      await alice.publish(COUNT)
      await within(alice.connect(pub.address), 'the handshake')
      await pub.holds(alice.id, COUNT)
      await within(bob.connect(pub.address), 'the handshake')
      await until(() => bob.latest(alice.id) >= COUNT, 'the feed of the first')
      assert.equal(await bob.digest(alice.id), await alice.digest(alice.id))
      assert.equal(await pub.digest(alice.id), await alice.digest(alice.id))
    })

    test('what is published while both are connected arrives at the other', { skip: passesOn }, async () => {
      await bob.publish(COUNT)
      await until(() => alice.latest(bob.id) >= COUNT, 'the feed of the second')
      for (let round = 1; round <= 3; round++) {
        await alice.append(post(`live ${round}`))
        await bob.append(post(`live ${round}`))
        await until(() => bob.latest(alice.id) >= COUNT + round && alice.latest(bob.id) >= COUNT + round, `live message ${round}`)
      }
      assert.equal(await alice.digest(bob.id), await bob.digest(bob.id))
    })

    test('a peer of today gets what the old one published', { skip: ebt ? false : unless() }, async () => {
      const carol = await startModern({ dir: join(folder, 'carol'), keys: seededKeys(`${name} carol`) })
      try {
        carol.request(alice.id)
        await within(carol.connect(pub.address), 'the handshake')
        await until(() => carol.latest(alice.id) >= alice.latest(alice.id), 'the old feed')
        assert.equal(await carol.digest(alice.id), await alice.digest(alice.id))
      } finally {
        await carol.stop()
      }
    })

    test('a restart of the pub changes nothing', { skip: passesOn }, async () => {
      await Promise.all([alice.disconnect(), bob.disconnect()])
      await pub.stop()
      await alice.publish(20)
      pub = await startPub({ ...pub.place, replicate: [alice.id, bob.id] })
      await within(alice.connect(pub.address), 'the handshake')
      await within(bob.connect(pub.address), 'the handshake')
      await until(() => bob.latest(alice.id) >= alice.latest(alice.id), 'what was published meanwhile')
      assert.equal(await bob.digest(alice.id), await alice.digest(alice.id))
    })
  })
}

describe('the pub and one that replicates by history streams', { skip: unless('legacy', 'legacy-ebt') }, () => {
  const folder = scratch()
  let alice
  let pub
  before(async () => {
    alice = await startLegacy({ dir: join(folder, 'alice'), keys: seededKeys('history alice') })
    await alice.publish(10)
    pub = await startPub({ replicate: [alice.id] })
    await within(alice.connect(pub.address), 'the handshake')
    await pub.holds(alice.id, 10)
  })
  after(async () => {
    await alice?.stop()
    await pub?.stop()
  })

  test('the pub asks back, once for each feed, for bare messages that go on', () => {
    const [connection] = alice.connections
    const asked = calls(connection, 'createHistoryStream', false).map(({ value }) => value.args[0])
    assert.equal(asked.filter(({ id }) => id === alice.id).length, 1, JSON.stringify(asked))
    const { seq, sequence, live, keys } = asked.find(({ id }) => id === alice.id)
    assert.deepEqual({ from: seq ?? sequence, live, keys }, { from: 1, live: true, keys: false })
  })

  test('a request beyond what there is stays open if it is live, and ends at once if not', async () => {
    const rpc = await within(connectClient(pub.address, newKeys(), { createHistoryStream: 'source' }), 'the handshake')
    const read = (options) => promised((cb) => pull(rpc.createHistoryStream({ id: alice.id, keys: false, ...options }), pull.collect(cb)))
    assert.deepEqual(await within(read({ seq: 11 }), 'nothing'), [])
    const next = promised((cb) => pull(rpc.createHistoryStream({ id: alice.id, seq: 11, live: true, keys: false }), pull.take(1), pull.collect(cb)))
    await alice.append(post('eleven'))
    assert.equal((await within(next, 'the next message'))[0].sequence, 11)
    rpc.close(true)
  })
})

describe('a peer that asks by history streams is asked for many feeds', { skip: unless() }, () => {
  const MANY = 200
  const feeds = Array.from({ length: MANY }, (_, n) => seededKeys(`one of many ${n}`).id)
  let pub
  before(async () => { pub = await startPub({ replicate: feeds }) })
  after(() => pub?.stop())

  /** The calls of the pub on a peer that asks first and answers so. */
  const dial = async (createHistoryStream) => {
    const peer = await dialPub(pub.address, { serve: { createHistoryStream } })
    peer.source('createHistoryStream', { id: peer.id, live: true, keys: false })
    const asked = () => peer.calls.filter(({ name }) => name === 'createHistoryStream').length
    await until(() => asked() > 0, 'the first call of the pub')
    return { peer, asked }
  }

  test('all at once, if it answers', async () => {
    const { peer, asked } = await dial(() => pull.empty())
    await until(() => asked() >= MANY, 'a call for each feed')
    await peer.close()
  })

  test('and for few only, if it refuses', async () => {
    const { peer, asked } = await dial(() => pull.error(new Error('no')))
    await new Promise((resolve) => setTimeout(resolve, 2500))
    assert.ok(asked() < MANY / 2, `${asked()} calls`)
    await peer.close()
  })

  test('and little by little, if it says nothing', async () => {
    const { peer, asked } = await dial(() => pushable())
    assert.ok(asked() < MANY, `${asked()} calls at first`)
    await until(() => asked() >= MANY, 'a call for each feed in the end')
    await peer.close()
  })
})

// By key over TCP, and by being let at the socket.
const WAYS = {
  'the master key': (pub) => connectClient(pub.address, ssbKeys.loadSync(join(pub.dir, 'secret'))),
  'the Unix socket': (pub) => connectClient(`unix:${join(pub.dir, 'socket')}~noauth`, newKeys())
}

describe('ssb-client', { skip: unless('legacy', 'legacy-ebt') }, () => {
  const folder = scratch()
  let alice
  let pub
  before(async () => {
    alice = await startLegacy({ dir: join(folder, 'alice'), keys: seededKeys('client alice') })
    await alice.publish(5)
    pub = await startPub({ replicate: [alice.id] })
    await within(alice.connect(pub.address), 'the handshake')
    await pub.holds(alice.id, 5)
  })
  after(async () => {
    await alice?.stop()
    await pub?.stop()
  })

  for (const [way, connect] of Object.entries(WAYS)) {
    describe(`by ${way}`, () => {
      let rpc
      const ask = (call, ...args) => within(promised(call, ...args), 'an answer')
      const read = (source) => within(promised((cb) => pull(source, pull.collect(cb))), 'the end of a source')
      before(async () => {
        await pub.admin()
        rpc = await within(connect(pub), 'the connection')
      })
      after(() => rpc?.close(true))

      test('whoami and manifest', async () => {
        assert.deepEqual(await ask(rpc.whoami), { id: pub.id })
        const manifest = await ask(rpc.manifest)
        const kinds = Object.fromEntries(['get', 'publish', 'createHistoryStream', 'createUserStream', 'createLogStream']
          .map((name) => [name, manifest[name]]))
        assert.deepEqual(kinds, {
          get: 'async', publish: 'async', createHistoryStream: 'source', createUserStream: 'source', createLogStream: 'source'
        })
        assert.equal(manifest.blobs.get, 'source')
      })

      test('get and getLatest', async () => {
        const [own] = await alice.messages(alice.id)
        assert.deepEqual(await ask(rpc.get, own.key), own.value)
        assert.equal((await ask(rpc.get, { id: own.key, meta: true })).key, own.key)
        await assert.rejects(ask(rpc.get, '%47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256'))
        const latest = await ask(rpc.getLatest, alice.id)
        assert.equal(latest.value.sequence, 5)
        assert.equal(latest.key, (await alice.messages(alice.id)).at(-1).key)
      })

      test('createHistoryStream and createUserStream', async () => {
        const own = await alice.messages(alice.id)
        const keys = own.map(({ key }) => key)
        const history = await read(rpc.createHistoryStream({ id: alice.id }))
        assert.deepEqual(history.map(({ key }) => key), keys)
        assert.deepEqual(history.map(({ value }) => value), own.map(({ value }) => value))
        assert.ok(history.every(({ timestamp }) => typeof timestamp === 'number'))
        const values = await read(rpc.createHistoryStream({ id: alice.id, sequence: 3, limit: 2, keys: false }))
        assert.deepEqual(values.map(({ sequence }) => sequence), [3, 4])
        assert.deepEqual((await read(rpc.createUserStream({ id: alice.id }))).map(({ key }) => key), keys)
        const some = await read(rpc.createUserStream({ id: alice.id, gt: 1, lte: 4 }))
        assert.deepEqual(some.map(({ value }) => value.sequence), [2, 3, 4])
        const back = await read(rpc.createUserStream({ id: alice.id, reverse: true, limit: 2 }))
        assert.deepEqual(back.map(({ value }) => value.sequence), [5, 4])
      })

      test('publish, and the log of all', async () => {
        const made = await ask(rpc.publish, post(`by ${way}`))
        assert.equal(made.value.author, pub.id)
        assert.deepEqual(made.value.content, post(`by ${way}`))
        assert.deepEqual(await ask(rpc.get, made.key), made.value)
        const log = await read(rpc.createLogStream({}))
        assert.deepEqual(log.at(-1).key, made.key)
        for (const { key } of await alice.messages(alice.id)) assert.ok(log.some((entry) => entry.key === key))
        await assert.rejects(ask(rpc.publish, { text: 'no type' }))
        await assert.rejects(ask(rpc.publish, post('x'.repeat(9000))))
        const live = promised((cb) => pull(rpc.createLogStream({ live: true, old: false }), pull.filter((entry) => !entry.sync), pull.take(1), pull.collect(cb)))
        // The stream is open once a later call is answered.
        await ask(rpc.whoami)
        const next = await ask(rpc.publish, post('live'))
        assert.equal((await within(live, 'a live message of the log'))[0].key, next.key)
      })

      test('friends', async () => {
        const query = { source: pub.id, dest: seededKeys(`friend by ${way}`).id }
        assert.ok(!await ask(rpc.friends.isFollowing, query))
        await ask(rpc.publish, { type: 'contact', contact: query.dest, following: true })
        await until(async () => await ask(rpc.friends.isFollowing, query) === true, 'the follow in the graph')
        const hops = await ask(rpc.friends.hops, {})
        assert.deepEqual([hops[pub.id], hops[query.dest]], [0, 1])
        await ask(rpc.publish, { type: 'contact', contact: query.dest, blocking: true })
        await until(async () => await ask(rpc.friends.isBlocking, query) === true, 'the block in the graph')
        assert.ok(!await ask(rpc.friends.isFollowing, query))
      })

      test('what is replicated, and with whom', async () => {
        const found = (await read(rpc.replicate.upto({}))).find(({ id }) => id === alice.id)
        assert.equal(found.sequence, 5)
        if (STAND_IN !== 'legacy') {
          const status = await ask(rpc.ebt.peerStatus, alice.id)
          assert.deepEqual({ id: status.id, seq: status.seq }, { id: alice.id, seq: 5 })
          assert.equal(typeof status.peers, 'object')
        }
        assert.equal(typeof await ask(rpc.status), 'object')
      })

      test('blobs', async () => {
        const bytes = Buffer.from(`a blob by ${way}`)
        const id = `&${ssbKeys.hash(bytes)}`
        assert.equal(await ask(rpc.blobs.has, id), false)
        assert.equal(await ask(rpc.blobs.size, id), null)
        assert.equal(await ask((cb) => pull(pull.values([bytes]), rpc.blobs.add(cb))), id)
        await until(async () => await ask(rpc.blobs.has, id) === true, 'the blob')
        assert.equal(await ask(rpc.blobs.size, id), bytes.length)
        assert.deepEqual(await ask(rpc.blobs.has, [id, `&${ssbKeys.hash('other')}`]), [true, false])
        assert.ok((await read(rpc.blobs.ls({}))).includes(id))
        assert.ok(bytes.equals(Buffer.concat(await read(rpc.blobs.get(id)))))
      })

      test('a ping', async () => {
        const { source, sink } = rpc.gossip.ping({ timeout: 1000 })
        pull(pull.values([Date.now()]), sink)
        const [pong] = await within(promised((cb) => pull(source, pull.take(1), pull.collect(cb))), 'the answer')
        assert.ok(Math.abs(pong - Date.now()) < 60_000, `${pong}`)
      })
    })
  }

  test('of a stranger may change nothing', async () => {
    const methods = {
      publish: 'async', add: 'async', invite: { create: 'async' }, blobs: { rm: 'async', want: 'async' }, friends: { hops: 'async' }
    }
    const rpc = await within(connectClient(pub.address, newKeys(), methods), 'the connection')
    const blob = `&${ssbKeys.hash('x')}`
    for (const [call, ...args] of [
      [rpc.publish, post('not mine')], [rpc.add, {}], [rpc.invite.create, 1], [rpc.blobs.rm, blob], [rpc.blobs.want, blob], [rpc.friends.hops, {}]
    ]) await assert.rejects(within(promised(call, ...args), 'an answer'), { message: /is not in list of allowed methods$/ })
    rpc.close(true)
  })

  test('of a stranger sees in the manifest what it may read', { skip: unless() }, async () => {
    const rpc = await within(connectClient(pub.address, newKeys()), 'the connection')
    const manifest = await within(promised(rpc.manifest), 'the manifest')
    assert.deepEqual([manifest.createHistoryStream, manifest.blobs.get, manifest.ebt.replicate], ['source', 'source', 'duplex'])
    rpc.close(true)
  })
})

test('the key of the pub is in a file that ssb-keys reads', async () => {
  const pub = await startPub()
  try {
    assert.equal(ssbKeys.loadSync(join(pub.dir, 'secret')).id, pub.id)
    assert.match(readFileSync(join(pub.dir, 'secret'), 'utf8'), /"private"/)
  } finally {
    await pub.stop()
  }
})
