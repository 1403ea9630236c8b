import { Idiomorph } from 'idiomorph'

export interface LiveParts {
  /** Adds to a new page what the script adds to every page. */
  furnish(root: ParentNode): void
  /** Called when the page's content has changed. */
  changed(): void
}

/** Minimum interval between fetches of the page, and the retry interval without a stream. */
const fetchMsMin = 1_000
const againMs = 5_000
const fetchMsMax = 30_000

/**
 * Keeps a page up to date: an event stream says when there is something new; the page is then fetched again and the
 * differences are applied. What the reader has opened, focused, selected or scrolled to stays. A hidden page follows
 * nothing: a browser has few connections for all of its pages.
 */
export function startLive(parts: LiveParts): void {
  const status = document.querySelector<HTMLElement>('#live')
  let stream: EventSource | undefined
  let again: ReturnType<typeof setTimeout> | undefined
  /** When the stream broke, until there is one again. */
  let awaySince: Date | undefined
  let fetching = false
  let wanted = false

  function say(text: string): void {
    if (status && status.textContent !== text) status.textContent = text
  }

  function follow(): void {
    clearTimeout(again)
    if (!isLive() || stream || document.visibilityState === 'hidden') return
    const opened = new EventSource(`/live?of=${encodeURIComponent(location.pathname + location.search)}`)
    stream = opened
    opened.addEventListener('ready', () => {
      awaySince = undefined
      say('live')
      refresh()
    })
    opened.addEventListener('change', refresh)
    opened.addEventListener('error', () => {
      // Streams end after some time; the page counts as disconnected only if the next attempt fails as well.
      if (awaySince) say(`not connected since ${awaySince.toLocaleTimeString('en-GB')}; trying again`)
      else awaySince = new Date()
      if (opened.readyState !== EventSource.CLOSED) return
      leave()
      again = setTimeout(follow, againMs)
    })
  }

  function leave(): void {
    stream?.close()
    stream = undefined
  }

  function refresh(): void {
    wanted = true
    if (!fetching) void fetchAgain()
  }

  async function fetchAgain(): Promise<void> {
    fetching = true
    while (wanted && isLive()) {
      wanted = false
      // For the reader, a failed fetch is the same.
      const isShown = await show().catch(() => false)
      // A hidden page is fetched when it becomes visible.
      if (!isShown && stream) wanted = true
      if (stream && !awaySince) say(isShown ? 'live' : 'not up to date; trying again')
      await new Promise((resolve) => setTimeout(resolve, isShown ? fetchMsMin : againMs))
    }
    fetching = false
    if (isLive()) return
    leave()
    say('')
  }

  /** @returns false for a response other than the page: a console that is busy or starting will serve it later */
  async function show(): Promise<boolean> {
    const answer = await fetch(location.pathname + location.search, { signal: AbortSignal.timeout(fetchMsMax) })
    if (!answer.ok && answer.status !== 404) return false
    const came = new DOMParser().parseFromString(await answer.text(), 'text/html')
    const [now, next] = [document.querySelector('main'), came.querySelector('main')]
    if (!now || !next) return true
    parts.furnish(came)
    document.title = came.title
    if (!('live' in came.body.dataset)) delete document.body.dataset['live']
    await Idiomorph.morph(now, next, {
      ignoreActiveValue: true,
      callbacks: { beforeAttributeUpdated, beforeNodeMorphed },
    })
    parts.changed()
    return true
  }

  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') leave()
    else follow()
  })
  follow()
}

function isLive(): boolean {
  return 'live' in document.body.dataset
}

/** Open elements stay open, and closed ones closed. */
function beforeAttributeUpdated(name: string, node: Element): boolean {
  return !(name === 'open' && node.tagName === 'DETAILS')
}

/** There the script has put its own timeline. */
function beforeNodeMorphed(node: Node): boolean {
  return !(node instanceof HTMLElement && node.id === 'timeline')
}
