import { type PlatformProperty, propertiesText, sortedProperties } from '../core/platform.ts'

/**
 * What an action asks for. Two platforms with the same properties in another order are the
 * same one: `key` says so.
 */
export interface Platform {
  readonly key: string
  readonly properties: readonly PlatformProperty[]
}

/** What a worker offers: `key` is the same for workers that offer the same. */
export interface Offer {
  readonly key: string
  readonly properties: readonly PlatformProperty[]
  has(property: PlatformProperty): boolean
}

/** Properties of one platform or one worker. */
export const propertiesMax = 256
/** How many different offers a refusal shows to people. */
const offersShown = 3

/** The platform of these properties; none at all is the platform that any worker can take. */
export function platformOf(properties: readonly PlatformProperty[]): Platform {
  const sorted = sortedProperties(properties)
  return { key: JSON.stringify(sorted.map(({ name, value }) => [name, value])), properties: sorted }
}

/**
 * Rule 32: the Action's platform wins, and only where it names no property does the
 * Command's count (clients before 2.2 set that one alone).
 */
export function effectivePlatform(
  action: readonly PlatformProperty[],
  command: readonly PlatformProperty[],
): readonly PlatformProperty[] {
  return action.length > 0 ? action : command
}

/** What a worker with these properties offers. */
export function offerOf(properties: readonly PlatformProperty[]): Offer {
  const { key, properties: sorted } = platformOf(properties)
  const pairs = new Set(sorted.map(pairOf))
  return { key, properties: sorted, has: (property) => pairs.has(pairOf(property)) }
}

/** Does the worker offer each property, by exact name and value? A name may stand several times. */
export function matches(platform: Platform, offer: Offer): boolean {
  return platform.properties.every((property) => offer.has(property))
}

/**
 * Why none of these workers can take the action, for people: the property that no worker
 * offers, or, where each is offered by some but all by none, that.
 */
export function refusalText(platform: Platform, offers: readonly Offer[]): string {
  const lacking = platform.properties.find((property) => !offers.some((offer) => offer.has(property)))
  const problem = lacking
    ? `no worker offers the platform property ${pairText(lacking)}${valuesText(lacking.name, offers)}`
    : `no single worker offers all of ${propertiesText(platform.properties)}`
  return `${problem}. ${offersText(offers)}`
}

/** `Connected workers offer: ...`, each different offer once, a few of them. */
function offersText(offers: readonly Offer[]): string {
  if (offers.length === 0) return 'No worker is connected.'
  const shown = offers.slice(0, offersShown).map((offer) => `(${propertiesText(offer.properties)})`)
  const more = offers.length - shown.length
  return `Connected workers offer: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`
}

/** The values that workers do offer under a name, if any do. */
function valuesText(name: string, offers: readonly Offer[]): string {
  const values = new Set(
    offers.flatMap((offer) => offer.properties.filter((each) => each.name === name).map((each) => each.value)),
  )
  if (values.size === 0) return ` (no worker offers any ${name})`
  return ` (offered are: ${[...values].slice(0, 2 * offersShown).join(', ')})`
}

function pairText({ name, value }: PlatformProperty): string {
  return `${name}=${value}`
}

/** A key for name and value in which neither can run into the other. */
function pairOf({ name, value }: PlatformProperty): string {
  return `${name.length}:${name}=${value}`
}
