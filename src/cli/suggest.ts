/** What users of other programs type, and our command for it. */
const habits: Readonly<Record<string, string>> = {
  start: 'deploy',
  run: 'exec',
  restart: 'deploy',
  create: 'up',
  init: 'up',
  install: 'up',
  stop: 'down',
  kill: 'down',
  destroy: 'down',
  delete: 'down',
  remove: 'down',
  rm: 'down',
  clean: 'down',
  uninstall: 'down',
  clear: 'down',
  purge: 'down',
  reset: 'down',
  ps: 'status',
  ls: 'status',
  list: 'status',
  info: 'status',
  stats: 'status',
  top: 'status',
  du: 'status',
  df: 'status',
  usage: 'status',
  cache: 'status',
  watch: 'status',
  gc: 'status',
  prune: 'status',
  ip: 'ips',
  address: 'ips',
  addresses: 'ips',
  endpoints: 'ips',
  check: 'doctor',
  diagnose: 'doctor',
  bazel: 'bazelrc',
  config: 'bazelrc',
  setup: 'client',
  env: 'client',
  tools: 'client',
  demo: 'example',
  build: 'image copy',
  push: 'image copy',
  pull: 'image copy',
  copy: 'image copy',
  server: 'serve',
  autocomplete: 'completion',
  completions: 'completion',
}

/** The same for the commands of a topic. */
const topicHabits: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  image: {
    push: 'copy',
    pull: 'copy',
    cp: 'copy',
    build: 'copy',
    save: 'copy',
    load: 'copy',
    list: 'ls',
    tags: 'ls',
    show: 'inspect',
    manifest: 'inspect',
    config: 'inspect',
    digest: 'inspect',
    validate: 'verify',
    pin: 'lock',
  },
}

const suggestionsMax = 3

/** What a mistyped word may have meant, closest first; empty if nothing is close. */
export function nearest(word: string, known: readonly string[]): string[] {
  const typed = word.toLowerCase()
  return known
    .map((each) => ({ each, far: farness(typed, each) }))
    .filter(({ each, far }) => far <= Math.max(1, Math.floor(Math.min(typed.length, each.length) / 3)))
    .toSorted((a, b) => a.far - b.far || (a.each < b.each ? -1 : 1))
    .slice(0, suggestionsMax)
    .map(({ each }) => each)
}

/** The same for commands, including the habits of other programs. */
export function nearestCommands(word: string, known: readonly string[]): string[] {
  const habit = habits[word.toLowerCase()]
  return habit !== undefined && known.includes(habit) ? [habit] : nearest(word, known)
}

/** The same for the commands of a topic. */
export function nearestInTopic(topic: string, word: string, known: readonly string[]): string[] {
  const habit = topicHabits[topic]?.[word.toLowerCase()]
  return habit !== undefined && known.includes(habit) ? [habit] : nearest(word, known)
}

/** How many letters differ; a prefix of the other word is closer than that. */
function farness(typed: string, known: string): number {
  const isBeginning = typed.length >= 2 && known.startsWith(typed)
  return isBeginning ? 1 - 1 / (1 + known.length - typed.length) : editDistance(typed, known)
}

/** Insertions, deletions, substitutions and swaps of neighbouring letters (Damerau-Levenshtein). */
export function editDistance(from: string, to: string): number {
  let before: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let row = 1; row <= from.length; row += 1) {
    const now = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1]
      const replaced = (last[column - 1] ?? 0) + (same ? 0 : 1)
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      now.push(
        Math.min(
          replaced,
          (last[column] ?? 0) + 1,
          (now[column - 1] ?? 0) + 1,
          swapped ? (before[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    before = last
    last = now
  }
  return last[to.length] ?? 0
}
