import { type AskedLimits, type LimitName, limitIn, limitsIn } from '../core/limit-properties.ts'
import { anyImageLike, type PlatformProperty, propertiesText, sortedProperties } from '../core/platform.ts'
import { sizeText } from '../core/units.ts'

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
  /** Whether it has the property, lets an action have as much as that asks for, or runs the image that it names. */
  has(property: PlatformProperty): boolean
  /** The most that an action may ask for. */
  readonly limits: AskedLimits
}

/** Properties of one platform or one worker. */
export const propertiesMax = 256
/** How many different offers a refusal shows to people. */
const offersShown = 3

/**
 * The properties of the API's own lexicon (build/bazel/remote/execution/v2/platform.md). Its values are lower-case
 * words, which clients write as they like: Bazel's own documentation says `OSFamily=Linux`.
 */
const standardProperties: ReadonlySet<string> = new Set(['OSFamily', 'ISA'])

/** The platform of these properties; none at all is the platform that any worker can take. */
export function platformOf(properties: readonly PlatformProperty[]): Platform {
  const sorted = sortedProperties(properties)
  const key = sortedProperties(properties.map(comparable)).map(({ name, value }) => [name, value])
  return { key: JSON.stringify(key), properties: sorted }
}

/** The form in which properties are compared: those of the lexicon without case, amounts as plain numbers. */
function comparable(property: PlatformProperty): PlatformProperty {
  const { name, value } = property
  const limit = limitIn(property)
  if (limit) return { name, value: String(limit.amount) }
  return standardProperties.has(name) ? { name, value: value.toLowerCase() } : property
}

/**
 * What a worker with these properties offers.
 * @param largest the most that an action may ask for, by the names of the limits; of one that is absent anything
 */
export function offerOf(properties: readonly PlatformProperty[], largest: readonly PlatformProperty[] = []): Offer {
  const { key, properties: sorted } = platformOf(properties)
  const pairs = new Set(sorted.map(pairOf))
  const limits = limitsIn(largest)
  const isWithin = (property: PlatformProperty) => {
    const limit = limitIn(property)
    return limit !== undefined && limit.amount <= (limits[limit.name] ?? Number.POSITIVE_INFINITY)
  }
  const runsImage = (property: PlatformProperty) => {
    const any = anyImageLike(property)
    return any !== undefined && pairs.has(pairOf(any))
  }
  const has = (property: PlatformProperty) => isWithin(property) || pairs.has(pairOf(property)) || runsImage(property)
  return { key: `${key}${JSON.stringify(limits)}`, properties: sorted, limits, has }
}

/**
 * Does the worker offer each property, by exact name and, but for the lexicon's, exact value? A name may stand
 * several times.
 */
export function matches(platform: Platform, offer: Offer): boolean {
  return platform.properties.every((property) => offer.has(property))
}

/**
 * Why none of these workers can take the action, for people: the property that no worker
 * offers, or, where each is offered by some but all by none, that.
 */
export function refusalText(platform: Platform, offers: readonly Offer[]): string {
  const lacking = platform.properties.find((property) => !offers.some((offer) => offer.has(property)))
  const limit = lacking && limitIn(lacking)
  const problem = limit
    ? `no worker lets an action have ${pairText(lacking)} (the most is ${mostText(limit.name, offers)})`
    : lacking
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

function mostText(name: LimitName, offers: readonly Offer[]): string {
  const most = Math.max(0, ...offers.map(({ limits }) => limits[name] ?? 0))
  return name === 'memory' || name === 'disk' ? sizeText(most) : String(most)
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
function pairOf(property: PlatformProperty): string {
  const { name, value } = comparable(property)
  return `${name.length}:${name}=${value}`
}
