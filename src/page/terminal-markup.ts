import { shownValue } from '../explain/secrets.ts'
import { type Html, html } from './html.ts'
import { type TerminalLine, terminalLines } from './terminal.ts'
import { penClasses } from './terminal-pen.ts'

/** A URL to link; surrounding punctuation is not part of it. */
const address = /\bhttps?:\/\/[^\s<>"'`()[\]{}]{1,2000}[^\s<>"'`()[\]{}.,;:!?]/g

/**
 * Output as a terminal would show it, with colours, links to http(s) only, and without apparent secrets. These are
 * searched for in the visible text, so that no escape code can hide a name; a line with one loses its colours.
 */
export function terminalMarkup(printed: string): Html[] {
  return terminalLines(printed).map((line, at) => html`${at > 0 ? '\n' : ''}${lineMarkup(line)}`)
}

function lineMarkup({ text, pens }: TerminalLine): Html[] {
  const shown = shownValue('', text)
  if (shown !== text) return [linked(shown)]
  const runs: Html[] = []
  for (let from = 0; from < text.length; ) {
    let to = from + 1
    while (to < text.length && pens[to] === pens[from]) to += 1
    const classes = penClasses(pens.charCodeAt(from))
    const part = linked(text.slice(from, to))
    runs.push(classes === '' ? part : html`<span class="${classes}">${part}</span>`)
    from = to
  }
  return runs
}

function linked(text: string): Html {
  const parts: Html[] = []
  let from = 0
  for (const { 0: url, index } of text.matchAll(address)) {
    parts.push(html`${text.slice(from, index)}<a href="${url}" rel="noopener noreferrer">${url}</a>`)
    from = index + url.length
  }
  return html`${parts}${text.slice(from)}`
}
