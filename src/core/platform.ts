/** One thing that an action asks for or a worker offers; a name may occur several times. */
export interface PlatformProperty {
  readonly name: string
  readonly value: string
}

/** Every worker offers its own name under this property, so that an action can be sent to one of them. */
export const workerNameProperty = 'native:worker'

/** `on`: an action wants the machine's network, which its sandbox keeps from it otherwise. */
export const networkProperty = 'network'

/** The image that an action wants to run in: `docker://REF@sha256:...`, `docker-daemon:REF` or `oci:PATH`. */
export const imageProperty = 'container-image'
/** `on`: an action has the variables of its image, too, beneath its own. */
export const imageEnvironmentProperty = 'container-image-env'

const imagePlace = /^(docker:\/\/|docker-daemon:|oci:)[^*]/

/** What a worker offers that runs such images, if this is one: `docker://*` and the like. */
export function anyImageLike({ name, value }: PlatformProperty): PlatformProperty | undefined {
  const place = name === imageProperty ? imagePlace.exec(value)?.[1] : undefined
  return place === undefined ? undefined : { name, value: `${place}*` }
}

/** Is this the offer to run any image of a kind of place? */
export function isAnyImage({ name, value }: PlatformProperty): boolean {
  return name === imageProperty && value.endsWith('*')
}

/**
 * What Bazel says of an action whose tool can stay: the key of its process, and since 9.1 the protocol. The others are its
 * execution requirements, which it does not send by itself, but does when they stand in `exec_properties`.
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

/** Properties that say how an action is run and not by whom, so that no worker has to offer them. */
export function isHint({ name }: PlatformProperty): boolean {
  return hints.has(name)
}

/**
 * Rule 32: the Action's platform wins, and only where it names no property does the
 * Command's count (clients before 2.2 set that one alone).
 */
export function effectivePlatform<Property>(
  action: readonly Property[],
  command: readonly Property[],
): readonly Property[] {
  return action.length > 0 ? action : command
}

/** Sorted by name, then value, as the API demands of Platform.properties. */
export function sortedProperties(properties: readonly PlatformProperty[]): PlatformProperty[] {
  return [...properties].sort((a, b) => order(a.name, b.name) || order(a.value, b.value))
}

/** `name=value, name=value`: how properties are shown to people. */
export function propertiesText(properties: readonly PlatformProperty[]): string {
  if (properties.length === 0) return 'no properties'
  return properties.map((each) => `${each.name}=${each.value}`).join(', ')
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
