/** When one of our servers wrote this line, in milliseconds since 1970; undefined if it does not say. */
export function writtenAt(text: string): number | undefined {
  const time = fieldsOf(text)?.['time']
  const ms = typeof time === 'string' ? Date.parse(time) : typeof time === 'number' ? time : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}

/** The fields of a line that is a JSON object; undefined for any other. */
export function fieldsOf(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
