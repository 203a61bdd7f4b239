// npm epidemic-broadcast-trees with a store that is an array per feed, driven by lines of JSON: a command in, what it caused out, then
// {"done":true}. What timers cause comes before the next "done".
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const createEbt = createRequire(import.meta.url)('epidemic-broadcast-trees')

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const logs = {}
const clocks = {}
const streams = {}
let ebt

function start(id) {
  ebt = createEbt({
    id,
    timeout: 100,
    isFeed: (feed) => feed.endsWith('.ed25519'),
    getClock: (peer, cb) => cb(null, { ...clocks[peer] }),
    setClock: (peer, clock) => (clocks[peer] = clock),
    getAt: ({ id: feed, sequence }, cb) => {
      const found = logs[feed]?.[sequence - 1]
      cb(found ? null : new Error('not found'), found)
    },
    append: (message, cb) => {
      const log = (logs[message.author] ??= [])
      if (message.sequence !== log.length + 1) return cb(new Error('out of order'))
      append(message.author)
      cb()
    },
  })
  // A store loaded from disk knows its feeds before anybody connects.
  for (const feed in logs) ebt.state.clock[feed] = logs[feed].length
}

function append(feed) {
  const log = (logs[feed] ??= [])
  const message = { author: feed, sequence: log.length + 1, content: { type: 'test' } }
  log.push(message)
  ebt.onAppend(message)
}

const commands = {
  start: ({ id }) => start(id),
  append: ({ feed }) => append(feed),
  request: ({ feed, value }) => ebt.request(feed, value),
  block: ({ feed, target }) => ebt.block(feed, target, true),
  connect: ({ peer, client }) => {
    const stream = (streams[peer] = ebt.createStream(peer, 3, client))
    stream.pipe({ paused: false, write: (frame) => say({ peer, frame }), end() {} })
  },
  frame: ({ peer, frame }) => streams[peer].write(frame),
  disconnect: ({ peer }) => streams[peer].end(),
  forget: ({ feed, left }) => {
    logs[feed]?.splice(left)
    ebt.state.clock[feed] = logs[feed]?.length ?? 0
  },
  state: () => {
    const heads = Object.entries(logs).map(([feed, log]) => [feed, log.length])
    say({ heads: Object.fromEntries(heads) })
  },
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line)
  commands[command.op](command)
  say({ done: true })
}).on('close', () => process.exit())
