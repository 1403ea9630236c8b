/** What a reader has chosen on a page, in the part of its address behind the #: so a link shows the same to others. */

/** What was chosen; undefined where nothing was. */
export function chosen(name: string): string | undefined {
  return parameters().get(name) ?? undefined
}

/** Notes a choice, without a step in the browser's history. */
export function choose(name: string, value: string | undefined): void {
  const all = parameters()
  if (value === undefined) all.delete(name)
  else all.set(name, value)
  const text = all.toString()
  history.replaceState(history.state, '', text === '' ? location.pathname + location.search : `#${text}`)
}

function parameters(): URLSearchParams {
  const text = location.hash.slice(1)
  // A plain place on the page is no choice.
  return new URLSearchParams(text.includes('=') ? text : '')
}
