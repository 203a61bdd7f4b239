// Blobs between peers that are connected through the pub alone, and peers that offer what is not the blob.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { join } from 'node:path'
import pull from 'pull-stream'
import { seededKeys, startModern } from '../lib/modern-peer.mjs'
import { STAND_IN, startPub, unless } from '../lib/pub.mjs'
import { dialPub, pushable } from '../lib/ssb-wire.mjs'
import { scratch, until, within } from './harness.mjs'

const MIB = 1024 * 1024
/** Peers neither add nor fetch what is not smaller. */
const TOO_LARGE = 5 * MIB
const PIECE = 65_536
// After a blob of whole pieces ssb-blobs sends one more frame with nothing in it, which muxrpc takes for a goodbye: two
// JavaScript peers lose their connection over it.
const SIZES = [1, PIECE - 1, PIECE, PIECE + 1, MIB, TOO_LARGE - 1].filter((size) => !STAND_IN || size % PIECE > 0)

const blobId = (bytes) => `&${createHash('sha256').update(bytes).digest('base64')}.sha256`
const EMPTY = blobId(Buffer.alloc(0))

describe('blobs', { skip: unless('modern', 'legacy-ebt') }, () => {
  const folder = scratch()
  let alice
  let bob
  let pub
  before(async () => {
    pub = await startPub()
    alice = await startModern({ dir: join(folder, 'alice'), keys: seededKeys('blobs alice') })
    bob = await startModern({ dir: join(folder, 'bob'), keys: seededKeys('blobs bob') })
    await Promise.all([alice, bob].map((peer) => within(peer.connect(pub.address), 'the handshake')))
  })
  after(async () => {
    await alice?.stop()
    await bob?.stop()
    await pub?.stop()
  })

  for (const size of SIZES) {
    test(`one of ${size} bytes passes through the pub, either way`, async () => {
      for (const [from, to] of [[alice, bob], [bob, alice]]) {
        const bytes = randomBytes(size)
        const id = await within(from.addBlob(bytes), 'the blob to be added')
        assert.equal(id, blobId(bytes))
        assert.equal(await within(to.wantBlob(id), 'the blob'), true)
        assert.ok(bytes.equals(await to.blob(id)))
      }
    })
  }

  test('many at once pass', async () => {
    const all = Array.from({ length: 30 }, (_, i) => randomBytes(1000 * (i + 1)))
    const wanted = all.map((bytes) => bob.wantBlob(blobId(bytes)))
    await Promise.all(all.map((bytes) => alice.addBlob(bytes)))
    await within(Promise.all(wanted), 'all blobs')
    for (const bytes of all) assert.ok(bytes.equals(await bob.blob(blobId(bytes))))
  })

  test('one that is wanted before anybody has it comes when somebody has', async () => {
    const bytes = randomBytes(5000)
    const want = bob.wantBlob(blobId(bytes))
    const watcher = await dialPub(pub.address)
    await watcher.source('blobs.createWants').first((wants) => wants[blobId(bytes)] < -1, 'the want, passed on')
    await alice.addBlob(bytes)
    await within(want, 'the blob')
    await watcher.close()
  })

  // ssb-blobs means to know it, but compares its id without the sigil: to fetch it from there, or to want it there, is in vain.
  test('the empty blob is always there', { skip: unless() }, async () => {
    const peer = await dialPub(pub.address)
    const read = peer.source('blobs.get', { key: EMPTY })
    assert.equal(await read.end(), true)
    assert.equal(Buffer.concat(read.items).length, 0)
    assert.equal(await peer.request('blobs.has', EMPTY), true)
    await peer.close()
  })

  test('the pub gives what it fetched, in pieces of 64 KiB, whole or a part of it', async () => {
    const bytes = randomBytes(200_000)
    const id = await alice.addBlob(bytes)
    await within(bob.wantBlob(id), 'the blob')
    const peer = await dialPub(pub.address)
    const ways = [id, { key: id }, { id }, { hash: id }, { key: id, max: TOO_LARGE }, { key: id, size: bytes.length }]
    for (const arg of STAND_IN ? [id, { key: id }] : ways) {
      const read = peer.source('blobs.get', arg)
      assert.equal(await read.end(), true, JSON.stringify(arg))
      assert.ok(bytes.equals(Buffer.concat(read.items)))
      assert.deepEqual(read.items.map(({ length }) => length), [PIECE, PIECE, PIECE, 200_000 - 3 * PIECE])
    }
    const slice = peer.source('blobs.getSlice', { hash: id, start: 10, end: 70_000 })
    assert.equal(await slice.end(), true)
    assert.ok(bytes.subarray(10, 70_000).equals(Buffer.concat(slice.items)))
    assert.equal(await peer.request('blobs.has', id), true)
    assert.deepEqual(await peer.request('blobs.has', [id, blobId(randomBytes(3))]), [true, false])
    for (const arg of [{ key: id, max: 100 }, { key: id, size: 100 }, { key: blobId(randomBytes(3)) }]) {
      assert.notEqual(await peer.source('blobs.get', arg).end(), true, JSON.stringify(arg))
    }
    await peer.close()
  })
})

