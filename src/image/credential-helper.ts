import { z } from 'zod'
import { Failure } from '../core/failure.ts'
import type { Credentials } from './credentials.ts'
import { isBlank, text } from './go-json.ts'
import { checked, parseJson } from './manifest.ts'
import { secret } from './secret.ts'

/** The output of a credential helper. */
export interface HelperAnswer {
  readonly exitCode: number | undefined
  readonly stdout: string
  /** True when there is no such program. */
  readonly missing: boolean
}

/** Runs `PROGRAM get` with the host as input. */
export type HelperRunner = (program: string, host: string) => Promise<HelperAnswer>

const timeMsMax = 30_000
const outputBytesMax = 1024 * 1024
const answer = z.preprocess(
  (value) => value ?? {},
  z.looseObject({ Username: text(outputBytesMax), Secret: text(outputBytesMax) }),
)
// Helpers print this on stdout, with exit code 1; the protocol has no other indication (docker-credential-helpers,
// credentials/error.go).
const noCredentials = 'credentials not found in native keychain'

/** Runs helpers as programs, with an argument list. */
export const runHelper: HelperRunner = async (program, host) => {
  // Loaded only here: most logins need no helper, and loading it takes noticeable time.
  const { execa } = await import('execa')
  const result = await execa(program, ['get'], {
    input: host,
    reject: false,
    timeout: timeMsMax,
    maxBuffer: outputBytesMax,
  })
  return { exitCode: result.exitCode, stdout: result.stdout, missing: result.code === 'ENOENT' }
}

/**
 * Asks `docker-credential-NAME` for the login of a host; null if it has none.
 * @throws Failure 'program', without its output, which may contain a secret
 */
export async function askHelper(run: HelperRunner, name: string, host: string): Promise<Credentials | null> {
  if (!/^[A-Za-z0-9._-]+$/.test(name))
    throw new Failure('invalid', `"${name.slice(0, 100)}" cannot be the name of a credential helper`)
  const program = `docker-credential-${name}`
  const { exitCode, stdout, missing } = await run(program, host)
  if (exitCode === 0) return toCredentials(stdout, program)
  if (stdout.trim() === noCredentials) return null
  throw new Failure('program', `${program} returned no login for ${host}`, {
    where: program,
    next: missing
      ? [`Install ${program}, or remove it from docker's config.json (credsStore, credHelpers).`]
      : [`Run: echo ${host} | ${program} get`],
  })
}

/** A helper without a login may also answer with an empty one, which docker and skopeo take to mean none. */
function toCredentials(stdout: string, program: string): Credentials | null {
  const bytes = Buffer.from(stdout)
  const document = isBlank(bytes) ? null : parseJson(bytes, 'its answer', program)
  const { Username, Secret } = checked(answer, document, 'its answer', program)
  if (Secret === '' && (Username === '' || Username === '<token>')) return null
  // docker's sign for "this is an identity token".
  if (Username === '<token>') return { kind: 'identity-token', token: secret(Secret) }
  return { kind: 'password', user: Username, password: secret(Secret) }
}
