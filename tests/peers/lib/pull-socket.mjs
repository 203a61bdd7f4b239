// A TCP socket as a pull-stream duplex that honours back pressure both ways.

export function pullSocket (socket) {
  socket.setNoDelay(true)
  const chunks = []
  const idle = []
  let ended = null
  let waiting = null
  let blocked = false
  let deaf = false

  const finish = (why) => {
    ended ??= why
    if (waiting && !chunks.length) {
      const cb = waiting
      waiting = null
      cb(ended)
    }
  }
  const unblock = () => {
    blocked = false
    for (const wake of idle.splice(0)) setImmediate(wake)
  }

  socket.on('data', (chunk) => {
    duplex.bytesIn += chunk.length
    duplex.tail = Buffer.concat([duplex.tail, chunk.subarray(-9)]).subarray(-9)
    if (deaf) return
    if (waiting) {
      const cb = waiting
      waiting = null
      return cb(null, chunk)
    }
    chunks.push(chunk)
    socket.pause()
  })
  socket.on('end', () => finish(true))
  socket.on('error', (error) => finish(error))
  socket.on('close', () => {
    finish(true)
    unblock()
  })

  const duplex = {
    bytesIn: 0,
    /** The last nine bytes received: a GOODBYE after an orderly close. */
    tail: Buffer.alloc(0),

    source (abort, cb) {
      if (abort) {
        // muxrpc aborts its reader in the same breath as it writes GOODBYE. Destroying the socket here would lose the
        // GOODBYE, so the answer is read and dropped, and the other side's end of stream closes the connection.
        if (abort !== true) socket.destroy()
        deaf = true
        socket.resume()
        return cb(abort)
      }
      if (chunks.length) {
        const chunk = chunks.shift()
        if (!chunks.length) socket.resume()
        return cb(null, chunk)
      }
      if (ended) return cb(ended)
      waiting = cb
      socket.resume()
    },

    sink (read) {
      let running = false
      let again = false
      const next = (end, bytes) => {
        if (end) return socket.end()
        if (socket.destroyed) return read(new Error('the socket is closed'), () => {})
        if (socket.write(bytes)) return pump()
        blocked = true
        socket.once('drain', () => {
          unblock()
          pump()
        })
      }
      // A loop instead of recursion: most reads answer at once.
      const pump = () => {
        again = true
        if (running) return
        running = true
        while (again) {
          again = false
          read(null, next)
        }
        running = false
      }
      socket.once('close', () => { if (blocked) read(new Error('the socket is closed'), () => {}) })
      pump()
    },

    /** Calls back in a later turn, once the socket takes bytes again. muxrpc itself queues without bound. */
    ready (cb) {
      if (blocked && !socket.destroyed) idle.push(cb)
      else setImmediate(cb)
    }
  }
  return duplex
}