describe('a peer that offers blobs it does not have', { skip: unless('modern', 'legacy-ebt') }, () => {
  const folder = scratch()
  let bob
  let pub
  before(async () => {
    pub = await startPub()
    bob = await startModern({ dir: join(folder, 'bob'), keys: seededKeys('blobs victim') })
    await within(bob.connect(pub.address), 'the handshake')
  })
  after(async () => {
    await bob?.stop()
    await pub?.stop()
  })

  /** A peer that says it has a blob of some size, once the pub wants it, and gives what `get` returns. */
  async function offers (id, size, get) {
    const wants = pushable([{}])
    const peer = await dialPub(pub.address, { wants, serve: { get } })
    peer.wanted = peer.source('blobs.createWants')
    await peer.wanted.first((wanted) => wanted[id] < 0, 'the want')
    wants.push({ [id]: size })
    return peer
  }

  const asked = (peer, id) => peer.calls.some(({ name, args: [arg] }) => name === 'blobs.get' && [arg, arg?.key, arg?.id, arg?.hash].includes(id))

  test('gets nowhere with other bytes, and an honest one is asked after it', async () => {
    const bytes = randomBytes(70_000)
    const id = blobId(bytes)
    let served = 0
    bob.wantBlob(id).then(() => { served++ })
    const mallory = await offers(id, bytes.length, () => pull.values([bytes.subarray(0, PIECE), randomBytes(bytes.length - PIECE)]))
    await until(() => asked(mallory, id), 'a fetch from the liar')
    const honest = await offers(id, bytes.length, () => pull.values([bytes.subarray(0, PIECE), bytes.subarray(PIECE)]))
    await until(() => served === 1, 'the blob from the honest peer')
    assert.ok(bytes.equals(await bob.blob(id)))
    const read = honest.source('blobs.get', { key: id })
    assert.equal(await read.end(), true)
    assert.ok(bytes.equals(Buffer.concat(read.items)))
    await mallory.close()
    await honest.close()
  })

  test('keeps nothing at the pub', async () => {
    const id = blobId(randomBytes(10))
    bob.wantBlob(id).catch(() => {})
    let over = 0
    const mallory = await offers(id, 1000, () => pull(pull.values([randomBytes(1000)]), pull.through(null, () => { over++ })))
    await until(() => over > 0, 'the end of the fetch')
    assert.equal(await pub.ask('blobs.has', id), false)
    assert.notEqual(await mallory.source('blobs.get', { key: id }).end(), true)
    await mallory.close()
  })

  test('is cut off when it sends more than it said or than anybody may', { skip: unless() }, async () => {
    for (const size of [100, TOO_LARGE - 1]) {
      const id = blobId(randomBytes(10))
      bob.wantBlob(id).catch(() => {})
      let aborted
      let sent = 0
      const endless = (abort, cb) => {
        if (abort) {
          aborted = true
          return cb(abort)
        }
        sent += PIECE
        // Not faster than an abort can come back: JavaScript sends whatever it has, and looks at what it hears afterwards.
        setTimeout(cb, 1, null, Buffer.alloc(PIECE))
      }
      const mallory = await offers(id, size, () => endless)
      await until(() => aborted || !mallory.open, `the abort of a blob of ${size} bytes`)
      assert.ok(sent < 100 * MIB, `${sent} bytes were taken`)
      assert.equal(await pub.ask('blobs.has', id), false)
      await mallory.close()
    }
  })

  test('is not asked for one that is too large', async () => {
    const [large, small] = [blobId(randomBytes(10)), randomBytes(10)]
    bob.wantBlob(large).catch(() => {})
    const got = bob.wantBlob(blobId(small))
    const peer = await offers(large, TOO_LARGE, () => pull.values([small]))
    await peer.wanted.first((wanted) => wanted[blobId(small)] < 0, 'the other want')
    peer.wants.push({ [blobId(small)]: small.length })
    await within(got, 'the small blob')
    assert.ok(!asked(peer, large))
    await peer.close()
  })
})
