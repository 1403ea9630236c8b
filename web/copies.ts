const offered = 'Copy'
const saidMs = 2_000

/** Adds copy buttons to what people use elsewhere: commands, digests, ids. */
export function offerCopies(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLElement>('[data-copy]')) {
    if (element.nextElementSibling?.matches('.copy') || element.querySelector('.copy')) continue
    const button = element.ownerDocument.createElement('button')
    button.type = 'button'
    button.className = 'copy'
    button.textContent = offered
    button.setAttribute('aria-label', `Copy ${nameOf(element)}`)
    // A description list allows no button between its items.
    if (element.tagName === 'DD') element.append(' ', button)
    else element.after(button)
  }
}

export function startCopies(): void {
  document.addEventListener('click', ({ target }) => {
    if (target instanceof HTMLButtonElement && target.matches('.copy')) copyBeside(target)
  })
  document.addEventListener('copy', wholeDigest)
}

function copyBeside(button: HTMLButtonElement): void {
  const element = button.closest<HTMLElement>('[data-copy]') ?? (button.previousElementSibling as HTMLElement | null)
  if (!element) return
  const [first] = element.childNodes
  const text = button.parentElement === element ? (first?.textContent ?? '') : element.textContent
  copyText(text).then(
    () => say(button, 'Copied'),
    () => {
      // The clipboard is unavailable over plain HTTP from another machine, or not permitted: select it, to copy by
      // hand.
      getSelection()?.selectAllChildren(element)
      say(button, 'Selected')
    },
  )
}

async function copyText(text: string): Promise<void> {
  if (!window.isSecureContext) throw new Error('the clipboard is for secure contexts alone')
  await navigator.clipboard.writeText(text)
}

function say(button: HTMLButtonElement, text: string): void {
  button.textContent = text
  setTimeout(() => {
    button.textContent = offered
  }, saidMs)
}

/** Copies the whole digest where only its beginning is shown. */
function wholeDigest(event: ClipboardEvent): void {
  const selection = getSelection()
  const shown = selection?.anchorNode?.parentElement?.closest<HTMLElement>('[data-whole]')
  if (!shown || selection?.toString().trim() !== shown.textContent.trim()) return
  event.clipboardData?.setData('text/plain', shown.title)
  event.preventDefault()
}

/** A fact's name; for anything else, its kind. */
function nameOf(element: HTMLElement): string {
  const name = element.previousElementSibling
  if (element.tagName === 'DD' && name?.tagName === 'DT') return name.textContent.toLowerCase()
  return element.tagName === 'PRE' ? 'the command' : 'the address'
}
