/** What stands for a value that nobody is to read. */
export const hiddenText = '(hidden)'

const secretName =
  /token|secret|passw|passphrase|credential|cookie|bearer|authorization|(?:api|access|private)[-_]?key/i
/** Short words, which count where they stand alone or end a word: SSH_KEY and sshKey, but neither MONKEYS nor keyboard. */
const shortName = /(?:^|[^a-zA-Z])(?:key|pat|pwd)(?:$|[^a-zA-Z])/i
const humpedName = /[a-z](?:Key|Pat|Pwd)(?:$|[^a-z])/
/** NAME=VALUE, with dashes before it or without. */
const assignment = /^(-{0,2}[A-Za-z][\w.-]*)=(.*)$/s
/** A flag whose value is the next argument. */
const flagAlone = /^-{1,2}[A-Za-z][\w.-]*$/
/** In the middle of a text, as a command line of a shell has it. Lengths are bounded, or a long word would be read anew from each of its letters. */
const innerAssignment = /([A-Za-z][\w.-]{0,99})=("[^"]*"|'[^']*'|(?:(?:bearer|basic|token)\s+)?[^\s;&|"']+)/gi
const nestedMax = 3
/** The name of a header of HTTP; its value ends with the line, or with a quotation mark. */
const headerName = /([A-Za-z][\w-]{0,99}):[ \t]*/g
const headerEnd = /['"\r\n]|$/g
/** The password of an address, between its first colon and the @. */
const addressPassword = /(\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@]*:)[^\s/@]+@/gi

/** Does a variable, flag, header or property of this name hold something that is not to be shown? */
export function looksSecret(name: string): boolean {
  return secretName.test(name) || shortName.test(name) || humpedName.test(name)
}

/** A value to show: hidden whole where its name looks like a secret's, and in part where it names one itself. */
export function shownValue(name: string, value: string): string {
  return looksSecret(name) ? hiddenText : withoutSecrets(value)
}

/**
 * An argument to show: what it assigns is hidden where the name looks like a secret's, and so is all of it where it
 * follows a flag of such a name.
 * @param before the argument in front of it
 */
export function shownArgument(argument: string, before: string | undefined): string {
  if (before !== undefined && flagAlone.test(before) && looksSecret(before) && !argument.startsWith('-'))
    return hiddenText
  const [, name, value] = assignment.exec(argument) ?? []
  // --action_env=TOKEN=abc assigns twice.
  return name === undefined ? withoutSecrets(argument) : `${name}=${shownValue(name, value ?? '')}`
}

/** Text without what it assigns to secret names, gives in such headers, or has as passwords in addresses. */
function withoutSecrets(text: string): string {
  if (!/[=:]/.test(text)) return text
  return withoutHeaders(withoutAssigned(text.replace(addressPassword, `$1${hiddenText}@`)))
}

/** What is assigned may assign itself: --client_env=TOKEN=abc. */
function withoutAssigned(text: string, depth = 0): string {
  if (depth > nestedMax) return text
  return text.replace(innerAssignment, (_, name: string, value: string) =>
    looksSecret(name) ? `${name}=${hiddenText}` : `${name}=${withoutAssigned(value, depth + 1)}`,
  )
}

function withoutHeaders(text: string): string {
  let shown = ''
  let at = 0
  for (const match of text.matchAll(headerName)) {
    if (match.index < at || !looksSecret(match[1] ?? '')) continue
    const start = match.index + match[0].length
    headerEnd.lastIndex = start
    shown += text.slice(at, start) + hiddenText
    at = headerEnd.exec(text)?.index ?? text.length
  }
  return shown + text.slice(at)
}
