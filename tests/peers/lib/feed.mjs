// Feeds by hand: messages signed as the classic format wants them, and messages that are wrong in one chosen way.
import { createHash } from 'node:crypto'
import ssbKeys from 'ssb-keys'

/** The id of a message: the hash of its text with each UTF-16 unit cut to a byte. */
export const keyOf = (value) => '%' + ssbKeys.hash(JSON.stringify(value, null, 2), 'binary')

/** One line for any number of keys. Feeds are the same when this is. */
export const digest = (keys) => createHash('sha256').update(keys.join('\n')).digest('hex')

export const post = (text) => ({ type: 'post', text })

/** A message of any position, signed by its author. */
export const signed = (keys, { previous, sequence, content, timestamp = Date.now() }) =>
  ssbKeys.signObj(keys, { previous, sequence, author: keys.id, timestamp, hash: 'sha256', content })

/** A feed that grows: `values[i]` has sequence i + 1. */
export class Feed {
  constructor (keys = ssbKeys.generate()) {
    this.keys = keys
    this.id = keys.id
    this.values = []
  }

  get ids () { return this.values.map(keyOf) }

  get digest () { return digest(this.ids) }

  /** The message that would come next, without appending it. */
  next (content) {
    const last = this.values.at(-1)
    return signed(this.keys, { previous: last ? keyOf(last) : null, sequence: this.values.length + 1, content })
  }

  append (content) {
    const value = this.next(content)
    this.values.push(value)
    return value
  }

  /** Appends posts of about `size` characters each. */
  fill (count, size = 200) {
    for (let i = 0; i < count; i++) this.append(post(`${this.values.length} ${'x'.repeat(size)}`))
    return this
  }
}

/** The same message with another text under the old signature. */
export const forged = (value) => ({ ...value, content: { ...value.content, text: 'forged' } })
