#!/usr/bin/env node
// A JavaScript peer in the place of the pub: it takes the command line of `push-mux serve`, as far as the tests use it, so that
// PUSH_MUX_BIN=./stand-in-pub.mjs shows what they say of the packages alone. STAND_IN=modern (the default) is ssb-db2,
// STAND_IN=legacy is ssb-server 16, and STAND_IN=legacy-ebt the same with EBT 5.
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startLegacy } from './lib/legacy-peer.mjs'
import { startModern } from './lib/modern-peer.mjs'
import { connectAdmin } from './lib/admin.mjs'
import { portOf } from './lib/secret.mjs'

const [flavour, ebt] = (process.env.STAND_IN ?? 'modern').split('-')
const require = createRequire(new URL(`./${flavour}/package.json`, import.meta.url))
const text = { type: 'string' }
const many = { type: 'string', multiple: true, default: [] }
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { dir: text, listen: many, connect: many, replicate: many, hops: text, shards: text, uses: text }
})

/** How often a peer that is to be connected to is dialled again. */
const REDIAL_MS = 300

async function serve () {
  const dir = resolve(values.dir)
  mkdirSync(dir, { recursive: true })
  // What ssb-unix-socket and ssb-no-auth do, for either set of packages.
  const multiserver = createRequire(require.resolve('secret-stack'))
  const unix = {
    name: 'unix-socket',
    version: '1.0.0',
    init (api, { keys }) {
      const create = multiserver('multiserver/plugins/unix-socket')
      const noauth = multiserver('multiserver/plugins/noauth')
      api.multiserver.transport({ name: 'unix', create: (options) => create({ ...options, path: dir }) })
      const publicKey = Buffer.from(keys.public.split('.')[0], 'base64')
      api.multiserver.transform({ name: 'noauth', create: () => noauth({ keys: { publicKey } }) })
    }
  }
  const peer = await (flavour === 'legacy' ? startLegacy : startModern)({
    dir,
    port: portOf(values.listen[0]) || undefined,
    hops: Number(values.hops ?? 2),
    plugins: [unix],
    incoming: { unix: [{ scope: 'device', transform: 'noauth' }] },
    ...flavour === 'legacy' ? { invite: true, gossip: true, ebt: ebt === 'ebt' } : {}
  })
  for (const id of values.replicate) peer.request(id)
  for (const address of values.connect) keep(peer, address)
  peer.ssb.getAddress('public')
  console.log(peer.address)
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  await Promise.race([peer.stop(), new Promise((resolve) => setTimeout(resolve, 2000))])
  process.exit(0)
}

async function keep (peer, address) {
  const again = () => setTimeout(keep, REDIAL_MS, peer, address)
  try {
    const rpc = await peer.connect(address)
    rpc.once('closed', again)
  } catch {
    again()
  }
}

async function invite () {
  const admin = await connectAdmin(join(resolve(values.dir), 'socket'))
  console.log(await admin.request(['invite', 'create'], Number(values.uses ?? 1)))
  process.exit(0)
}

await ({ serve, 'invite create': invite })[positionals.join(' ')]()
