// ssb-db2 peers that know each other through the pub alone.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { join } from 'node:path'
import { seededKeys, startModern } from '../lib/modern-peer.mjs'
import { startPub, unless } from '../lib/pub.mjs'
import { scratch, until, within } from './harness.mjs'

const COUNT = 1000

describe('two ssb-db2 peers replicate through the pub', { skip: unless('modern', 'legacy-ebt') }, () => {
  const folder = scratch()
  const keys = { alice: seededKeys('ebt alice'), bob: seededKeys('ebt bob') }
  let alice
  let bob
  let pub
  before(async () => {
    pub = await startPub({ replicate: [keys.alice.id, keys.bob.id] })
    alice = await startModern({ dir: join(folder, 'alice'), keys: keys.alice })
    bob = await startModern({ dir: join(folder, 'bob'), keys: keys.bob })
    alice.request(bob.id)
    bob.request(alice.id)
  })
  after(async () => {
    await alice?.stop()
    await bob?.stop()
    await pub?.stop()
  })

  test('what is printed is the address of a listener on each line', () => {
    for (const line of pub.lines) assert.match(line, /^(unix:\S+|(net|ws):\S+~shs:[A-Za-z0-9+/]{43}=)$/)
  })

  test(`the pub takes ${COUNT} messages of the first and gives them all to the second`, async () => {
    await alice.publish(COUNT)
    await within(alice.connect(pub.address), 'the handshake')
    await pub.holds(alice.id, COUNT)
    await within(bob.connect(pub.address), 'the handshake')
    await until(() => bob.latest(alice.id) >= COUNT, 'the whole feed at the second peer')
    const own = await alice.digest(alice.id)
    assert.equal(await pub.digest(alice.id), own)
    assert.equal(await bob.digest(alice.id), own)
  })

  test('feeds go both ways in one connection', async () => {
    const { length } = alice.connections
    await Promise.all([alice.publish(200), bob.publish(300)])
    await until(() => bob.latest(alice.id) >= COUNT + 200 && alice.latest(bob.id) >= 300, 'both feeds at both ends')
    assert.equal(await bob.digest(alice.id), await alice.digest(alice.id))
    assert.equal(await alice.digest(bob.id), await bob.digest(bob.id))
    assert.equal(alice.connections.length, length, 'no new connection was needed')
  })

  test('a message that is published while both are connected arrives at the other', async () => {
    for (let round = 1; round <= 5; round++) {
      const { value } = await alice.append({ type: 'post', text: `live ${round}` })
      await until(() => bob.latest(alice.id) >= value.sequence, `live message ${round}`)
    }
    const [text, feed] = [(await bob.messages(alice.id)).at(-1).value.content.text, await alice.digest(alice.id)]
    assert.equal(text, 'live 5')
    assert.equal(await bob.digest(alice.id), feed)
  })

  test('texts and numbers that are hard to write arrive as they were signed', async () => {
    const contents = [
      'grüße, 世界 🙂', '\u0000\u001f\u007f\u2028 / \\ "', 'x'.repeat(7800)
    ].map((text) => ({ type: 'post', text }))
    contents.push({ type: 'odd', 2: 'b', 1: 'a', empty: {}, none: [], deep: { list: [1e21, 1e-7, -0, 0.1, 123456789012345680000] } })
    for (const content of contents) await alice.append(content)
    const last = alice.latest(alice.id)
    await until(() => bob.latest(alice.id) >= last, 'the last of them')
    assert.deepEqual((await bob.messages(alice.id)).map(({ value }) => value), (await alice.messages(alice.id)).map(({ value }) => value))
    assert.equal(await pub.digest(alice.id), await alice.digest(alice.id))
  })
})

// Peers of today say once what they want, and do not say it again when the pub comes to want it too.
describe('a feed that the pub comes to want', { skip: unless() }, () => {
  const folder = scratch()
  const keys = { alice: seededKeys('later alice'), bob: seededKeys('later bob') }
  let alice
  let bob
  let pub
  before(async () => {
    pub = await startPub({ hops: 1 })
    alice = await startModern({ dir: join(folder, 'alice'), keys: keys.alice })
    bob = await startModern({ dir: join(folder, 'bob'), keys: keys.bob })
    bob.request(alice.id)
    await alice.publish(20)
  })
  after(async () => {
    await alice?.stop()
    await bob?.stop()
    await pub?.stop()
  })

  test('reaches those that had asked for it before, in the connections that there are', async () => {
    await within(bob.connect(pub.address), 'the handshake')
    await within(alice.connect(pub.address), 'the handshake')
    const asked = ({ out, method, value }) => out && method === 'ebt.replicate' && alice.id in value
    for (const peer of [alice, bob]) await until(() => peer.connections[0].frames.some(asked), 'the word on the feed')
    await pub.ask('publish', { type: 'contact', contact: alice.id, following: true })
    await pub.holds(alice.id, 20)
    await until(() => bob.latest(alice.id) >= 20, 'the feed at the other')
    assert.equal(await bob.digest(alice.id), await alice.digest(alice.id))
    assert.deepEqual([alice.connections.length, bob.connections.length], [1, 1])
  })

  test('is no longer passed on when it is blocked', async () => {
    await pub.ask('publish', { type: 'contact', contact: alice.id, following: false, blocking: true })
    await until(() => alice.open.size === 0, 'the end of the connection of one who is blocked')
    await assert.rejects(within(alice.connect(pub.address), 'a refusal'))
  })
})
