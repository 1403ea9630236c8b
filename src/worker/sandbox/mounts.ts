import { readFileSync, realpathSync } from 'node:fs'

/** One mount of a sandbox. */
export interface Mount {
  /** A path on the machine, or the name of a file system that is created. */
  readonly source: string
  /** Where it is in the sandbox; absolute. */
  readonly target: string
  /** none: a bind mount. */
  readonly type: string
  readonly options: readonly string[]
  /** The source is a path inside the sandbox. */
  readonly own?: boolean
}

/** A mount of this machine: its path and its restrictions. */
interface Mounted {
  readonly at: string
  readonly flags: readonly string[]
}

/** Mount options that a user namespace inherits and must not drop: each has to be repeated. */
const lasting = ['ro', 'noexec']

/** Shows a file or folder of the machine, with set-user-ID bits and devices disabled. */
export function bind(source: string, target = source, more: readonly string[] = ['nodev']): Mount {
  return { source, target, type: 'none', options: ['rbind', 'nosuid', ...more] }
}

/** The same, read-only, including what is mounted inside. */
export function bindReadOnly(source: string, target = source): Mount[] {
  const real = realpathSync(source)
  const inside = mounted().filter(({ at }) => at.startsWith(`${real === '/' ? '' : real}/`))
  const options = ['ro', 'nodev']
  return [
    bind(real, target, options),
    ...inside.map(({ at }) => bind(at, `${target}${at.slice(real.length)}`, options)),
  ]
}

/** The table that mount(8) reads from a file, in order. @param root the sandbox's root, as a path on the machine */
export function mountTable(mounts: readonly Mount[], root: string): string {
  const places = mounted()
  const line = ({ source, target, type, options, own }: Mount) => {
    const kept = type === 'none' && !own ? flagsAt(source, places) : []
    return [
      own ? `${root}${source}` : source,
      `${root}${target}`,
      type,
      [...new Set([...options, ...kept])].join(','),
      '0',
      '0',
    ]
      .map(escaped)
      .join(' ')
  }
  return `${mounts.map(line).join('\n')}\n`
}

function flagsAt(path: string, places: readonly Mounted[]): readonly string[] {
  const holds = ({ at }: Mounted) => at === '/' || path === at || path.startsWith(`${at}/`)
  // Of several on top of one another the last one counts.
  const best = places
    .filter(holds)
    .reduce<Mounted | undefined>((a, b) => (a && a.at.length > b.at.length ? a : b), undefined)
  return best?.flags.filter((flag) => lasting.includes(flag)) ?? []
}

function mounted(): Mounted[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' '))
    .map((fields) => ({ at: unescaped(fields[4] ?? '/'), flags: (fields[5] ?? '').split(',') }))
}

/** Characters that are special in fstab(5); other white space, of which Unicode has more, is part of a name. */
function escaped(text: string): string {
  return text.replace(/[ \t\r\n\v\f\\#]/g, (each) => `\\${each.charCodeAt(0).toString(8).padStart(3, '0')}`)
}

function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
