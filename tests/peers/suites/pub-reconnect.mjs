// Connections that end and come again, with the clocks that both sides keep of each other.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { seededKeys, startModern } from '../lib/modern-peer.mjs'
import { startPub, unless } from '../lib/pub.mjs'
import { dialPub, position } from '../lib/ssb-wire.mjs'
import { scratch, until, within } from './harness.mjs'

/** The notes of a connection that came from the pub, or went to it. */
const notes = ({ frames }, out = false) =>
  frames.filter((frame) => frame.out === out && frame.method === 'ebt.replicate' && !frame.opening && !frame.end &&
    frame.value?.author === undefined).map(({ value }) => value)

const first = async (connection) => {
  await until(() => notes(connection).length > 0, 'the first note')
  return notes(connection)[0]
}

describe('a peer that comes again', { skip: unless('modern') }, () => {
  const folder = scratch()
  const keys = { alice: seededKeys('again alice'), bob: seededKeys('again bob') }
  let alice
  let bob
  let pub
  const start = async (name, other) => {
    const peer = await startModern({ dir: join(folder, name), keys: keys[name] })
    peer.request(keys[other].id)
    return peer
  }
  const replicate = Object.values(keys).map(({ id }) => id)
  const clockOf = async (peer) => {
    // The file's name is the pub's id in the URL-friendly form of base64.
    const name = pub.id.replaceAll('+', '-').replaceAll('/', '_').replace('=', '')
    try { return JSON.parse(await readFile(join(folder, peer, 'ebt', name), 'utf8')) } catch { return {} }
  }

  before(async () => {
    pub = await startPub({ replicate })
    alice = await start('alice', 'bob')
    bob = await start('bob', 'alice')
    await alice.publish(100)
    await bob.publish(50)
    await within(alice.connect(pub.address), 'the handshake')
    await within(bob.connect(pub.address), 'the handshake')
    await until(() => alice.latest(bob.id) >= 50 && bob.latest(alice.id) >= 100, 'both feeds at both ends')
  })
  after(async () => {
    await alice?.stop()
    await bob?.stop()
    await pub?.stop()
  })

  test('finds its own feed left out of the second note, and all feeds once it has told of them', async () => {
    assert.ok(alice.id in await first(alice.connections[0]))
    await alice.disconnect()
    await within(alice.connect(pub.address), 'the handshake')
    const second = await first(alice.connections[1])
    assert.ok(!(alice.id in second), JSON.stringify(second))
    // The reply to what the second note told, if it told anything, is what the pub then knows.
    if (bob.id in second) {
      await until(() => notes(alice.connections[1], true).some((note) => bob.id in note), 'the word on the other feed')
    }
    await alice.disconnect()
    await within(alice.connect(pub.address), 'the handshake')
    const third = await first(alice.connections[2])
    assert.ok(!(alice.id in third) && !(bob.id in third), JSON.stringify(third))
  })

  test('still gets and gives what is new', async () => {
    await alice.disconnect()
    await alice.publish(20)
    await bob.publish(10)
    await pub.holds(bob.id, 60)
    await within(alice.connect(pub.address), 'the handshake')
    await until(() => bob.latest(alice.id) >= 120 && alice.latest(bob.id) >= 60, 'what is new at both ends')
  })

  test('may have been another process meanwhile', async () => {
    await alice.disconnect()
    await until(async () => alice.id in await clockOf('alice'), 'the clock on disk')
    await alice.stop()
    alice = await start('alice', 'bob')
    await alice.publish(5)
    await bob.publish(5)
    await within(alice.connect(pub.address), 'the handshake')
    await until(() => bob.latest(alice.id) >= 125 && alice.latest(bob.id) >= 65, 'what is new at both ends')
    assert.equal(await bob.digest(alice.id), await alice.digest(alice.id))
  })

  test('finds a pub that was restarted as it left it', async () => {
    await Promise.all([alice.disconnect(), bob.disconnect()])
    assert.equal(await pub.stop(), 0)
    await alice.publish(5)
    const { id } = pub
    pub = await startPub({ ...pub.place, replicate })
    assert.equal(pub.id, id)
    await within(alice.connect(pub.address), 'the handshake')
    await within(bob.connect(pub.address), 'the handshake')
    await bob.publish(5)
    await until(() => bob.latest(alice.id) >= 130 && alice.latest(bob.id) >= 70, 'what is new at both ends')
    for (const peer of [alice, bob]) assert.equal(await pub.digest(peer.id), await peer.digest(peer.id))
  })

  test('that lost its database gets everything anew', async () => {
    await bob.stop()
    bob = await startModern({ dir: join(folder, 'bob again'), keys: keys.bob })
    bob.request(alice.id)
    await within(bob.connect(pub.address), 'the handshake')
    await until(() => bob.latest(alice.id) >= 130 && bob.latest(bob.id) >= 70, 'all that was lost')
    assert.equal(await bob.digest(alice.id), await alice.digest(alice.id))
    assert.equal(await bob.digest(bob.id), await alice.digest(bob.id))
  })

  test('and tells lower numbers than before is believed', async () => {
    const peer = await dialPub(pub.address)
    for (const from of [125, 120]) {
      const ebt = peer.ebt()
      await ebt.greeted()
      ebt.send({ [alice.id]: position(from) })
      const sequences = (await ebt.reaches(alice.id, 130)).map(({ sequence }) => sequence)
      assert.deepEqual(sequences, Array.from({ length: 130 - from }, (_, i) => from + 1 + i))
    }
    await peer.close()
  })

  test('a second stream of the same peer ends the first', async () => {
    const peer = await dialPub(pub.address)
    const [one, two] = [peer.ebt(), peer.ebt()]
    await two.greeted()
    assert.equal((await one.end()).message, 'reconnected to peer')
    two.send({ [alice.id]: position(129) })
    assert.equal((await two.reaches(alice.id, 130)).length, 1)
    await peer.close()
  })
})
