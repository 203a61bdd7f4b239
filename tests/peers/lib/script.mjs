// What the command-line scripts share.
import { parseArgs } from 'node:util'

/**
 * Parses `--name value` and `--flag` by the given defaults: a boolean default makes a flag, a number default a number.
 * `--tcp-pause` becomes `tcpPause`.
 */
export function options (defaults) {
  const spelling = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  const spec = Object.fromEntries(Object.entries(defaults).map(([name, value]) =>
    [spelling(name), { type: typeof value === 'boolean' ? 'boolean' : 'string' }]))
  const { values } = parseArgs({ options: spec })
  return Object.fromEntries(Object.entries(defaults).map(([name, value]) => {
    const given = values[spelling(name)]
    if (given === undefined) return [name, value]
    if (typeof value !== 'number') return [name, given]
    const number = Number(given)
    if (Number.isNaN(number)) throw new Error(`--${spelling(name)} takes a number, not ${given}`)
    return [name, number]
  }))
}

export const print = (line) => process.stdout.write(JSON.stringify(line) + '\n')

/** Fails the process instead of hanging it. */
export function guard (ms, describe = () => ({})) {
  setTimeout(() => {
    print({ event: 'timeout', ...describe() })
    process.exit(2)
  }, ms).unref()
}

export function cpuSeconds () {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** An error as one object, whatever the peer made of it. */
export const plain = (error) => error === true ? true : { message: error?.message, name: error?.name }
