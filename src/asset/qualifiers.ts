import { Failure } from '../core/failure.ts'
import { packAny } from '../wire/any.ts'
import { type asset, rpc } from '../wire/proto.ts'
import { Code, RpcError } from '../wire/rpc.ts'

/** Sorted by name, so that the order in which they came does not matter. */
export type Qualifiers = ReadonlyMap<string, string>

const qualifiersMax = 128
const nameLengthMax = 256
const valueLengthMax = 16 * 1024

/**
 * A request's qualifiers as a set.
 * @throws Failure 'invalid' for an empty or duplicate name, and for too many or too long ones
 */
export function qualifierSet(list: readonly asset.Qualifier.$Properties[]): Qualifiers {
  if (list.length > qualifiersMax) throw new Failure('invalid', `a request has at most ${qualifiersMax} qualifiers`)
  const pairs = list.map(({ name, value }): [string, string] => [name ?? '', value ?? ''])
  for (const [name, value] of pairs) {
    if (name === '') throw new Failure('invalid', 'a qualifier has no name')
    if (name.length > nameLengthMax || value.length > valueLengthMax)
      throw new Failure('invalid', 'a qualifier is too long', {
        where: name.slice(0, 100),
        next: [`A name has at most ${nameLengthMax} characters, a value ${valueLengthMax}.`],
      })
  }
  const set = new Map(pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
  if (set.size === pairs.length) return set
  const twice = pairs.find(([name], at) => pairs[at + 1]?.[0] === name)?.[0] ?? ''
  throw new Failure('invalid', 'the request has the same qualifier twice', { where: twice })
}

/** The refusal of unknown qualifiers, as the API specifies it: one violation for each. */
export function unsupported(names: readonly string[]): RpcError {
  return badQualifiers(
    `qualifiers that this server does not support: ${names.map((name) => JSON.stringify(name)).join(', ')}`,
    names.map((name) => ({ field: 'qualifiers.name', description: `"${name}" not supported` })),
  )
}

/** The refusal of a value that cannot be used. */
export function unsupportedValue(name: string, value: string): RpcError {
  const description = `"${value.slice(0, 100)}" not supported for "${name}"`
  return badQualifiers(`the qualifier ${name}: ${description}`, [{ field: 'qualifiers.value', description }])
}

function badQualifiers(message: string, fieldViolations: rpc.BadRequest.FieldViolation.$Properties[]): RpcError {
  const value = rpc.BadRequest.encode({ fieldViolations }).finish()
  return new RpcError(Code.INVALID_ARGUMENT, message, [packAny('google.rpc.BadRequest', value)])
}
