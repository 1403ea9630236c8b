import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { execa } from 'execa'
import { onTestFinished } from 'vitest'
import { stringify } from 'yaml'

export interface DockerRegistry {
  /** `localhost:PORT`. */
  readonly host: string
  /** The certificate that it shows, with TLS. */
  readonly certificate: string
}

export interface DockerRegistryOptions {
  readonly tls?: boolean
  /** `name:password`, then nobody else gets in. */
  readonly login?: string
}

/** Debian's docker-registry on a free port of loopback, over in a test's folder, until the test ends. */
export async function startDockerRegistry(
  folder: string,
  options: DockerRegistryOptions = {},
): Promise<DockerRegistry> {
  const certificate = join(folder, 'registry.crt')
  const key = join(folder, 'registry.key')
  if (options.tls) await selfSign(certificate, key)
  const htpasswd = join(folder, 'htpasswd')
  if (options.login) {
    const [name = '', password = ''] = options.login.split(':')
    await writeFile(htpasswd, (await execa('htpasswd', ['-Bbn', name, password])).stdout)
  }
  const config = join(folder, 'registry.yml')
  await writeFile(
    config,
    stringify({
      version: 0.1,
      log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, 'registry-data') }, delete: { enabled: true } },
      http: { addr: '127.0.0.1:0', secret: 'test', ...(options.tls ? { tls: { certificate, key } } : {}) },
      ...(options.login ? { auth: { htpasswd: { realm: 'test', path: htpasswd } } } : {}),
    }),
  )
  const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const said: string[] = []
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line)
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1]
    if (port === undefined) continue
    child.stderr.resume()
    return { host: `localhost:${port}`, certificate }
  }
  throw new Error(`docker-registry did not start: ${said.join('\n')}`)
}

async function selfSign(certificate: string, key: string): Promise<void> {
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1'
  const subject = ['-subj', '/CN=localhost', '-addext', names, '-days', '2', '-nodes']
  await execa('openssl', ['req', '-x509', '-newkey', 'rsa:2048', ...subject, '-keyout', key, '-out', certificate])
}
