// Peers that send what no honest peer sends: it costs them a feed or a call, never the connection.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import pull from 'pull-stream'
import { Feed, forged, keyOf, post, signed } from '../lib/feed.mjs'
import { startPub, unless } from '../lib/pub.mjs'
import { newKeys } from '../lib/secret.mjs'
import { Received, dialPub, position, pushable } from '../lib/ssb-wire.mjs'
import { until, within } from './harness.mjs'

/** Feeds of ten messages that go wrong at the sixth, each in its own way: what is sent in its place and after it. */
const WRONG = {
  'a forged message': ({ values }) => [forged(values[5]), ...values.slice(6)],
  'a signature of somebody else': (feed) => [{ ...signed(newKeys(), { ...feed.values[5] }), author: feed.id }],
  'a fork': (feed) => [signed(feed.keys, { previous: keyOf(feed.values[3]), sequence: 6, content: post('fork') })],
  'a gap': ({ values }) => values.slice(6),
  'a message out of order': ({ values }) => [values[6], values[5], values[7]],
  'another hash': (feed) => [{ ...feed.values[5], hash: 'sha512' }],
  'one more property': (feed) => [{ ...feed.values[5], extra: true }],
  'no signature': ({ values: [,,,,, { signature, ...rest }] }) => [rest],
  'a sequence that is no integer': ({ values }) => [{ ...values[5], sequence: 6.5 }],
  'content without a type': (feed) => [signed(feed.keys, { previous: keyOf(feed.values[4]), sequence: 6, content: { text: 'x' } })],
  'a message that is too long': (feed) => [signed(feed.keys, { previous: keyOf(feed.values[4]), sequence: 6, content: post('x'.repeat(8200)) })]
}

const lists = () => Object.entries(WRONG).map(([name, bad]) => {
  const feed = new Feed().fill(10)
  return { name, feed, sent: [...feed.values.slice(0, 5), ...bad(feed)] }
})

/** The pub holds the five good messages of each, all of the good feed, and no more. */
async function onlyTheGood (pub, cases, good) {
  await pub.holds(good.id, good.values.length)
  assert.equal(await pub.digest(good.id), good.digest)
  for (const { name, feed } of cases) {
    await pub.holds(feed.id, 5).catch((error) => { throw new Error(`${name}: ${error.message}`) })
    const held = (await pub.messages(feed.id)).map(keyOf)
    // Whoever waits for the sixth may take it when it comes after the seventh.
    const most = name === 'a message out of order' ? 7 : 5
    assert.ok(held.length <= most, `${name}: ${held.length} messages are held`)
    assert.deepEqual(held, feed.ids.slice(0, held.length), name)
  }
}

