import { Failure } from '../../../core/failure.ts'

/** The newest release of each minor that kind 0.33 has a node image of. */
const newest: Readonly<Record<string, string>> = {
  '1.34': '1.34.11',
  '1.35': '1.35.8',
  '1.36': '1.36.4',
  '1.37': '1.37.0',
}
/** The first kind whose nodes read registry hosts from a folder by default, and have no known cgroup problems. */
const kindNeeded = [0, 27] as const

/** A node image, and notes about the choice. */
export interface NodeImage {
  readonly image: string
  readonly note?: string
}

/**
 * The node image of a release of Kubernetes, as kind's project publishes it.
 * @param text like 1.34.4 or v1.34.4; 1.34 is the newest of it that is known here
 * @throws Failure 'invalid'
 */
export function nodeImageOf(text: string): NodeImage {
  const match = /^v?(\d+\.\d+)(?:\.(\d+))?$/.exec(text)
  const minor = match?.[1]
  if (minor === undefined)
    throw new Failure('invalid', `"${text.slice(0, 50)}" is not a release of Kubernetes`, {
      where: '--kubernetes-version',
      next: ['Write it like 1.34.4, or like 1.34 for the newest 1.34 release that this version knows.'],
    })
  if (match?.[2] !== undefined) return { image: `kindest/node:v${minor}.${match[2]}` }
  const version = newest[minor]
  if (version !== undefined)
    return { image: `kindest/node:v${version}`, note: `${version}, the newest ${minor} that is known here` }
  throw new Failure('invalid', `this version does not know any release of Kubernetes ${minor}`, {
    where: '--kubernetes-version',
    next: [
      `Known are ${Object.keys(newest).join(', ')}; of another, name the release in full, like ${minor}.1, or its image with --image.`,
    ],
  })
}

/**
 * Refuses a kind that is too old.
 * @param text what `kind version --quiet` prints, like 0.33.0
 * @throws Failure 'precondition'
 */
export function assertKindVersion(text: string): void {
  if (isAtLeast(text, kindNeeded)) return
  throw new Failure('precondition', `kind ${text.trim()} is too old`, {
    where: 'kind',
    next: [
      `Install kind ${kindNeeded.join('.')} or later: https://kind.sigs.k8s.io/docs/user/quick-start/#installation`,
    ],
  })
}

/** From this kind on its own node image has a Kubernetes of 1.35 or later. */
const kindWith135 = [0, 31] as const

/**
 * The release of Kubernetes in a node image, as far as it can be known before it runs.
 * @param image null: kind's default for its release
 * @param kindVersion as for assertKindVersion
 */
export function kubernetesIn(image: string | null, kindVersion: string): { readonly kubernetes?: string } {
  if (image !== null) {
    const version = /:v?(1\.\d+(?:\.\d+)?)(?:[-@]|$)/.exec(image)?.[1]
    return version === undefined ? {} : { kubernetes: version }
  }
  return isAtLeast(kindVersion, kindWith135) ? { kubernetes: '1.35 and later' } : {}
}

function isAtLeast(text: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = text.trim().replace(/^v/, '').split('.').map(Number)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}
