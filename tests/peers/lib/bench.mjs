// What a throughput run needs besides a peer: latencies, and a watch over its progress.
import { print } from './script.mjs'

/** Collects times in microseconds and answers percentiles of all of them, to the last one. */
export class Latencies {
  constructor () { this.all = [] }

  /** Something took as long as since `began`, a time of `performance.now()`. */
  since (began) { this.all.push((performance.now() - began) * 1000) }

  /** Null when nothing was collected. */
  percentiles () {
    if (!this.all.length) return null
    const sorted = Float64Array.from(this.all).sort()
    const at = (part) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)]
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: sorted.at(-1) }
  }
}

/** When each of the messages on their way left: they come back in order. */
export class Starts {
  constructor (depth) { this.times = new Float64Array(depth) }

  left (i) { this.times[i % this.times.length] = performance.now() }

  of (i) { return this.times[i % this.times.length] }
}

/** Ends the process when `progress()` stays the same for so many seconds, and tells how many messages there were. */
export function watch (seconds, progress, messages) {
  if (!seconds) return
  let last = progress()
  let since = performance.now()
  setInterval(() => {
    const now = progress()
    if (now !== last) {
      last = now
      since = performance.now()
    } else if (performance.now() - since >= seconds * 1000) {
      print({ event: 'stalled', messages: messages() })
      process.exit(3)
    }
  }, Math.min(500, seconds * 1000)).unref()
}
