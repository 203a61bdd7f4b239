#!/usr/bin/env node
// Serves the demo manifest with secret-stack over net~shs and ws~shs.
//   node secret-stack-server.mjs [--network-key BASE64] [--inactivity 600000]
// The first line is {"event":"listening","addresses":["net:...","ws://..."]}.
import { options, print } from './lib/script.mjs'
import { MAIN_NETWORK } from './lib/secret.mjs'
import { startStack } from './lib/secret-stack-peer.mjs'

const { addresses, keys } = await startStack({ ...options({ networkKey: MAIN_NETWORK, inactivity: 600_000 }), log: print })
print({ event: 'listening', addresses, id: keys.id })
