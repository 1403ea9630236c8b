import {
  type AskedLimits,
  type LimitName,
  limitExample,
  limitIn,
  limitsIn,
  limitText,
} from '../core/limit-properties.ts'
import {
  anyImageLike,
  imageKind,
  networkProperty,
  type PlatformProperty,
  propertiesText,
  sortedProperties,
} from '../core/platform.ts'

/** What an action asks for. Platforms with the same properties in a different order have the same `key`. */
export interface Platform {
  readonly key: string
  readonly properties: readonly PlatformProperty[]
}

/** What a worker offers: `key` is the same for workers that offer the same. */
export interface Offer {
  readonly key: string
  readonly properties: readonly PlatformProperty[]
  /** Whether it has the property, allows the requested amount, or runs the image that the property names. */
  has(property: PlatformProperty): boolean
  /** The most that an action may ask for. */
  readonly limits: AskedLimits
}

/** The most properties of one platform or one worker. */
export const propertiesMax = 256
/** How many distinct offers a refusal lists. */
const offersShown = 3

/**
 * The properties of the API's own lexicon (build/bazel/remote/execution/v2/platform.md). Its values are lower-case
 * words, which clients write as they like: Bazel's own documentation says `OSFamily=Linux`.
 */
const standardProperties: ReadonlySet<string> = new Set(['OSFamily', 'ISA'])

/** The platform of these properties; without any, every worker can take it. */
export function platformOf(properties: readonly PlatformProperty[]): Platform {
  const sorted = sortedProperties(properties)
  const key = sortedProperties(properties.map(comparable)).map(({ name, value }) => [name, value])
  return { key: JSON.stringify(key), properties: sorted }
}

/** The form in which properties are compared: lexicon values in lower case, amounts as plain numbers. */
function comparable(property: PlatformProperty): PlatformProperty {
  const { name, value } = property
  const limit = limitIn(property)
  if (limit) return { name, value: String(limit.amount) }
  return standardProperties.has(name) ? { name, value: value.toLowerCase() } : property
}

/**
 * What a worker with these properties offers.
 * @param largest the most that an action may ask for, by the names of the limits; unlimited where absent
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
 * Does the worker offer each property, by exact name and, except for the lexicon's, exact value? A name may occur
 * several times.
 */
export function matches(platform: Platform, offer: Offer): boolean {
  return platform.properties.every((property) => offer.has(property))
}

/**
 * Why none of these workers can take the action, for people: the property that no worker offers, or, if each is offered
 * by some worker but all by none, that.
 */
export function refusalText(platform: Platform, offers: readonly Offer[]): string {
  const lacking = platform.properties.find((property) => !offers.some((offer) => offer.has(property)))
  const limit = lacking && limitIn(lacking)
  const problem = limit
    ? `no worker lets an action have ${pairText(lacking)} (the most is ${mostText(limit.name, offers)})`
    : lacking
      ? `no worker offers the platform property ${pairText(lacking)}${valuesText(lacking, offers)}`
      : `no single worker offers all of ${propertiesText(platform.properties)}`
  return `${problem}. ${offersText(offers)}`
}

/** `Connected workers offer: ...`, each distinct offer once, a few of them. */
function offersText(offers: readonly Offer[]): string {
  if (offers.length === 0) return 'No worker is connected.'
  const shown = offers.slice(0, offersShown).map((offer) => `(${propertiesText(offer.properties)})`)
  const more = offers.length - shown.length
  return `Connected workers offer: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`
}

function mostText(name: LimitName, offers: readonly Offer[]): string {
  return limitText(name, Math.max(0, ...offers.map(({ limits }) => limits[name] ?? 0)))
}

/** The values that workers offer under its name; if there are none, how it is had, where that is known. */
function valuesText(lacking: PlatformProperty, offers: readonly Offer[]): string {
  const { name } = lacking
  const values = new Set(
    offers.flatMap((offer) => offer.properties.filter((each) => each.name === name).map((each) => each.value)),
  )
  if (values.size === 0) return ` (${wayText(lacking) ?? `no worker offers any ${name}`})`
  return ` (offered are: ${[...values].slice(0, 2 * offersShown).join(', ')})`
}

function wayText(lacking: PlatformProperty): string | undefined {
  const kind = imageKind(lacking)
  if (kind) return `none has \`images: { from: [${kind}] }\` in its configuration`
  if (lacking.name === networkProperty) return 'none has `network: allowed` in its configuration'
  const example = limitExample(lacking.name)
  return example && `as a limit it would be an amount, such as ${example}`
}

function pairText({ name, value }: PlatformProperty): string {
  return `${name}=${value}`
}

/** An unambiguous key of name and value. */
function pairOf(property: PlatformProperty): string {
  const { name, value } = comparable(property)
  return `${name.length}:${name}=${value}`
}
