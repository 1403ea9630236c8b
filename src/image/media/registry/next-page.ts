import type { HttpAnswer } from './exchange.ts'

/** Where a list goes on (RFC 8288: `<url>; rel="next"`); a page on another host is none. */
export function nextPage(answer: HttpAnswer): string | undefined {
  const match = /<([^>]{1,4096})>\s*;\s*rel="?next"?/.exec(answer.header('link') ?? '')
  if (!match?.[1] || !URL.canParse(match[1], answer.url)) return undefined
  const url = new URL(match[1], answer.url)
  return url.origin === answer.url.origin ? url.href : undefined
}
