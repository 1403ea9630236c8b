import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { wishesOf } from '../../../src/cli/verify/flags.ts'
import { type VerifyRun, verifyByWishes } from '../../../src/cli/verify/run.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { parseRegistryReference } from '../../../src/image/reference.ts'
import { makeImage, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { root } from '../../fixture/program.ts'

const trixie = join(process.env['NATIVE_TEST_CACHE'] ?? '/var/cache/native-test', 'trixie/root')

/** cosign 2. */
export const cosignProgram = join(trixie, 'usr/bin/cosign')

/** Sources of Go packages that Debian has, with their test data. */
export const goSources = join(trixie, 'usr/share/gocode/src/github.com')

/** Is what test/real/trust/trixie brings there? Missing is told in a line, and fails the suite in CI. */
export async function haveTrixie(): Promise<boolean> {
  const isThere = await access(cosignProgram).then(
    () => true,
    () => false,
  )
  if (isThere) return true
  const line = 'cosign 2 missing: run "bash test/real/trust/trixie" to get it'
  if (process.env['CI'] === 'true') throw new Error(line)
  process.stderr.write(`skipped: ${line}\n`)
  return false
}

/** Runs cosign 2 in a folder, with a HOME there and keys without a password. */
export async function cosign2(folder: string, args: readonly string[], env: Record<string, string> = {}) {
  const done = await execa(cosignProgram, args, {
    cwd: folder,
    env: { PATH: '/usr/bin:/bin', HOME: folder, COSIGN_PASSWORD: '', ...env },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    all: true,
  })
  return { exitCode: done.exitCode, all: done.all }
}

/** Puts a fresh small image into a registry. */
export async function pushImage(folder: string, image: string, mark = image): Promise<string> {
  const layout = join(folder, `layout-${mark.replace(/\W/g, '-')}`)
  const made = await makeImage({ files: [{ 'etc/mark': mark }] })
  await writeLayout(layout, made, 'it')
  const policy = '--insecure-policy'
  await execa('skopeo', [
    policy,
    'copy',
    '-q',
    '--dest-tls-verify=false',
    '--preserve-digests',
    `oci:${layout}:it`,
    `docker://${image}`,
  ])
  return made.digest
}

/** Verifies as the command does, with its flags by their names. */
export function verify(
  folder: string,
  image: string,
  flags: Record<string, string | boolean | string[]>,
): Promise<VerifyRun> {
  const { tlsVerify, login, signal } = testImageContext(folder)
  const trustedRoot = flags['trusted-root']
  return verifyByWishes(parseRegistryReference(image), wishesOf(flags), {
    registry: { tlsVerify, login, retryTimes: 0, clock: systemClock, signal },
    root: { cache: join(folder, 'tuf'), file: typeof trustedRoot === 'string' ? trustedRoot : undefined },
    builtInPolicies: join(root, 'templates/trust'),
  })
}

/** Changes what the registry has stored, where it stands on the disk. */
export async function flipped(folder: string, from: string, to: string): Promise<void> {
  const { stdout } = await execa('grep', ['-rlF', from, join(folder, 'registry-data')])
  const files = stdout.trim().split('\n')
  for (const file of files) await writeFile(file, (await readFile(file, 'latin1')).replace(from, to), 'latin1')
}
