import { lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../core/failure.ts'
import { moved } from '../sandbox/cell.ts'

/**
 * What stays in a tool's folder from one action to the next, by its path there: the tool's own inputs and their
 * folders.
 */
export type Stays = ReadonlyMap<string, 'entry' | 'folder'>

/**
 * Moves an action's inputs into the folder of an idle tool. Whole folders are moved at once, except where the tool has
 * entries of its own in them.
 * @throws Failure 'invalid' where an input and something of the tool's have the same name
 */
export function* moveIn(from: string, to: string): Generator<void> {
  for (const name of readdirSync(from)) {
    yield
    const [source, target] = [join(from, name), join(to, name)]
    const there = lstatSync(target, { throwIfNoEntry: false })
    if (!there) moved(source, target)
    else if (there.isDirectory() && lstatSync(source).isDirectory()) yield* moveIn(source, target)
    else throw new Failure('invalid', 'an input has the path of a file of the tool', { where: name })
  }
}

/**
 * Moves everything but the tool's own entries back to the action's folder: inputs, outputs, and whatever else was left.
 * @throws Failure 'precondition' when an entry of the tool's own is gone
 */
export function* moveOut(from: string, to: string, stays: Stays, at = ''): Generator<void> {
  for (const name of readdirSync(from)) {
    yield
    const [source, target] = [join(from, name), join(to, name)]
    const stay = stays.get(`${at}${name}`)
    if (stay === undefined) moved(source, target)
    else if (stay === 'folder') {
      if (!lstatSync(source).isDirectory())
        throw new Failure('precondition', 'a persistent tool has replaced its own folder', { where: `${at}${name}` })
      if (!lstatSync(target, { throwIfNoEntry: false })) mkdirSync(target)
      yield* moveOut(source, target, stays, `${at}${name}/`)
    }
  }
}
