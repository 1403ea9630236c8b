import type { LoginJob } from './job.ts'

/**
 * A unit of the user's service manager, which starts at the first log-in (systemd.service(5), systemd.syntax(7)). The
 * servers stay in its control group: they are stopped when the manager ends, with the last session. Workers put their
 * actions beside it; `Delegate=` has the manager hand all controllers to that place, not memory and pids only, and
 * leave the unit running when an action is killed for memory.
 */
export function systemdText({ name, argv, env }: LoginJob): string {
  return `# Written by native up --at-login, and removed by native down.
[Unit]
Description=native cluster "${name}"

[Service]
Type=oneshot
RemainAfterExit=yes
Delegate=yes
${Object.entries(env)
  .map(([variable, value]) => `Environment=${quoted(`${variable}=${value}`)}\n`)
  .join('')}ExecStart=${commandLine(argv)}
TimeoutStopSec=30

[Install]
WantedBy=default.target
`
}

/**
 * systemd accepts no quotes and backslashes in the path of a program, and does not interpret \`$$\` there as in other
 * words; a shell accepts any path.
 */
function commandLine([program = '', ...args]: readonly string[]): string {
  const words = [program, ...args].map((word) => quoted(word).replaceAll('$', '$$$$'))
  return /["'\\$\p{Cc}]/u.test(program) ? `/bin/sh -c "exec \\"$$0\\" \\"$$@\\"" ${words.join(' ')}` : words.join(' ')
}

/** One word as systemd reads it: bare, or in double quotes with C's escapes; \`%\` begins a specifier everywhere. */
function quoted(word: string): string {
  const text = word.replaceAll('%', '%%')
  if (/^[\w./:=@%+,-]+$/.test(text)) return text
  const escaped = text.replace(/["\\\p{Cc}]/gu, (each) =>
    each === '"' || each === '\\' ? `\\${each}` : `\\x${each.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return `"${escaped}"`
}
