/** Markup: text that is put into it is escaped, markup is not. */
export interface Html {
  readonly markup: string
}

type Part = Html | readonly Html[] | string | number | undefined

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/**
 * A template of markup. Values may stand wherever text may, and in quoted attributes; nowhere else.
 * What clients sent (paths, arguments, messages) comes in as text and stays text.
 */
export function html(texts: TemplateStringsArray, ...values: readonly Part[]): Html {
  return { markup: texts.reduce((all, text, at) => `${all}${markupOf(values[at - 1])}${text}`) }
}

function markupOf(value: Part): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return escaped(value)
  if (typeof value === 'number') return String(value)
  return 'markup' in value ? value.markup : value.map(({ markup }) => markup).join('')
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (each) => escapes[each] ?? each)
}
