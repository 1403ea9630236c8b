/** `/` moves to the search from anywhere, and Escape leaves it. */
export function startKeys(): void {
  const search = document.querySelector<HTMLInputElement>('#q')
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === '/' && !isWriting(event.target)) {
      event.preventDefault()
      search?.focus()
      search?.select()
    } else if (event.key === 'Escape' && event.target === search) search?.blur()
  })
}

/** Is the reader typing text? */
export function isWriting(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches('input, textarea, select') || target.isContentEditable)
}
