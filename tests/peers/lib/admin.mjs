// A client of a pub's Unix socket: plain muxrpc, every method allowed.
import muxrpc from 'muxrpc'
import net from 'node:net'
import pull from 'pull-stream'
import { pullSocket } from './pull-socket.mjs'

/** Nothing is asked of us, and what we may ask is not looked up. */
const NOTHING = {}

export async function connectAdmin (path) {
  const socket = net.connect({ path })
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  const wire = pullSocket(socket)
  const rpc = muxrpc(NOTHING, null, {})
  pull(wire, rpc.stream, wire)
  return new Admin(rpc, socket)
}

class Admin {
  constructor (rpc, socket) {
    this.rpc = rpc
    this.socket = socket
  }

  request (name, ...args) {
    return new Promise((resolve, reject) => {
      this.rpc.stream.remoteCall('async', name, args, (error, value) => error ? reject(error) : resolve(value))
    })
  }

  source (name, ...args) {
    return new Promise((resolve, reject) => {
      pull(this.rpc.stream.remoteCall('source', name, args), pull.collect((error, all) => error ? reject(error) : resolve(all)))
    })
  }

  close () { this.socket.destroy() }
}
