import { Failure } from '../core/failure.ts'

/** A platform as image indexes write it (image-spec, image-index.md). */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string | undefined
}

const nodeArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }
/** Aliases of architectures, as containerd defines them. */
const aliases: Readonly<Record<string, Omit<Platform, 'os'>>> = {
  x86_64: { architecture: 'amd64' },
  'x86-64': { architecture: 'amd64' },
  i386: { architecture: '386' },
  aarch64: { architecture: 'arm64' },
  armhf: { architecture: 'arm', variant: 'v7' },
  armel: { architecture: 'arm', variant: 'v6' },
}
const grammar = /^([a-z0-9]+)\/([a-z0-9_-]+)(?:\/([a-z0-9.]+))?$/

/**
 * `linux/amd64` or `linux/arm64/v8`, also with an alias of the architecture (`linux/x86_64`).
 * @throws Failure 'invalid'
 */
export function parsePlatform(text: string): Platform {
  const match = grammar.exec(text)
  if (!match?.[1] || !match[2])
    throw new Failure('invalid', `"${text.slice(0, 100)}" is not a platform`, {
      next: ['Write it as linux/amd64 or linux/arm64, for example.'],
    })
  const known = aliases[match[2]] ?? { architecture: match[2] }
  return match[3] ? { os: match[1], ...known, variant: match[3] } : { os: match[1], ...known }
}

/** The image platform of this machine's containers: Linux, whatever the desktop is. */
export function hostPlatform(arch: string): Platform {
  return { os: 'linux', architecture: nodeArchitectures[arch] ?? arch }
}

export function platformText(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
}

/** Is a platform given? Go writes empty strings for unknown values. */
export function isPlatformSaid(platform: Platform): boolean {
  return platform.os !== '' && platform.architecture !== ''
}

/** Are these one platform? arm64 is arm64/v8, arm is arm/v7, amd64 is amd64/v1 (image-spec, "Platform Variants"). */
export function samePlatform(a: Platform, b: Platform): boolean {
  return a.os === b.os && a.architecture === b.architecture && variantOf(a) === variantOf(b)
}

/**
 * Could these be the same platform, as far as both are specified? A config often omits the variant that its index has.
 */
export function mayBeSame(a: Platform, b: Platform): boolean {
  if (!isPlatformSaid(a) || !isPlatformSaid(b)) return true
  return a.os === b.os && a.architecture === b.architecture && (!a.variant || !b.variant || samePlatform(a, b))
}

/**
 * How well an image for one platform suits another, as in containerd (platforms.Only): 0 for the same platform, then
 * older variants of the architecture, newest first. Newer variants do not run there.
 * @returns undefined if it does not suit
 */
export function suitability(wanted: Platform, found: Platform): number | undefined {
  if (wanted.os !== found.os || wanted.architecture !== found.architecture) return undefined
  const [want, have] = [levelOf(wanted), levelOf(found)]
  if (!want || !have) return variantOf(wanted) === variantOf(found) ? 0 : undefined
  if (have.major > want.major || have.features > want.features) return undefined
  return (want.major - have.major) * 100 + (want.features - have.features)
}

/** What else a processor can run, in order of preference. */
export function alsoRun({ os, architecture }: Platform): readonly Platform[] {
  if (architecture === 'amd64') return [{ os, architecture: '386' }]
  return architecture === 'arm64' ? [{ os, architecture: 'arm', variant: 'v8' }] : []
}

interface Level {
  readonly major: number
  /** Architecture features as one order across major versions: Arm's v9.0 includes v8.5. */
  readonly features: number
}

/** The level of a variant, for architectures whose variants include the older ones. */
function levelOf(platform: Platform): Level | undefined {
  if (!['amd64', 'arm', 'arm64'].includes(platform.architecture)) return undefined
  const match = /^v(\d{1,2})(?:\.(\d{1,2}))?$/.exec(variantOf(platform))
  if (!match) return undefined
  const [major, minor] = [Number(match[1]), Number(match[2] ?? 0)]
  if (platform.architecture !== 'arm64') return minor === 0 ? { major, features: 0 } : undefined
  return { major, features: major >= 9 ? minor + 5 : minor }
}

function variantOf({ architecture, variant }: Platform): string {
  const usual: Readonly<Record<string, string>> = { amd64: 'v1', arm: 'v7', arm64: 'v8' }
  if (!variant) return usual[architecture] ?? ''
  const plain = architecture in usual && /^\d/.test(variant) ? `v${variant}` : variant
  return plain.replace(/^(v\d+)\.0$/, '$1')
}
