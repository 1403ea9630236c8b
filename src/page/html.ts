/** Markup: text inserted into it is escaped, markup is not. */
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
 * A markup template. Values may be used where text may, and in quoted attributes, but nowhere else. Client input
 * (paths, arguments, messages) arrives as text and stays text.
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
