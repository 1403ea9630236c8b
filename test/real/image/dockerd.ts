import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** A docker daemon of the test's own, without networks, over in its folder; answers DOCKER_HOST. Needs root. */
export async function startDockerd(folder: string): Promise<string> {
  const at = join(folder, 'dockerd')
  await mkdir(at)
  await writeFile(join(at, 'daemon.json'), '{}')
  const host = `unix://${at}/docker.sock`
  const child = spawn(
    'dockerd',
    [
      ...['--host', host, '--data-root', join(at, 'data'), '--exec-root', join(at, 'exec')],
      ...['--pidfile', join(at, 'pid'), '--bridge=none', '--iptables=false', '--storage-driver=vfs'],
      ...['--exec-opt', 'native.cgroupdriver=cgroupfs', '--config-file', join(at, 'daemon.json')],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const ended = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGTERM')
    await ended
  })
  const said: string[] = []
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line)
    if (!line.includes('API listen on')) continue
    child.stderr.resume()
    return host
  }
  throw new Error(`dockerd did not start: ${said.slice(-20).join('\n')}`)
}
