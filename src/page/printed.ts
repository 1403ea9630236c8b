import { lastLines } from '../core/last-lines.ts'
import { sizeText } from '../core/units.ts'
import type { re } from '../wire/proto.ts'
import { type Html, html } from './html.ts'
import { terminalMarkup } from './terminal-markup.ts'
import { numberText } from './words.ts'

/** Of longer text the end is shown, which is where errors are. */
const shownBytesMax = 1024 * 1024
/** The same on a page that shows the text beside much else. */
export const excerptBytesMax = 8 * 1024

/** An action's output, if inlined in its result; undefined if there is none. */
export function printedMarkup({ stdoutRaw, stderrRaw, stdoutDigest, stderrDigest }: re.ActionResult): Html | undefined {
  const streams = [
    { name: 'stdout', bytes: stdoutRaw, size: Number(stdoutDigest?.sizeBytes ?? 0) },
    { name: 'stderr', bytes: stderrRaw, size: Number(stderrDigest?.sizeBytes ?? 0) },
  ].filter(({ bytes, size }) => bytes.length > 0 || size > 0)
  if (streams.length === 0) return undefined
  return html`<h2>What it printed</h2>
${streams.map(({ name, bytes, size }) => html`<h3>${name}</h3>${bytes.length > 0 ? textMarkup(bytes) : html`<p>${sizeText(size)}, too long for the result itself.</p>`}`)}`
}

/** Untrusted bytes as text, without apparent secrets. @param bytesMax of longer text the end is shown */
export function textMarkup(bytes: Uint8Array, bytesMax = shownBytesMax): Html {
  if (bytes.includes(0)) return html`<p>It is not text, and is not shown.</p>`
  const { bytes: shown, left } = lastLines(bytes, bytesMax)
  const cut = left > 0 ? html`<p class="soft">Its first ${numberText(left)} bytes are left out.</p>` : undefined
  if (shown.length === 0) return html`${cut}<p class="soft">Its last line is too long to be shown.</p>`
  return html`${cut}<pre>${terminalMarkup(new TextDecoder().decode(shown))}</pre>`
}
