/** One thing that an action asks for or a worker offers; a name may stand several times. */
export interface PlatformProperty {
  readonly name: string
  readonly value: string
}

/** Every worker offers its own name under this property, so that an action can be sent to one of them. */
export const workerNameProperty = 'native:worker'

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
