import { execa } from 'execa'
import { Failure } from '../../core/failure.ts'
import type { LogLine, LogOptions } from '../driver.ts'
import type { KindContext } from './context.ts'
import { contextName, kubectl } from './programs.ts'
import { readKindMemory } from './state.ts'
import { serversOf } from './status.ts'
import { namespaceOf } from './up.ts'
import { podsIn } from './watch.ts'

/** Lines of the servers' pods. @throws Failure 'not-found' */
export async function* clusterLogs(context: KindContext, options: LogOptions): AsyncGenerator<LogLine, void> {
  const { paths } = context
  const next = ['Run `native deploy` first.']
  if (!(await readKindMemory(paths))?.container)
    throw new Failure('not-found', `there is no cluster "${paths.name}"`, { next })
  const servers = serversOf(await podsIn(context, namespaceOf(context)))
  const unknown = options.servers.find((name) => !servers.some((each) => each.name === name))
  if (unknown !== undefined)
    throw new Failure('not-found', `there is no server "${unknown}"`, {
      next: [`There are ${servers.map(({ name }) => name).join(', ') || 'none'}.`],
    })
  const chosen = servers.filter(({ name }) => options.servers.length === 0 || options.servers.includes(name))
  const argsOf = (id: string | null) => [
    'logs',
    '--namespace',
    namespaceOf(context),
    String(id),
    `--tail=${options.lines}`,
  ]
  if (!options.follow) {
    for (const { name, id } of chosen) yield* linesOf(name, await kubectl(context, argsOf(id)))
    return
  }
  yield* followed(
    context,
    chosen.map(({ name, id }) => ({ name, args: [...argsOf(id), '--follow'] })),
    options.signal,
  )
}

function* linesOf(server: string, text: string): Generator<LogLine> {
  for (const line of text.split('\n')) if (line !== '') yield { server, text: line }
}

/** The streams of several pods as one, until the signal aborts. */
async function* followed(
  context: KindContext,
  streams: readonly { name: string; args: string[] }[],
  signal: AbortSignal,
): AsyncGenerator<LogLine, void> {
  const place = ['--kubeconfig', context.paths.kubeconfig, '--context', contextName(context)]
  const env = { ...context.surroundings.env }
  const sources = streams.map(({ name, args }) => {
    const child = execa('kubectl', [...place, ...args], {
      env,
      extendEnv: false,
      reject: false,
      cancelSignal: signal,
      buffer: false,
      stdin: 'ignore',
    })
    return { name, lines: child.iterable()[Symbol.asyncIterator]() }
  })
  const next = new Map(sources.map((source) => [source, source.lines.next().then((result) => ({ source, result }))]))
  while (next.size > 0 && !signal.aborted) {
    const { source, result } = await Promise.race(next.values())
    if (result.done) next.delete(source)
    else {
      next.set(
        source,
        source.lines.next().then((again) => ({ source, result: again })),
      )
      yield { server: source.name, text: String(result.value) }
    }
  }
}
