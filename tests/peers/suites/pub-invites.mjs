// Invites: made by `push-mux invite create`, redeemed by the packages of today and of old, and by more than they are for.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { join } from 'node:path'
import ssbKeys from 'ssb-keys'
import { post } from '../lib/feed.mjs'
import { startLegacy } from '../lib/legacy-peer.mjs'
import { promised, seededKeys, startModern } from '../lib/modern-peer.mjs'
import { startPub, unless } from '../lib/pub.mjs'
import { newKeys } from '../lib/secret.mjs'
import { dialPub } from '../lib/ssb-wire.mjs'
import { scratch, until, within } from './harness.mjs'

const CODE = /^127\.0\.0\.1:(\d+):(@[A-Za-z0-9+/]{43}=\.ed25519)~([A-Za-z0-9+/]{43}=)$/

/** The keys that a code lets its bearer come with. */
const keysOf = (code) => ssbKeys.generate('ed25519', Buffer.from(CODE.exec(code)[3], 'base64'))

/** Redeems a code by hand, for a feed, in a connection of its own. Rejects with what the pub says, or at the handshake. */
async function redeem (pub, code, feed) {
  const peer = await within(dialPub(pub.address, { keys: keysOf(code) }), 'the handshake')
  try {
    return await within(peer.request('invite.use', { feed }), 'an answer to invite.use')
  } finally {
    await peer.close()
  }
}

/** Whom the pub follows, by its own messages. */
const followed = async (pub) => (await pub.messages(pub.id)).map(({ content }) => content)
  .filter(({ type, following }) => type === 'contact' && following).map(({ contact }) => contact)

