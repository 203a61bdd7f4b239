// The handshake examples under npm `shs1-test`, whose tools play the other side, well behaved and not.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { runProgram } from './harness.mjs'

const require = createRequire(import.meta.url)

/** Each tool runs its program 45 times at once and ends with the number of failures. */
const TOOLS = {
  server: [require.resolve('shs1-test/test-server.js'), process.env.PUSH_MUX_SHS_SERVER],
  client: [require.resolve('shs1-test/test-client.js'), process.env.PUSH_MUX_SHS_CLIENT]
}

for (const [role, [tool, example]] of Object.entries(TOOLS)) {
  describe(`shs1-test in front of our handshake ${role}`, () => {
    for (const seed of ['push-mux', '20130814']) {
      test(`every case of seed ${seed} passes`, async () => {
        assert.ok(example, `PUSH_MUX_SHS_${role.toUpperCase()} must hold the path of examples/shs_${role}`)
        const { code, bytes, errors } = await runProgram(process.execPath, [tool, example, seed])
        assert.equal(code, 0, `${bytes}${errors}`)
        assert.match(bytes.toString(), /Passed/)
      })
    }

    test('the tool notices a program that does nothing', async () => {
      const { code } = await runProgram(process.execPath, [tool, '/bin/false', 'push-mux'])
      assert.notEqual(code, 0)
    })
  })
}
