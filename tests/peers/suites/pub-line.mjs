// Three pubs in a line, with a peer at either end.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { join } from 'node:path'
import { seededKeys, startModern } from '../lib/modern-peer.mjs'
import { startPub, unless } from '../lib/pub.mjs'
import { scratch, until, within } from './harness.mjs'

const COUNT = 200

// In the second case each pub only follows its neighbours, in its own feed. ssb-ebt then gives up: a peer that was told of a feed
// before we wanted it is not asked again, and what a peer wanted before we did is forgotten.
for (const [how, listed] of [['that are told which feeds to replicate', true], ['that follow their neighbours', false]]) {
  describe(`three pubs in a line ${how}`, { skip: listed ? unless('modern', 'legacy-ebt') : unless() }, () => {
    const folder = scratch()
    const keys = { alice: seededKeys(`line alice ${how}`), bob: seededKeys(`line bob ${how}`) }
    const pubs = []
    let alice
    let bob
    before(async () => {
      const options = listed ? { replicate: [keys.alice.id, keys.bob.id] } : { hops: 3 }
      for (let i = 0; i < 3; i++) {
        const [neighbour] = pubs
        pubs.unshift(await startPub({ ...options, connect: neighbour ? [neighbour.address] : [] }))
      }
      alice = await startModern({ dir: join(folder, 'alice'), keys: keys.alice })
      bob = await startModern({ dir: join(folder, 'bob'), keys: keys.bob })
      alice.request(bob.id)
      bob.request(alice.id)
      if (!listed) {
        const line = [alice, ...pubs, bob]
        for (let i = 1; i <= 3; i++) {
          for (const { id } of [line[i - 1], line[i + 1]]) await line[i].ask('publish', { type: 'contact', contact: id, following: true })
        }
        for (const pub of pubs) {
          await until(async () => Object.keys(await pub.ask('friends.hops', {})).length === line.length, 'the whole graph at a pub')
        }
      }
    })
    after(async () => {
      await alice?.stop()
      await bob?.stop()
      await Promise.all(pubs.map((pub) => pub.stop()))
    })

    test('converge', async () => {
      await Promise.all([alice.publish(COUNT), bob.publish(COUNT)])
      await within(alice.connect(pubs[0].address), 'the handshake')
      await within(bob.connect(pubs[2].address), 'the handshake')
      await until(() => bob.latest(alice.id) >= COUNT && alice.latest(bob.id) >= COUNT, 'both feeds at both ends')
      const own = new Map([[alice.id, await alice.digest(alice.id)], [bob.id, await bob.digest(bob.id)]])
      assert.equal(await bob.digest(alice.id), own.get(alice.id))
      assert.equal(await alice.digest(bob.id), own.get(bob.id))
      for (const pub of pubs) for (const [id, digest] of own) assert.equal(await pub.digest(id), digest)
    })

    test('pass on what is new', async () => {
      await Promise.all([alice.publish(50), bob.publish(50)])
      await until(() => bob.latest(alice.id) >= COUNT + 50 && alice.latest(bob.id) >= COUNT + 50, 'what is new at both ends')
    })

    test('converge again after the one in the middle was away', async () => {
      const { place } = pubs[1]
      await pubs[1].kill()
      await Promise.all([alice.publish(50), bob.publish(50)])
      pubs[1] = await startPub({
        ...place, connect: [pubs[2].address], ...listed ? { replicate: [keys.alice.id, keys.bob.id] } : { hops: 3 }
      })
      await until(() => bob.latest(alice.id) >= COUNT + 100 && alice.latest(bob.id) >= COUNT + 100, 'what is new at both ends')
      assert.equal(await bob.digest(alice.id), await alice.digest(alice.id))
      assert.equal(await alice.digest(bob.id), await bob.digest(bob.id))
    })
  })
}
