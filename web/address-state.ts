/** A reader's choices on a page, kept in the URL's fragment: so a link shows others the same. */

/** A choice; undefined if none was made. */
export function chosen(name: string): string | undefined {
  return parameters().get(name) ?? undefined
}

/** Records a choice, without adding to the browser's history. */
export function choose(name: string, value: string | undefined): void {
  const all = parameters()
  if (value === undefined) all.delete(name)
  else all.set(name, value)
  const text = all.toString()
  history.replaceState(history.state, '', text === '' ? location.pathname + location.search : `#${text}`)
}

function parameters(): URLSearchParams {
  const text = location.hash.slice(1)
  // A plain fragment is an anchor, not a choice.
  return new URLSearchParams(text.includes('=') ? text : '')
}
