// A peer that sends bytes by hand and looks at whole frames that come back.
import net from 'node:net'
import { GOODBYE, HEADER, parse, request, splitter } from './frames.mjs'

export class Raw {
  constructor (socket) {
    this.socket = socket
    this.frames = []
    this.goodbyes = 0
    this.open = true
    this.waiters = new Set()
    this.closed = new Promise((resolve) => socket.once('close', () => {
      this.open = false
      this.look()
      resolve()
    }))
    // A reset is one of the ways in which a server may close on a protocol error.
    socket.on('error', () => {})
    const feed = splitter((bytes) => {
      if (bytes.length === HEADER) {
        assertGoodbye(bytes)
        this.goodbyes++
      } else this.frames.push(parse(bytes))
      this.look()
    })
    socket.on('data', feed)
  }

  static connect (port) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new Raw(socket))
      })
    })
  }

  send (...pieces) {
    this.socket.write(Buffer.concat(pieces))
    return this
  }

  look () {
    for (const waiter of this.waiters) waiter()
  }

  /** The first frame, past or future, that passes the test. Rejects when the connection closes first. */
  frame (test, what = 'a frame') {
    return new Promise((resolve, reject) => {
      const waiter = () => {
        const found = this.frames.find(test)
        if (!found && this.open) return
        this.waiters.delete(waiter)
        if (found) resolve(found)
        else reject(new Error(`the connection closed before ${what}`))
      }
      this.waiters.add(waiter)
      waiter()
    })
  }

  reply (req) { return this.frame((frame) => frame.req === -req, `an answer to ${req}`) }

  endOf (req) { return this.frame((frame) => frame.req === -req && frame.end, `the end of ${req}`) }

  /** Proves that the session still serves. */
  async hello (req = 1000) {
    this.send(request(req, ['hello'], ['again']))
    const { value } = await this.reply(req)
    if (value !== 'hello, again!') throw new Error(`hello was answered with ${JSON.stringify(value)}`)
  }

  async goodbye () {
    this.send(GOODBYE)
    await this.closed
    return this.goodbyes
  }
}

/** An empty body means goodbye in any frame, but a peer that says goodbye sends nine zero bytes. */
function assertGoodbye (bytes) {
  if (!bytes.equals(GOODBYE)) throw new Error(`an empty body came in a frame ${bytes.toString('hex')}`)
}
