// A pub that is killed in the middle of its work and started again where it was.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { join } from 'node:path'
import { keyOf, post } from '../lib/feed.mjs'
import { seededKeys, startModern } from '../lib/modern-peer.mjs'
import { startPub, unless } from '../lib/pub.mjs'
import { scratch, until, within } from './harness.mjs'

const ROUNDS = 3
const COUNT = 800

// ssb-db2 gives away messages of its own that are not yet on disk, forks its feed when it is killed then, and may not find its way
// back to the feeds of others.
describe('a pub that is killed while it replicates', { skip: unless() }, () => {
  const folder = scratch()
  const keys = { alice: seededKeys('crash alice'), bob: seededKeys('crash bob') }
  const replicate = Object.values(keys).map(({ id }) => id)
  let alice
  let bob
  let pub
  before(async () => {
    pub = await startPub({ replicate })
    alice = await startModern({ dir: join(folder, 'alice'), keys: keys.alice })
    bob = await startModern({ dir: join(folder, 'bob'), keys: keys.bob })
    alice.request(bob.id)
    bob.request(alice.id)
    for (const peer of [alice, bob]) peer.request(pub.id)
  })
  after(async () => {
    await alice?.stop()
    await bob?.stop()
    await pub?.stop()
  })
  const dial = () => Promise.all([alice, bob].map((peer) => within(peer.connect(pub.address), 'the handshake')))

  for (let round = 1; round <= ROUNDS; round++) {
    test(`heals, time ${round}`, async () => {
      await Promise.all([alice.publish(COUNT), bob.publish(COUNT)])
      await dial()
      // A message of the pub's own that others have seen, and then the end, at another point each time.
      const own = await pub.ask('publish', post(`before the end ${round}`))
      await until(() => alice.latest(pub.id) >= own.value.sequence, 'the word of the pub')
      const enough = COUNT * (round - 1) + Math.floor(COUNT * round / (ROUNDS + 1))
      await until(() => bob.latest(alice.id) >= enough || alice.latest(bob.id) >= enough, 'a part of a feed')
      await pub.kill()
      await until(() => alice.open.size === 0 && bob.open.size === 0, 'the end of the connections')

      const { id, place } = pub
      pub = await startPub({ ...place, replicate })
      assert.equal(pub.id, id)
      await pub.ask('publish', post(`after the end ${round}`))
      await dial()
      await until(() => bob.latest(alice.id) >= COUNT * round && alice.latest(bob.id) >= COUNT * round, 'both feeds at both ends')
      await until(() => bob.latest(pub.id) >= 2 * round && alice.latest(pub.id) >= 2 * round, 'the feed of the pub')
      for (const peer of [alice, bob]) assert.equal(await pub.digest(peer.id), await peer.digest(peer.id))
      assert.equal(await bob.digest(alice.id), await alice.digest(alice.id))
      assert.equal(await alice.digest(bob.id), await bob.digest(bob.id))
    })
  }

  test('has not forked its own feed', async () => {
    const own = await pub.messages(pub.id)
    assert.deepEqual(own.map(({ sequence }) => sequence), Array.from({ length: 2 * ROUNDS }, (_, i) => i + 1))
    own.forEach(({ previous }, i) => assert.equal(previous, i === 0 ? null : keyOf(own[i - 1])))
    const words = own.map(({ content }) => content.text)
    assert.deepEqual(words, Array.from({ length: ROUNDS }, (_, i) => [`before the end ${i + 1}`, `after the end ${i + 1}`]).flat())
    for (const peer of [alice, bob]) assert.equal(await peer.digest(pub.id), await pub.digest(pub.id))
  })
})
