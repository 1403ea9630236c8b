/**
 * The text of a configuration that this program writes for its own servers. It is JSON, which is YAML as well, so
 * everything that reads YAML reads it; `ownValue` reads it without loading a YAML parser, which takes a server a tenth
 * of its start.
 */
export function ownText(settings: object): string {
  return `${JSON.stringify(settings, null, 2)}\n`
}

/**
 * What a text says that `ownText` has written; undefined for any other text, even if it is JSON: YAML refuses a key that
 * stands twice, for instance.
 */
export function ownValue(text: string): object | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const value: object = JSON.parse(text)
    return ownText(value) === text ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
