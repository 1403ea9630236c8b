import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { errnoOf, messageOf } from '../../core/failure.ts'
import { type Check, note, ok } from './check.ts'

/** Where the worker looks up programs. */
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** On each line one program of these is needed, with the Debian and Fedora packages that contain it. */
const needed = [
  [['setpriv'], 'util-linux'],
  [['unshare'], 'util-linux'],
  [['nsenter'], 'util-linux'],
  [['mount'], 'mount, or util-linux'],
  [['pivot_root'], 'util-linux'],
  [['ip', 'ifconfig'], 'iproute2, or iproute'],
] as const
/** Without either nothing can set the sandbox's system call filter. */
const filterSetters = ['perl', 'python3'] as const
const trialMsMax = 10_000
/** What the worker does, as far as that is possible without a folder. */
const trial = 'mount -n -c -i -t tmpfs native /tmp && mount -n -c -i -t proc proc /proc'

/** macOS's program that starts another one in a sandbox. */
const sandboxExec = '/usr/bin/sandbox-exec'

/** The same on macOS, where only `sandbox: on` uses what there is. */
export function macSandboxCheck(program = sandboxExec): Check {
  return {
    title: 'sandbox',
    run: async () =>
      existsSync(program)
        ? note(
            'actions run without one unless you insist on it: its profile was never tried on a Mac',
            'Try it with "native deploy --sandbox on": a worker that cannot use it does not start, and says why.',
          )
        : note(`actions run without one: there is no ${program}`, 'It is a part of macOS.'),
  }
}

/** Can a worker of this user run actions in a sandbox? Linux only. */
export function sandboxCheck(isRoot = process.getuid?.() === 0): Check {
  return {
    title: 'sandbox',
    async run() {
      const missing = needed.filter(([names]) => !names.some(isThere))
      if (missing.length > 0) {
        const names = missing.map(([each]) => each.join(' or ')).join(', ')
        const packages = [...new Set(missing.map(([, name]) => name))].join('; ')
        return note(`actions run without one: ${names} not found`, `Install it (package ${packages}).`)
      }
      const answer = await tryNamespaces(isRoot)
      if (answer === undefined && !filterSetters.some(isThere))
        return note(
          `actions can run in one, and may make every call of the kernel: ${filterSetters.join(' or ')} not found`,
          'Install one of them (package perl-base or python3; perl-interpreter).',
        )
      if (answer === undefined) return ok('actions can run in one')
      return note(`actions run without one: ${answer}`, cureOf(isRoot))
    },
  }
}

function isThere(name: string): boolean {
  return path.split(':').some((folder) => existsSync(`${folder}/${name}`))
}

/** What went wrong; undefined when nothing did. */
async function tryNamespaces(isRoot: boolean): Promise<string | undefined> {
  const user = isRoot ? [] : ['--user', '--map-current-user', '--keep-caps']
  const spaces = ['--pid', '--mount', '--ipc', '--uts', '--net', '--fork']
  try {
    await promisify(execFile)('unshare', [...user, ...spaces, 'sh', '-c', trial], {
      env: { PATH: path },
      timeout: trialMsMax,
    })
    return undefined
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n')[0] : ''
    return said || messageOf(error)
  }
}

/** What usually is in the way, and how to remove it. */
function cureOf(isRoot: boolean): string {
  const isContainer = existsSync('/.dockerenv') || existsSync('/run/.containerenv')
  if (!isRoot && setting('/proc/sys/user/max_user_namespaces') === 0)
    return 'Let users make namespaces: "sudo sysctl user.max_user_namespaces=15000".'
  if (!isRoot && setting('/proc/sys/kernel/unprivileged_userns_clone') === 0)
    return 'Let users make namespaces: "sudo sysctl kernel.unprivileged_userns_clone=1".'
  if (!isRoot && setting('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === 1)
    return 'Let users make namespaces: "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0", or an AppArmor profile for unshare.'
  if (isContainer)
    return 'This is a container, which may not make namespaces: run the cluster outside of it, or the container with more rights.'
  return 'Run the cluster where its user may make namespaces (user_namespaces(7)).'
}

function setting(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch (error) {
    // Few kernels have all of these.
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}