// ssb-db2 drops good messages that come in one batch with a bad one.
describe('over EBT', { skip: unless('legacy-ebt') }, () => {
  const cases = lists()
  const good = new Feed().fill(10)
  let pub
  let peer
  let ebt
  before(async () => {
    pub = await startPub({ replicate: [good.id, ...cases.map(({ feed }) => feed.id)] })
    peer = await dialPub(pub.address)
    ebt = peer.ebt()
    await ebt.greeted()
  })
  after(async () => {
    await peer?.close()
    await pub?.stop()
  })

  test('a wrong message ends that feed, and neither the others nor the connection', async () => {
    ebt.send(Object.fromEntries([good, ...cases.map(({ feed }) => feed)].map(({ id }) => [id, position(10)])))
    ebt.send(...good.values.slice(0, 5))
    // All feeds at once, a message of each in turn.
    for (let i = 0; i < 10; i++) ebt.send(...cases.flatMap(({ sent }) => sent.slice(i, i + 1)))
    ebt.send(...good.values.slice(5))
    await onlyTheGood(pub, cases, good)
    assert.equal(ebt.ended, undefined)
    assert.ok(peer.open)
  })

  test('an honest peer heals the feeds', { skip: unless() }, async () => {
    const honest = await dialPub(pub.address)
    const stream = honest.ebt()
    await stream.greeted()
    const healed = cases.filter(({ name }) => name !== 'a fork').map(({ feed }) => feed)
    stream.send(Object.fromEntries(healed.map(({ id }) => [id, position(10)])))
    for (const feed of healed) {
      await until(() => stream.note(feed.id)?.receive, 'the wish for the rest of a feed')
      stream.send(...feed.values.slice(stream.note(feed.id).sequence))
    }
    for (const feed of healed) {
      await pub.holds(feed.id, 10)
      assert.equal(await pub.digest(feed.id), feed.digest)
    }
    await honest.close()
  })

  test('frames that are neither note nor message change nothing', async () => {
    const deep = JSON.parse('['.repeat(2000) + ']'.repeat(2000))
    ebt.send(
      0, -1, 'text', true, [], [1, 2], deep, { deep }, { 'not a feed': 4 }, { '@short.ed25519': 2 },
      ...['x', null, {}, [], 1.5, 1e300, -7, 2 ** 31, 2 ** 53, true].map((n) => ({ [newKeys().id]: n })),
      { author: good.id }, { author: good.id, sequence: 11 }, { author: 7, sequence: 11, content: {} },
      { author: good.id, sequence: -1, content: {} }, { ...good.next(post('x')), author: newKeys().id }
    )
    const next = good.append(post('eleven'))
    ebt.send({ [good.id]: position(11) }, next)
    await pub.holds(good.id, 11)
    assert.equal(await pub.digest(good.id), good.digest)
    assert.equal(ebt.ended, undefined)
  })

  test('a feed that nobody asked for is not kept', async () => {
    const stranger = new Feed().fill(3)
    ebt.send({ [stranger.id]: position(3) }, ...stranger.values)
    ebt.send(good.append(post('twelve')))
    await pub.holds(good.id, 12)
    assert.deepEqual(await pub.messages(stranger.id), [])
    assert.equal(ebt.ended, undefined)
  })

  test('versions and formats that are not spoken are refused, and the connection goes on', { skip: unless('modern') }, async () => {
    const other = await dialPub(pub.address)
    for (const options of [[{ version: 2 }], [{ version: 'x' }], [{}], [{ version: 3, format: 'nonsense' }]]) {
      assert.notEqual(await other.ebt(...options).end(), true, JSON.stringify(options))
    }
    await other.ebt().greeted()
    await other.close()
  })
})

describe('over history streams', { skip: unless('legacy') }, () => {
  const cases = lists()
  const good = new Feed().fill(10)
  const own = newKeys()
  let pub
  let peer
  before(async () => { pub = await startPub({ replicate: [good.id, ...cases.map(({ feed }) => feed.id)] }) })
  after(async () => {
    await peer?.close()
    await pub?.stop()
  })

  test('a wrong message ends that feed, and neither the others nor the connection', async () => {
    const streams = new Map()
    const open = ({ id, seq, sequence }) => {
      const from = seq ?? sequence ?? 1
      const sent = id === good.id ? good.values : cases.find(({ feed }) => feed.id === id)?.sent.slice(from - 1) ?? []
      const stream = pushable(id === good.id ? sent.slice(0, 5) : sent)
      streams.set(id, stream)
      return stream
    }
    peer = await dialPub(pub.address, { keys: own, serve: { createHistoryStream: open } })
    // A peer without EBT asks for its own feed; upon that it is asked for all others.
    peer.source('createHistoryStream', { id: own.id, seq: 1, live: true, keys: false })
    await until(() => [good.id, ...cases.map(({ feed }) => feed.id)].every((id) => streams.has(id)), 'the requests for all feeds')
    await until(async () => (await pub.messages(good.id)).length === 5, 'the first half')
    streams.get(good.id).push(...good.values.slice(5))
    await onlyTheGood(pub, cases, good)
    assert.ok(peer.open)
  })
})

