import { type Copied, copySteps } from '../../../src/cli/image/copy.ts'
import type { CopyRequest } from '../../../src/cli/image/copy-request.ts'
import type { ImageContext } from '../../../src/image/open.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { root } from '../../fixture/program.ts'

export interface ParsedCommandLine {
  /** Absent, what the definition says is built. */
  readonly source?: string
  readonly destination: string
  readonly definition?: string
  readonly check?: boolean
  readonly around?: ImageContext
  readonly verify?: CopyRequest['verify']
  /** By default linux/amd64. */
  readonly platforms?: CopyRequest['platforms']
  readonly all?: boolean
}

/** `native image copy [SOURCE] DESTINATION`, run in a folder. */
export async function copied(folder: string, asked: ParsedCommandLine): Promise<Copied> {
  const stop = new AbortController()
  const around = { ...(asked.around ?? testImageContext(folder, { retryTimes: 0 })), signal: stop.signal }
  const work = copySteps({
    source: asked.source === undefined ? undefined : parseReference(asked.source),
    destination: parseReference(asked.destination),
    platforms: asked.platforms ?? [{ os: 'linux', architecture: 'amd64' }],
    all: asked.all ?? false,
    check: asked.check ?? false,
    base: undefined,
    preserveDigests: false,
    isBuildMeant: false,
    sign: undefined,
    query: {
      ref: undefined,
      image: 'native',
      definitionFile: asked.definition,
      cwd: folder,
      root,
      cache: folder,
      env: process.env,
      signal: stop.signal,
    },
    reading: around,
    writing: around,
    build: { epochSeconds: 1, cache: folder, path: '' },
    verify: asked.verify,
    stop,
    live: false,
  })
  try {
    for (const step of work.steps) await step.run({ signal: stop.signal, say: () => undefined })
    return work.copied()
  } finally {
    await work.close()
  }
}
