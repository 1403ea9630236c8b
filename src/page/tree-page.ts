import type { ActionRecord } from '../core/build-history.ts'
import { sizeText } from '../core/units.ts'
import { page } from './frame.ts'
import { type Html, html } from './html.ts'
import { numberCell, table } from './table.ts'
import type { TreeEntry } from './tree.ts'
import { actionPath, actionTitle, numberText, shortHash } from './words.ts'

export type Side = 'inputs' | 'outputs'

/** Entries of a folder that are listed. */
const shownMax = 5_000

/** A folder of what an action reads or makes. @param path of the folder, from the root */
export function treePage(
  action: ActionRecord,
  side: Side,
  path: readonly string[],
  entries: readonly TreeEntry[],
): string {
  const title = `${side === 'inputs' ? 'Inputs' : 'Outputs'} of ${actionTitle(action)}`
  return page(
    { title, place: 'builds' },
    html`<h1>${title}</h1>
<p><a href="${actionPath(action)}">The action</a></p>
<p class="mono">${crumbs(action, side, path)}</p>
${entries.length === 0 ? html`<p>This folder is empty.</p>` : listing(action, side, path, entries)}`,
  )
}

/** Where a folder or a file is. */
export function treePath(action: ActionRecord, side: Side, path: readonly string[]): string {
  return [`${actionPath(action)}/${side}`, ...path.map(encodeURIComponent)].join('/')
}

function crumbs(action: ActionRecord, side: Side, path: readonly string[]): Html {
  const above = path.map((name, at) => html` / <a href="${treePath(action, side, path.slice(0, at + 1))}">${name}</a>`)
  return html`<a href="${treePath(action, side, [])}">${side}</a>${above}`
}

function listing(action: ActionRecord, side: Side, path: readonly string[], entries: readonly TreeEntry[]): Html {
  const left = entries.length - shownMax
  return html`${table(
    'entries',
    'Entries',
    [{ name: 'Name' }, { name: 'Kind' }, { name: 'Size', isNumber: true }, { name: 'Digest' }],
    entries.slice(0, shownMax).map((each) => row(each, treePath(action, side, [...path, each.name]))),
  )}
${left > 0 ? html`<p class="soft">${numberText(left)} more are not listed.</p>` : undefined}`
}

function row({ name, kind, digest, executable, target }: TreeEntry, href: string): Html {
  const link = kind === 'file' ? html`<a href="${href}" download>${name}</a>` : html`<a href="${href}">${name}</a>`
  const text = kind === 'file' && executable ? 'program' : kind
  const shown = kind === 'symlink' ? html`${name} to ${target}` : link
  return html`<tr><td class="mono">${shown}</td><td>${text}</td>
${numberCell(digest?.size, sizeText(digest?.size ?? 0))}<td>${digest ? shortHash(digest.hash) : undefined}</td></tr>`
}
