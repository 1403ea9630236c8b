/** Shown in place of a hidden value. */
export const hiddenText = '(hidden)'

const secretName =
  /token|secret|passw|passphrase|credential|cookie|bearer|authorization|(?:api|access|private)[-_]?key/i
/**
 * Short words, which count only as a word or at the end of one: SSH_KEY and sshKey, but neither MONKEYS nor keyboard.
 */
const shortName = /(?:^|[^a-zA-Z])(?:key|pat|pwd)(?:$|[^a-zA-Z])/i
const humpedName = /[a-z](?:Key|Pat|Pwd)(?:$|[^a-z])/
/** NAME=VALUE, with or without leading dashes. */
const assignment = /^(-{0,2}[A-Za-z][\w.-]*)=(.*)$/s
/** A flag whose value is the next argument. */
const flagAlone = /^-{1,2}[A-Za-z][\w.-]*$/
/**
 * Within a text, such as a shell command line. Lengths are bounded, or a long word would be scanned again from each of
 * its letters.
 */
const innerAssignment = /([A-Za-z][\w.-]{0,99})=("[^"]*"|'[^']*'|(?:(?:bearer|basic|token)\s+)?[^\s;&|"']+)/gi
/** A shell's variables for its working directory, which Bazel sets for each compiler. */
const folderNames: ReadonlySet<string> = new Set(['PWD', 'OLDPWD'])
const nestedMax = 3
/** The name of an HTTP header; its value ends with the line, or with a quotation mark. */
const headerName = /([A-Za-z][\w-]{0,99}):[ \t]*/g
const headerEnd = /['"\r\n]|$/g
/** The password in a URL, between its first colon and the @. */
const addressPassword = /(\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@]*:)[^\s/@]+@/gi

/** May a variable, flag, header or property of this name hold a secret? */
export function looksSecret(name: string): boolean {
  if (folderNames.has(name)) return false
  return secretName.test(name) || shortName.test(name) || humpedName.test(name)
}

/** A value to show: hidden entirely if its name looks secret, and in part where it contains secrets itself. */
export function shownValue(name: string, value: string): string {
  return looksSecret(name) ? hiddenText : withoutSecrets(value)
}

/**
 * An argument to show: assigned values are hidden if the name looks secret, and so is a whole argument that follows a
 * flag of such a name.
 * @param before the preceding argument
 */
export function shownArgument(argument: string, before: string | undefined): string {
  if (before !== undefined && flagAlone.test(before) && looksSecret(before) && !argument.startsWith('-'))
    return hiddenText
  const [, name, value] = assignment.exec(argument) ?? []
  // --action_env=TOKEN=abc assigns twice.
  return name === undefined ? withoutSecrets(argument) : `${name}=${shownValue(name, value ?? '')}`
}

/** Text without values of secret-looking names and headers, and without passwords in URLs. */
function withoutSecrets(text: string): string {
  if (!/[=:]/.test(text)) return text
  return withoutHeaders(withoutAssigned(text.replace(addressPassword, `$1${hiddenText}@`)))
}

/** An assigned value may itself be an assignment: --client_env=TOKEN=abc. */
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
