/**
 * A number and what it counts, as in a sentence: `1 slot`, `2,014 slots`.
 * @param several the plural, unless it is formed with an s
 */
export function countText(count: number, one: string, several = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : several}`
}
