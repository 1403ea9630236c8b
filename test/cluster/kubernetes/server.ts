import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { connectKubernetes, type Kubernetes } from '../../../src/cluster/kubernetes/connect.ts'
import { testFolder } from '../../fixture/folder.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** An HTTP server for what no API server does when it is asked to: each request takes the next answer, the last one stays. */
export interface FaultyServer extends AsyncDisposable {
  readonly kubernetes: Kubernetes
  readonly requests: readonly URL[]
}

export async function faultyServer(answers: readonly Answer[], patienceMsMax = 10_000): Promise<FaultyServer> {
  const requests: URL[] = []
  const left = [...answers]
  const server = createServer((request, response) => {
    requests.push(new URL(request.url ?? '', 'http://test'))
    const answer = left.length > 1 ? left.shift() : left[0]
    answer?.(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const kubeconfig = await kubeconfigFor(`http://127.0.0.1:${port}`)
  return {
    kubernetes: await connectKubernetes({ kubeconfig, context: 'test', patience: { msMax: patienceMsMax } }),
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A kubeconfig whose current context is another, which leads nowhere. */
export async function kubeconfigFor(server: string): Promise<string> {
  const file = join(await testFolder(), 'kubeconfig')
  const cluster = (name: string, address: string) => ({
    name,
    cluster: { server: address, 'insecure-skip-tls-verify': true },
  })
  const context = (name: string) => ({ name, context: { cluster: name, user: 'test' } })
  await writeFile(
    file,
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'other',
      clusters: [cluster('test', server), cluster('other', 'http://127.0.0.1:9')],
      contexts: [context('test'), context('other')],
      users: [{ name: 'test', user: { token: 'secret' } }],
    }),
  )
  return file
}

export function json(value: unknown, status = 200): Answer {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(value))
  }
}

/** A refusal as the API server words it. */
export function refusal(code: number, message: string, more: object = {}): Answer {
  return json({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message, ...more }, code)
}

/** The events of a watch, one a line; then the connection is closed, cut, or kept open. */
export function stream(events: readonly object[], end: 'close' | 'cut' | 'open'): Answer {
  return (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    for (const each of events) response.write(`${JSON.stringify(each)}\n`)
    if (end === 'close') response.end()
    if (end === 'cut') response.write('{"type":"MODI', () => response.destroy())
  }
}
