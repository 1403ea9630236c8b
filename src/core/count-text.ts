/**
 * A number and what it counts, as a sentence has them: `1 slot`, `2,014 slots`.
 * @param several the plural where an s does not make it
 */
export function countText(count: number, one: string, several = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : several}`
}
