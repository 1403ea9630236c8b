import { Failure } from '../../core/failure.ts'

/** A tool's argument, described in JSON Schema terms. */
export type Parameter =
  | { readonly type: 'string'; readonly description: string; readonly enum?: readonly string[] }
  | {
      readonly type: 'integer'
      readonly description: string
      readonly minimum: number
      readonly maximum: number
      readonly default: number
    }

/** The checked arguments; integers always have a value. */
export interface Given {
  text(name: string): string | undefined
  integer(name: string): number
}

/** A tool's answer: the same in words and as data. */
export interface ToolAnswer {
  readonly text: string
  /** As in docs/json.md. */
  readonly json: object
}

/** A query that an agent may make. All are read-only. */
export interface Tool {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly parameters: Readonly<Record<string, Parameter>>
  readonly required: readonly string[]
  ask(given: Given, signal: AbortSignal): Promise<ToolAnswer>
}

/** No name of anything is longer. */
const textLengthMax = 4_096

/** @throws Failure 'invalid' that names the argument */
export function checkedArguments({ name: tool, parameters, required }: Tool, given: unknown): Given {
  const values = given === undefined ? {} : given
  const refuse = (message: string, where: string) => new Failure('invalid', message, { where: `${tool}: ${where}` })
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw refuse('arguments are an object', 'arguments')
  const checked = new Map<string, string | number>()
  for (const [name, value] of Object.entries(values)) {
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined
    if (!parameter) throw refuse(`there is no such argument; it takes ${Object.keys(parameters).join(', ')}`, name)
    // Agents send null for omitted arguments.
    if (value === null || value === undefined) continue
    const problem = problemOf(parameter, value)
    if (problem !== undefined) throw refuse(problem, name)
    checked.set(name, value)
  }
  const absent = required.find((each) => !checked.has(each))
  if (absent !== undefined) throw refuse('this argument is required', absent)
  return {
    text(name) {
      const value = checked.get(name)
      return typeof value === 'string' && value !== '' ? value : undefined
    },
    integer(name) {
      const value = checked.get(name) ?? (parameters[name] as { default?: number }).default
      return Number(value)
    },
  }
}

function problemOf(parameter: Parameter, value: unknown): string | undefined {
  if (parameter.type === 'string') {
    if (typeof value !== 'string' || value.length > textLengthMax)
      return `a text of at most ${textLengthMax} characters`
    return parameter.enum && !parameter.enum.includes(value) ? `one of ${parameter.enum.join(', ')}` : undefined
  }
  const { minimum, maximum } = parameter
  const whole = typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum
  return whole ? undefined : `a whole number from ${minimum} to ${maximum}`
}
