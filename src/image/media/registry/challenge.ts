/** How a registry wants to be authenticated to (RFC 9110, 11.6.1). */
export interface Challenge {
  /** Lower-case. */
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

const headerMax = 8192
const token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"
const start = new RegExp(`^\\s*,*\\s*(${token})(?:\\s+|$)`)
const parameter = new RegExp(`^\\s*,?\\s*(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))`)

/** The challenges of a WWW-Authenticate header, in order; what cannot be read ends the list. */
export function parseChallenges(header: string | undefined): Challenge[] {
  let rest = (header ?? '').slice(0, headerMax)
  const challenges: Challenge[] = []
  for (let scheme = start.exec(rest); scheme?.[1]; scheme = start.exec(rest)) {
    rest = rest.slice(scheme[0].length)
    const parameters = new Map<string, string>()
    for (let found = parameter.exec(rest); found?.[1]; found = parameter.exec(rest)) {
      parameters.set(found[1].toLowerCase(), found[2]?.replace(/\\(.)/g, '$1') ?? found[3] ?? '')
      rest = rest.slice(found[0].length)
    }
    challenges.push({ scheme: scheme[1].toLowerCase(), parameters })
  }
  return challenges
}
