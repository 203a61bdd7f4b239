// The fixed vectors of npm `test-secret-handshake`, which examples/shs_vectors replays as transcripts.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { runProgram, scratch } from './harness.mjs'

const PATH = createRequire(import.meta.url).resolve('test-secret-handshake/data.json')
const EXAMPLE = process.env.PUSH_MUX_SHS_VECTORS
const vectors = JSON.parse(readFileSync(PATH, 'utf8'))

async function check (path) {
  assert.ok(EXAMPLE, 'PUSH_MUX_SHS_VECTORS must hold the path of examples/shs_vectors')
  return runProgram(EXAMPLE, [path])
}

/** The vectors with one bit of one result turned. */
function spoilt (name, spoil) {
  const copy = structuredClone(vectors)
  spoil(copy.find((vector) => vector.name === name && vector.result))
  return copy
}

const turn = (hex) => hex.slice(0, -1) + (parseInt(hex.at(-1), 16) ^ 1).toString(16)
const turnResult = (vector) => { vector.result = turn(vector.result) }
const turnField = (path) => (vector) => {
  const field = path.pop()
  const holder = path.reduce((at, name) => at[name], vector.result)
  holder[field] = turn(holder[field])
}
const refuse = (vector) => { vector.result = null }

describe('the vectors of test-secret-handshake', () => {
  test('every vector holds', async () => {
    const { code, bytes, errors } = await check(PATH)
    assert.equal(code, 0, errors)
    assert.equal(Number(/^(\d+) vectors/.exec(bytes.toString())?.[1]), vectors.length)
  })

  const folder = scratch()
  for (const [name, spoil] of [
    ['initialize', turnField(['local', 'kx_pk'])], ['createChallenge', turnResult], ['clientCreateAuth', turnResult],
    ['serverCreateAccept', turnResult], ['serverVerifyAuth', turnField(['remote', 'publicKey'])],
    ['clean', turnField(['encryptKey'])], ['clean', turnField(['decryptKey'])], ['toKeys', turnField(['publicKey'])],
    ['verifyChallenge', refuse], ['clientVerifyChallenge', refuse], ['serverVerifyAuth', refuse]
  ]) {
    test(`a wrong result of ${name} is noticed: ${spoil === refuse ? 'a refusal' : 'one bit'}`, async () => {
      const path = join(folder, 'spoilt.json')
      writeFileSync(path, JSON.stringify(spoilt(name, spoil)))
      const { code, errors } = await check(path)
      assert.equal(code, 1, 'a wrong vector passed')
      assert.match(errors, new RegExp(name))
    })
  }
})