describe('an invite', { skip: unless('legacy-ebt') }, () => {
  const folder = scratch()
  let pub
  before(async () => { pub = await startPub({ hops: 2 }) })
  after(() => pub?.stop())

  test('is one line with the address of the pub and a seed', async () => {
    const code = await pub.invite()
    const [, port, key] = CODE.exec(code)
    assert.deepEqual([Number(port), key], [pub.port, pub.id])
    assert.notEqual(await pub.invite(), code)
  })

  test('is accepted by ssb-invite-client, and its feed is followed and replicated', async () => {
    const alice = await startModern({ dir: join(folder, 'alice'), keys: seededKeys('invites alice') })
    try {
      await alice.publish(10)
      await within(promised(alice.ssb.invite.accept, await pub.invite(1)), 'the acceptance')
      assert.ok((await followed(pub)).includes(alice.id))
      const own = (await alice.messages(alice.id)).map(({ value }) => value.content)
      assert.ok(own.some(({ type, contact, following }) => type === 'contact' && contact === pub.id && following))
      // What it redeemed by was the key of the invite; from here on it comes as itself.
      await alice.disconnect()
      await within(alice.connect(pub.address), 'the handshake')
      await pub.holds(alice.id, 12)
      await until(() => alice.latest(pub.id) > 0, 'the feed of the pub, which it follows')
      assert.equal(await alice.digest(pub.id), await pub.digest(pub.id))
    } finally {
      await alice.stop()
    }
  })

  test('makes the pub ask for a feed that it refused a moment ago in the same connection', async () => {
    const bob = await startModern({ dir: join(folder, 'bob'), keys: seededKeys('invites bob') })
    try {
      await bob.publish(10)
      await within(bob.connect(pub.address), 'the handshake')
      const frames = () => bob.connections[0].frames.filter(({ method, opening }) => method === 'ebt.replicate' && !opening)
      // A pub says no to what it does not want, or nothing at all.
      await until(() => frames().some(({ out, value }) => out && bob.id in value), 'the offer')
      const made = await redeem(pub, await pub.invite(1), bob.id)
      assert.deepEqual([made.value.author, made.value.content.contact, made.value.content.following], [pub.id, bob.id, true])
      await pub.holds(bob.id, 10)
      assert.equal(await pub.digest(bob.id), await bob.digest(bob.id))
      await bob.append(post('live'))
      await pub.holds(bob.id, 11)
      assert.equal(bob.connections.length, 1)
    } finally {
      await bob.stop()
    }
  })

  test('is accepted by ssb-invite of ssb-server', async () => {
    const carol = await startLegacy({ dir: join(folder, 'carol'), keys: seededKeys('invites carol'), invite: true, ebt: true })
    try {
      await carol.publish(10)
      await within(promised(carol.ssb.invite.accept, await pub.invite(1)), 'the acceptance')
      assert.ok((await followed(pub)).includes(carol.id))
      await carol.disconnect()
      await within(carol.connect(pub.address), 'the handshake')
      await pub.holds(carol.id, 12)
      await until(() => carol.latest(pub.id) > 0, 'the feed of the pub, which it follows')
    } finally {
      await carol.stop()
    }
  })

  test('for several is good for as many, one after the other', async () => {
    const code = await pub.invite(3)
    const feeds = Array.from({ length: 4 }, () => newKeys().id)
    for (const feed of feeds.slice(0, 3)) assert.equal((await redeem(pub, code, feed)).value.content.contact, feed)
    await assert.rejects(redeem(pub, code, feeds[3]))
    const all = await followed(pub)
    assert.deepEqual(feeds.map((feed) => all.filter((one) => one === feed).length), [1, 1, 1, 0])
  })

  test('for several is good for no more, all at once', { skip: unless() }, async () => {
    const [uses, comers] = [5, 16]
    const code = await pub.invite(uses)
    const feeds = Array.from({ length: comers }, () => newKeys().id)
    const results = await Promise.allSettled(feeds.map((feed) => redeem(pub, code, feed)))
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, uses)
    const all = await followed(pub)
    feeds.forEach((feed, i) => assert.equal(all.includes(feed), results[i].status === 'fulfilled'))
    await assert.rejects(redeem(pub, code, newKeys().id))
  })

  test('for several is good for no more, all at once in one connection', { skip: unless() }, async () => {
    const code = await pub.invite(5)
    const peer = await within(dialPub(pub.address, { keys: keysOf(code) }), 'the handshake')
    const results = await within(Promise.allSettled(Array.from({ length: 16 }, () => peer.request('invite.use', { feed: newKeys().id }))), 'the answers')
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 5)
    for (const { reason } of results.filter(({ status }) => status === 'rejected')) assert.equal(reason.message, 'invite has expired')
    await peer.close()
  })

  test('is not spent on one who is followed already, or on nobody', async () => {
    const code = await pub.invite(2)
    const feed = newKeys().id
    await redeem(pub, code, feed)
    await assert.rejects(redeem(pub, code, feed), { message: 'already following' })
    await assert.rejects(redeem(pub, code, undefined))
    await redeem(pub, code, newKeys().id)
    await assert.rejects(redeem(pub, code, newKeys().id))
  })

  test('outlives a restart of the pub, and so does what is left of it', async () => {
    const code = await pub.invite(2)
    await redeem(pub, code, newKeys().id)
    await pub.stop()
    pub = await startPub({ ...pub.place, hops: 2 })
    await redeem(pub, code, newKeys().id)
    await assert.rejects(redeem(pub, code, newKeys().id))
  })

  test('allows nothing else to its bearer', async () => {
    const peer = await within(dialPub(pub.address, { keys: keysOf(await pub.invite(1)) }), 'the handshake')
    for (const [name, ...args] of [['publish', post('no')], ['invite.create', 1], ['whoami']]) {
      await assert.rejects(within(peer.request(name, ...args), 'an answer'), { message: /is not in list of allowed methods$/ }, name)
    }
    for (const read of [peer.source('createHistoryStream', { id: pub.id }), peer.source('blobs.get', '&47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256')]) {
      assert.match((await read.end()).message, /is not in list of allowed methods$/)
    }
    assert.match((await peer.ebt().end()).message, /is not in list of allowed methods$/)
    await peer.close()
  })

  test('that was never made opens nothing', async () => {
    const feed = newKeys().id
    const peer = await dialPub(pub.address)
    await assert.rejects(within(peer.request('invite.use', { feed }), 'an answer'))
    await peer.close()
    assert.ok(!(await followed(pub)).includes(feed))
  })
})
