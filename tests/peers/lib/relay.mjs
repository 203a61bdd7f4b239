// A TCP relay that counts what passes, and can cut the line or turn a bit on it.
import net from 'node:net'
import { HOST } from './secret.mjs'

/** Relays to a port of this machine. `received` counts bytes that came from the server, `sent` those to it. */
export async function startRelay (port) {
  const sockets = new Set()
  const relay = { received: 0, sent: 0, harm: null }
  const server = net.createServer((near) => {
    const far = net.connect(port, HOST)
    pass(near, far, 'sent')
    pass(far, near, 'received')
  })

  function pass (from, to, direction) {
    from.setNoDelay(true)
    sockets.add(from)
    from.on('data', (chunk) => {
      relay[direction] += chunk.length
      if (relay.harm === direction) {
        chunk[chunk.length >> 1] ^= 1
        relay.harm = null
      }
      to.write(chunk)
    })
    from.on('end', () => to.end())
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
  }

  await new Promise((resolve) => server.listen(0, HOST, resolve))
  relay.port = server.address().port
  /** Turns one bit of the next bytes of that direction, `sent` or `received`. */
  relay.turn = (direction) => { relay.harm = direction }
  /** Ends both halves in good order as TCP sees it, without a word from the peers: truncation. */
  relay.truncate = () => { for (const socket of sockets) socket.end() }
  /** Resets both connections. */
  relay.reset = () => { for (const socket of sockets) socket.resetAndDestroy() }
  relay.idle = () => sockets.size === 0
  relay.stop = () => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  }
  return relay
}
