import { type Html, html } from './html.ts'

/** The navigation entry that a page belongs to. */
export type Place = 'builds' | 'queue' | 'workers' | 'cache'

/** What surrounds every page. */
export interface Frame {
  readonly title: string
  /** The current navigation entry. */
  readonly place?: Place
  /** It is that entry's own page, not one below it. */
  readonly top?: boolean
  /** The search text, if the page shows search results. */
  readonly search?: string
  /** A page that the script keeps up to date while it is open. */
  readonly live?: boolean
}

const places: readonly { readonly place: Place; readonly path: string }[] = [
  { place: 'builds', path: '/' },
  { place: 'queue', path: '/queue' },
  { place: 'workers', path: '/workers' },
  { place: 'cache', path: '/cache' },
]

/** A whole page, as text. */
export function page({ title, place, top = false, search = '', live = false }: Frame, body: Html): string {
  const links = places.map(({ place: each, path }) => {
    const current = each === place ? html` aria-current="${top ? 'page' : 'true'}"` : undefined
    return html`<a href="${path}"${current}>${each}</a> `
  })
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} - native</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>
</head>
<body${live ? html` data-live` : undefined}>
<a class="skip" href="#main">Skip to the content</a>
<header>
<nav aria-label="Pages"><a class="name" href="/">native</a> ${links}</nav>
<form action="/search" method="get" role="search">
<label for="q">Search</label>
<input id="q" name="q" type="search" value="${search}" placeholder="build, target, digest, path (/)" aria-keyshortcuts="/">
<button>Search</button>
</form>
<p id="live" role="status"></p>
</header>
<main id="main" tabindex="-1">
${body}
</main>
</body>
</html>
`.markup
}

/** A page that says why there is nothing else, and what to do. */
export function problemPage(title: string, text: string, next: readonly string[]): string {
  return page(
    { title },
    html`<h1>${title}</h1>
<p>${text}</p>
${next.map((each) => html`<p>${each}</p>`)}
<p><a href="/">All builds</a></p>`,
  )
}
