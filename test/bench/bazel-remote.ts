import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { execa } from 'execa'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { re } from '../../src/wire/proto.ts'
import { type ClientTls, openClientTls } from '../../src/wire/tls/client-tls.ts'

/** A bazel-remote that serves gRPC and HTTP, both with TLS or both without. */
export interface BazelRemote {
  /** `host:port` */
  readonly grpc: string
  readonly http: string
  stop(): Promise<void>
}

export interface BazelRemoteOptions {
  /** Where it keeps what it stores. */
  readonly folder: string
  /** PEM: with these it speaks TLS. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string }
}

const module = 'github.com/buchgr/bazel-remote/v2@v2.6.1'

/**
 * The program: the one that Go has built before, or builds now, with its own settings. Undefined where it cannot be had, with a
 * line that says why.
 */
export async function bazelRemoteProgram(): Promise<string | undefined> {
  const folder = join(process.env['NATIVE_TEST_CACHE'] ?? '/var/cache/native-test', 'go/bin')
  const program = join(folder, 'bazel-remote')
  if (existsSync(program)) return program
  const built = await execa('go', ['install', module], { env: { GOBIN: folder }, reject: false })
  if (!built.failed) return program
  process.stderr.write(`without bazel-remote, which cannot be built: ${built.shortMessage}\n${built.stderr}\n`)
  return undefined
}

/** Blobs are stored as they are, as ours are, and no line is written for each call. */
export async function startBazelRemote(program: string, { folder, tls }: BazelRemoteOptions): Promise<BazelRemote> {
  const [grpc, http] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
  const child = spawn(
    program,
    [
      ...['--dir', folder, '--max_size', '16', '--storage_mode', 'uncompressed', '--access_log_level', 'none'],
      ...['--grpc_address', grpc, '--http_address', http],
      ...(tls ? ['--tls_cert_file', tls.cert, '--tls_key_file', tls.key] : []),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let log = ''
  child.stderr.on('data', (text) => {
    log = `${log}${String(text)}`.slice(-10_000)
  })
  const trust = tls && (await openClientTls({ ca: tls.ca }))
  try {
    await untilAnswers(child, `${tls ? 'grpcs' : 'grpc'}://${grpc}`, trust, () => log)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    trust?.close()
  }
  return {
    grpc,
    http,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

const startMsMax = 20_000
const capabilities = 'build.bazel.remote.execution.v2.Capabilities/GetCapabilities'

async function untilAnswers(
  child: ChildProcess,
  url: string,
  tls: ClientTls | undefined,
  log: () => string,
): Promise<void> {
  const end = performance.now() + startMsMax
  for (;;) {
    const channel = openDirectChannel(url, { tls })
    try {
      await channel.unary(capabilities, re.GetCapabilitiesRequest.encode({}).finish(), { timeoutMs: 1_000 })
      return
    } catch (cause) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > end)
        throw new Error(`bazel-remote does not answer:\n${log()}`, { cause })
      await new Promise((resolve) => setTimeout(resolve, 100))
    } finally {
      channel.close()
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a port was not given')
  return address.port
}
