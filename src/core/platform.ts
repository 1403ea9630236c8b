/** One thing that an action requires or a worker offers; a name may occur several times. */
export interface PlatformProperty {
  readonly name: string
  readonly value: string
}

/** Every worker offers its own name under this property, so that an action can be sent to a particular one. */
export const workerNameProperty = 'native:worker'

/** `on`: the action needs the machine's network, which its sandbox otherwise blocks. */
export const networkProperty = 'network'

/** The image that an action runs in: `docker://REF@sha256:...`, `docker-daemon:REF` or `oci:PATH`. */
export const imageProperty = 'container-image'
/** `on`: the action also gets its image's variables, overridden by its own. */
export const imageEnvironmentProperty = 'container-image-env'

const imagePlace = /^(docker:\/\/|docker-daemon:|oci:)[^*]/

/** What a worker that runs such images offers, if this is one: `docker://*` and the like. */
export function anyImageLike({ name, value }: PlatformProperty): PlatformProperty | undefined {
  const place = name === imageProperty ? imagePlace.exec(value)?.[1] : undefined
  return place === undefined ? undefined : { name, value: `${place}*` }
}

/** The kind of place that an image is asked for at, as `images.from` of a worker has it; undefined for anything else. */
export function imageKind(property: PlatformProperty): string | undefined {
  return anyImageLike(property)?.value.replace(/:.*/, '')
}

/** Does this offer any image of a kind of location? */
export function isAnyImage({ name, value }: PlatformProperty): boolean {
  return name === imageProperty && value.endsWith('*')
}

/**
 * What Bazel sends for an action whose tool can be persistent: its process's key, and since 9.1 the protocol. The
 * others are execution requirements, which it sends only when they are in `exec_properties`.
 */
export const persistentProperties = {
  key: 'persistentWorkerKey',
  protocol: 'persistentWorkerProtocol',
  requiredProtocol: 'requires-worker-protocol',
  cancellation: 'supports-worker-cancellation',
  multiplex: 'supports-multiplex-workers',
  multiplexSandboxing: 'supports-multiplex-sandboxing',
  workers: 'supports-workers',
} as const

const hints: ReadonlySet<string> = new Set([...Object.values(persistentProperties), imageEnvironmentProperty])

/** Properties that say how an action is run, not by whom, so no worker has to offer them. */
export function isHint({ name }: PlatformProperty): boolean {
  return hints.has(name)
}

/**
 * Rule 32: the Action's platform takes precedence; the Command's applies only if that has no properties (clients before
 * 2.2 set only the Command's).
 */
export function effectivePlatform<Property>(
  action: readonly Property[],
  command: readonly Property[],
): readonly Property[] {
  return action.length > 0 ? action : command
}

/** Sorted by name, then value, as the API requires for Platform.properties. */
export function sortedProperties(properties: readonly PlatformProperty[]): PlatformProperty[] {
  return [...properties].sort((a, b) => order(a.name, b.name) || order(a.value, b.value))
}

/** `name=value, name=value`: properties for people. */
export function propertiesText(properties: readonly PlatformProperty[]): string {
  if (properties.length === 0) return 'no properties'
  return properties.map((each) => `${each.name}=${each.value}`).join(', ')
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
