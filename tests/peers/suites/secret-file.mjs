// `push-mux keygen` and `whoami` against npm `ssb-keys`, which everyone else keeps their secret with.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import ssbKeys from 'ssb-keys'
import ssbUri from 'ssb-uri2'
import { run, scratch } from './harness.mjs'

const folder = scratch()
let files = 0
const fresh = () => join(folder, `secret-${++files}`)
const mode = (path) => statSync(path).mode & 0o777
const text = ({ bytes }) => bytes.toString()

async function keygen (path) {
  const made = await run('keygen', '--secret', path)
  assert.equal(made.code, 0, made.errors)
  return text(made).trim()
}

describe('the secret file', () => {
  test('keygen prints the identity, and ssb-keys loads what it wrote', async () => {
    const path = fresh()
    const id = await keygen(path)
    assert.match(id, /^@[A-Za-z0-9+/]{43}=\.ed25519$/)
    assert.equal(mode(path), 0o600)
    const keys = ssbKeys.loadSync(path)
    assert.deepEqual({ id: keys.id, public: keys.public, curve: keys.curve }, { id, public: id.slice(1), curve: 'ed25519' })
    assert.match(keys.private, /^[A-Za-z0-9+/]{86}==\.ed25519$/)
    assert.deepEqual(Object.keys(keys), ['curve', 'public', 'private', 'id'])
  })

  test('ssb-keys signs with a key of keygen and verifies what it signed', async () => {
    const path = fresh()
    const id = await keygen(path)
    const signed = ssbKeys.signObj(ssbKeys.loadSync(path), { hello: 'world' })
    assert.equal(ssbKeys.verifyObj({ public: id.slice(1) }, signed), true)
    assert.equal(ssbKeys.verifyObj({ public: id.slice(1) }, { ...signed, hello: 'moon' }), false)
  })

  test('two runs of keygen make two identities', async () => {
    assert.notEqual(await keygen(fresh()), await keygen(fresh()))
  })

  test('keygen never overwrites a secret', async () => {
    const path = fresh()
    await keygen(path)
    const before = readFileSync(path)
    const again = await run('keygen', '--secret', path)
    assert.equal(again.code, 1)
    assert.ok(again.errors.includes(path), again.errors)
    assert.deepEqual(readFileSync(path), before)
  })

  test('whoami reads the file of keygen and the file of ssb-keys, with its mode of 0400', async () => {
    const [ours, theirs] = [fresh(), fresh()]
    const id = await keygen(ours)
    const keys = ssbKeys.createSync(theirs)
    assert.equal(mode(theirs), 0o400)
    for (const [path, expected] of [[ours, id], [theirs, keys.id]]) {
      const plain = await run('whoami', '--secret', path)
      assert.equal(plain.code, 0, plain.errors)
      assert.equal(text(plain), `${expected}\n`)
      const uri = await run('whoami', '--secret', path, '--uri')
      assert.equal(uri.code, 0, uri.errors)
      assert.equal(text(uri), `${ssbUri.fromFeedSigil(expected)}\n`)
      assert.equal(ssbUri.toFeedSigil(text(uri).trim()), expected)
    }
  })

  test('whoami reads a file without comments, and one with lines that end in CR LF', async () => {
    const keys = ssbKeys.generate()
    const windows = `# a comment\n${JSON.stringify(keys, null, 2)}\n`.replaceAll('\n', '\r\n')
    for (const written of [JSON.stringify(keys), windows]) {
      const path = fresh()
      writeFileSync(path, written, { mode: 0o600 })
      const { code, errors, bytes } = await run('whoami', '--secret', path)
      assert.equal(code, 0, errors)
      assert.equal(bytes.toString(), `${keys.id}\n`)
    }
  })

  for (const bits of [0o644, 0o640, 0o604]) {
    test(`a file of mode ${bits.toString(8)} is refused with the advice to chmod it`, async () => {
      const path = fresh()
      await keygen(path)
      chmodSync(path, bits)
      const { code, errors, bytes } = await run('whoami', '--secret', path)
      assert.equal(code, 1)
      assert.match(errors, /chmod/)
      assert.ok(errors.includes(path), errors)
      assert.equal(bytes.length, 0)
      chmodSync(path, 0o600)
      assert.equal((await run('whoami', '--secret', path)).code, 0)
    })
  }

  test('a file that is missing, empty, no JSON or of mismatched halves is refused, and the secret is not printed', async () => {
    const [mine, yours] = [ssbKeys.generate(), ssbKeys.generate()]
    for (const written of [
      null, '', '# only a comment\n', '{', '[]', JSON.stringify({ ...mine, private: undefined }),
      JSON.stringify({ ...mine, private: yours.private }), JSON.stringify({ ...mine, private: 'AAAA.ed25519' })
    ]) {
      const path = fresh()
      if (written !== null) writeFileSync(path, written, { mode: 0o600 })
      const { code, errors } = await run('whoami', '--secret', path)
      assert.equal(code, 1, `accepted: ${written}`)
      assert.notEqual(errors, '')
      assert.ok(![mine, yours].some((keys) => errors.includes(keys.private.slice(0, 40))), 'the secret was printed')
      assert.equal(existsSync(path), written !== null)
    }
  })
})
