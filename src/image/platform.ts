import { Failure } from '../core/failure.ts'

/** A platform as image indexes write it (image-spec, image-index.md). */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string | undefined
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }
const grammar = /^([a-z0-9]+)\/([a-z0-9]+)(?:\/([a-z0-9]+))?$/

/**
 * `linux/amd64` or `linux/arm64/v8`.
 * @throws Failure 'invalid'
 */
export function parsePlatform(text: string): Platform {
  const match = grammar.exec(text)
  if (!match?.[1] || !match[2])
    throw new Failure('invalid', `"${text.slice(0, 100)}" is no platform`, {
      next: ['Write it like linux/amd64 or linux/arm64.'],
    })
  return match[3]
    ? { os: match[1], architecture: match[2], variant: match[3] }
    : { os: match[1], architecture: match[2] }
}

/** The image platform that this machine's containers run: Linux, whatever the desktop is. */
export function hostPlatform(arch: string): Platform {
  return { os: 'linux', architecture: architectures[arch] ?? arch }
}

export function platformText(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
}

/** arm64 and arm64/v8 are one thing (image-spec, "Platform Variants"). */
export function samePlatform(wanted: Platform, found: Platform): boolean {
  return (
    wanted.os === found.os &&
    wanted.architecture === found.architecture &&
    (wanted.variant === undefined || defaultVariant(wanted) === defaultVariant(found))
  )
}

function defaultVariant(platform: Platform): string | undefined {
  return platform.variant ?? (platform.architecture === 'arm64' ? 'v8' : undefined)
}
