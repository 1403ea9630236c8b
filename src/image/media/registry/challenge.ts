/** How a registry wants to be authenticated to (RFC 9110, 11.6.1). */
export interface Challenge {
  /** Lower-case. */
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

const headerMax = 8192
const token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"
const parameter = new RegExp(`^(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))\\s*(?=,|$)`)
const scheme = new RegExp(`^(${token})(?=[\\s,]|$)\\s*`)
/** What some schemes send instead of parameters: `Negotiate YIIJ...==`. */
const token68 = /^[A-Za-z0-9._~+/-]+=*\s*(?=,|$)/

/**
 * The challenges of a WWW-Authenticate header, or of several joined by commas, in order. What cannot be read is
 * passed over up to the next comma: it may be one that we do without.
 */
export function parseChallenges(header: string | undefined): Challenge[] {
  let rest = (header ?? '').slice(0, headerMax)
  const challenges: { scheme: string; parameters: Map<string, string> }[] = []
  const taken = (pattern: RegExp): RegExpExecArray | null => {
    const match = pattern.exec(rest)
    if (match) rest = rest.slice(match[0].length)
    return match
  }
  while (rest !== '') {
    if (taken(/^[\s,]+/)) continue
    const found = taken(parameter)
    if (found?.[1]) {
      const value = found[2]?.replace(/\\(.)/g, '$1') ?? found[3] ?? ''
      challenges.at(-1)?.parameters.set(found[1].toLowerCase(), value)
      continue
    }
    const name = taken(scheme)?.[1]
    if (name !== undefined) {
      challenges.push({ scheme: name.toLowerCase(), parameters: new Map() })
      if (!parameter.test(rest)) taken(token68)
    } else taken(/^(?:"(?:[^"\\]|\\.)*"|[^,])+/) ?? taken(/^./)
  }
  return challenges
}

/** The first challenge that can be answered: by a token where there is a choice, else by the login itself. */
export function answerable(challenges: readonly Challenge[]): Challenge | undefined {
  const of = (wanted: string): Challenge | undefined => challenges.find((each) => each.scheme === wanted)
  return of('bearer') ?? of('basic') ?? challenges[0]
}

/** What a Bearer challenge asks a token for, `repository:app:pull` and so on. */
export function scopesOf({ parameters }: Challenge): readonly string[] {
  return (parameters.get('scope') ?? '').split(/\s+/).filter((each) => each !== '')
}