describe('arguments', { skip: unless() }, () => {
  const good = new Feed().fill(3)
  let pub
  let peer
  before(async () => {
    pub = await startPub({ replicate: [good.id] })
    peer = await dialPub(pub.address)
  })
  after(async () => {
    await peer?.close()
    await pub?.stop()
  })

  const blob = '&47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256'
  const SOURCES = {
    createHistoryStream: [
      [], [null], ['x'], [{}], [{ id: 5 }], [{ id: '@x' }], [{ id: blob }], [{ id: good.id, seq: 'a' }], [{ id: good.id, limit: {} }],
      [{ id: good.id, seq: 1, sequence: 2 }], [[]], [{ id: good.id.replace('ed25519', 'other') }]
    ],
    'blobs.get': [[], [null], ['x'], [{}], [{ key: 7 }], [{ key: '&x.sha256' }], [{ key: good.id }], [[blob]]],
    'blobs.getSlice': [[], [null], [{}], [{ hash: blob }], [{ hash: blob, start: 'a', end: 'b' }], [{ hash: blob, start: 5, end: 1 }]]
  }
  const ASYNCS = {
    'blobs.has': [[], [null], ['x'], [7], [[7]], [{}], [Array.from({ length: 20_000 }, () => blob)]],
    'blobs.size': [[], [null], ['x'], [{}]],
    'invite.use': [[], [null], [{}], ['x']],
    createHistoryStream: [[{ id: good.id }]],
    '': [[]],
    'no.such.method.at.all': [[]],
    'constructor': [[]],
    '__proto__.toString': [[]]
  }

  for (const [name, all] of Object.entries(SOURCES)) {
    test(`of ${name} that are wrong end the call, not the connection`, async () => {
      for (const args of all) {
        const ended = await peer.source(name, ...args).end()
        assert.equal(typeof ended?.message, 'string', JSON.stringify(args))
      }
      assert.equal(typeof await within(peer.request('manifest'), 'the manifest'), 'object')
    })
  }

  for (const [name, all] of Object.entries(ASYNCS)) {
    test(`of an async call to '${name}' that are wrong are answered with an error`, async () => {
      for (const args of all) {
        await assert.rejects(within(peer.request(name, ...args), `an answer to ${name}`), ({ message }) => typeof message === 'string')
      }
      assert.equal(typeof await within(peer.request('manifest'), 'the manifest'), 'object')
    })
  }

  test('that are no list at all are refused', async () => {
    const { stream } = peer.rpc
    for (const args of [undefined, null, 'x', 7, { id: good.id }]) {
      const answer = new Promise((resolve) => stream.remoteCall('async', ['blobs', 'has'], args, (error) => resolve(error)))
      assert.equal(typeof (await within(answer, 'an answer'))?.message, 'string', JSON.stringify(args))
      const source = new Received(stream.remoteCall('source', ['createHistoryStream'], args), 'a source')
      assert.equal(typeof (await source.end())?.message, 'string', JSON.stringify(args))
    }
  })

  test('of wants that are no wants change nothing', async () => {
    peer.wants.push(
      7, 'text', null, [], { [blob]: 'x' }, { [blob]: null }, { [blob]: 1.5 }, { [blob]: -1e300 }, { [blob]: 2 ** 53 },
      { [blob]: -100 }, { [good.id]: -1 }, { x: -1 }, { [blob]: 0 }
    )
    const wanted = `&${'A'.repeat(43)}=.sha256`
    peer.wants.push({ [wanted]: -1 })
    const other = await dialPub(pub.address)
    await other.source('blobs.createWants').first((wants) => wants[wanted] === -2, 'a want that is one, passed on')
    await other.close()
  })

  test('and after all that the connection replicates', async () => {
    const ebt = peer.ebt()
    await ebt.greeted()
    ebt.send({ [good.id]: position(3) }, ...good.values)
    await pub.holds(good.id, 3)
    assert.ok(peer.open)
    assert.ok(pub.running)
  })
})
