import { execa } from 'execa'
import { runRemotely } from '../../../client/run.ts'
import { messageOf } from '../../../core/failure.ts'
import type { UserContext } from '../../../host/user-folders.ts'
import type { Addresses } from '../../addresses.ts'
import { type Check, type Finding, note, ok } from '../../preflight/check.ts'
import { authorizeAs } from '../../shared/owners-login.ts'
import { type Authorize, openAs } from '../../shared/readiness.ts'
import type { ClusterStatus } from '../../status.ts'

const answerMsMax = 30_000
/** The compiler's first version line; empty without one. In the C locale, so that outputs compare. */
const question = 'cc --version 2>/dev/null || gcc --version 2>/dev/null || clang --version 2>/dev/null || true'
const usualPath = '/usr/local/bin:/usr/bin:/bin'

/**
 * Do this machine and the workers have the same compiler? Bazel describes the local one, and its actions use that one's
 * paths and flags.
 * @param user whose PATH is searched, and whose token is sent
 */
export function compilerCheck(status: Promise<ClusterStatus>, user: UserContext): Check {
  return {
    title: 'C compiler of the workers',
    async run() {
      const { state, addresses, servers } = await status
      if (state !== 'deployed' || !addresses) return ok('not asked: the cluster is not deployed')
      if (!servers.some(({ role }) => role === 'worker')) return ok('not asked: there are no workers')
      try {
        return compared(await local(user.env), await remote(addresses, authorizeAs(user)))
      } catch (error) {
        return note(`could not be asked: ${messageOf(error)}`, '`native status` shows whether the workers are there.')
      }
    },
  }
}

/** @param here, there what each reports; '' where there is none */
export function compared(here: string, there: string): Finding {
  if (there === '')
    return note('the workers have none', 'Deploy an image with the tools that your actions call: --worker-image.')
  if (here === '')
    return note(`${there}; none here`, "Bazel finds no compiler here: install the workers' release of it.")
  if (here === there) return ok(there)
  return note(
    `${there}; here ${here}`,
    "Bazel describes the compiler that it finds here. Use the workers' release here too, or a toolchain that names its own.",
  )
}

async function local(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const PATH = env['PATH'] ?? usualPath
  const options = { env: { PATH, LC_ALL: 'C' }, extendEnv: false, reject: false, timeout: answerMsMax } as const
  return firstLine((await execa('/bin/sh', ['-c', question], options)).stdout)
}

async function remote({ cache, scheduler }: Addresses, authorize: Authorize): Promise<string> {
  const cacheChannel = await openAs(cache, authorize)
  const schedulerChannel = await openAs(scheduler, authorize)
  const printed: Uint8Array[] = []
  try {
    const request = {
      argv: ['/bin/sh', '-c', question],
      env: { PATH: usualPath, LC_ALL: 'C' },
      outputPaths: [],
      properties: [],
      timeoutMs: answerMsMax,
      doNotCache: true,
      skipCacheLookup: true,
      signal: AbortSignal.timeout(answerMsMax),
    }
    const report = await runRemotely(cacheChannel, schedulerChannel, request, {
      onOutput: (stream, bytes) => {
        if (stream === 'stdout') printed.push(bytes)
      },
    })
    if (report.error) throw report.error
    return firstLine(Buffer.concat(printed).toString())
  } finally {
    cacheChannel.close()
    schedulerChannel.close()
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]?.trim().slice(0, 200) ?? ''
}
