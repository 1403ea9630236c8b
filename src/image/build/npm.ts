import { delimiter, dirname } from 'node:path'
import { execa } from 'execa'
import { Failure } from '../../core/failure.ts'
import { npmNetwork } from '../network/programs.ts'

const timeMsMax = 15 * 60_000
const outputBytesMax = 4 * 1024 * 1024
/** How long npm and its scripts have to exit by themselves. */
const endMs = 500

export interface NpmOptions {
  /** The PATH in which npm is looked up. */
  readonly path: string
  readonly signal: AbortSignal
}

/**
 * Runs npm on this process's own Node, with an argument list, without install scripts of dependencies. The user's npm
 * settings (registry, proxy, cafile, cache) apply, and so does NODE_EXTRA_CA_CERTS.
 * @throws Failure 'program' with the end of its output, and advice by npm's own error code
 */
export async function npm(args: readonly string[], cwd: string, { path, signal }: NpmOptions): Promise<void> {
  // A script prints whatever it likes, which is what people need when it fails.
  const runsScript = args[0] === 'run'
  const common = ['--no-audit', '--no-fund', '--no-update-notifier', '--ignore-scripts']
  const inPath = { PATH: `${dirname(process.execPath)}${delimiter}${path}`, NODE_ENV: '' }
  const result = await execa('npm', [...args, ...common, ...(runsScript ? [] : ['--json'])], {
    cwd,
    reject: false,
    timeout: timeMsMax,
    maxBuffer: outputBytesMax,
    stdin: 'ignore',
    cancelSignal: signal,
    // When terminated, npm waits for its scripts, which may not react.
    killDescendants: true,
    forceKillAfterDelay: endMs,
    extendEnv: false,
    env: { ...(await npmNetwork(process.env, cwd, inPath)), ...inPath },
  })
  signal.throwIfAborted()
  if (result.exitCode === 0) return
  if (result.code === 'ENOENT')
    throw new Failure('program', 'npm is not installed', { where: cwd, next: ['Install Node with npm.'] })
  throw new Failure('program', `npm ${args[0]} failed`, {
    where: cwd,
    output: reason(result.stderr || result.stdout),
    next: runsScript ? [] : adviceFor(codeIn(result.stdout)),
  })
}

/** Reasons why a certificate is not trusted, as Node (tls, "X509 certificate error codes") and so npm name them. */
const certificateCodes: ReadonlySet<string> = new Set([
  'CERT_CHAIN_TOO_LONG',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

const networkCodes: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ERR_SOCKET_TIMEOUT',
  'ETIMEDOUT',
])

function adviceFor(code: string | undefined): readonly string[] {
  if (code !== undefined && certificateCodes.has(code))
    return [
      `npm does not trust the certificate that it was shown (${code}). Behind a proxy with its own certificate authority, set NODE_EXTRA_CA_CERTS=FILE, or "npm config set cafile FILE".`,
    ]
  if (code !== undefined && networkCodes.has(code))
    return [
      `npm cannot reach its registry (${code}): see "npm config get registry", and "npm config get https-proxy" behind a proxy.`,
    ]
  return ['It needs the npm registry; see `npm config get registry`.']
}

/** npm's own error code: with --json it prints {"error": {"code": ...}}, and nothing else. */
function codeIn(stdout: string): string | undefined {
  try {
    const { error } = JSON.parse(stdout) as { error?: { code?: unknown } }
    return typeof error?.code === 'string' ? error.code : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** npm prints what was wrong first, then its usage. */
function reason(output: string): string {
  const lines = output.split('\n').filter((line) => !/^npm (?:warn|notice)/.test(line))
  const usage = lines.findIndex((line) => /^npm error (?:Usage|Clean install)/.test(line))
  return lines
    .slice(0, usage < 0 ? undefined : usage)
    .slice(0, 40)
    .join('\n')
    .trim()
}
