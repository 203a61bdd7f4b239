#!/usr/bin/env node
// Dials a server of the demo manifest with secret-stack and reads `ticks` for ever, a line of JSON each.
//   node secret-stack-client.mjs --address MULTISERVER-ADDRESS [--network-key BASE64] [--ms 1]
import { options, plain, print } from './lib/script.mjs'
import { MAIN_NETWORK } from './lib/secret.mjs'
import { startStack } from './lib/secret-stack-peer.mjs'

const { address, networkKey, ms } = options({ address: '', networkKey: MAIN_NETWORK, ms: 1 })
const { connect, keys } = await startStack({ networkKey })
const peer = await connect(address)
print({ event: 'connected', id: keys.id })
const { end } = await peer.source(['ticks'], [ms], { onBody: (tick) => print({ event: 'tick', tick }) })
print({ event: 'ended', end: plain(end) })
process.exit(end === true ? 0 : 1)
