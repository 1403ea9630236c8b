import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../core/failure.ts'
import type { Destination, Source } from '../medium.ts'
import { familiarName, type ImageName, imageNameText } from '../name.ts'
import { diskFailure } from '../partial.ts'
import { openDockerArchiveDestination, openDockerArchiveSource } from './archive/docker-archive.ts'
import { callDaemon, type DaemonAnswer, type DaemonOptions } from './daemon-call.ts'
import { writeWhole } from './files.ts'

/** Opens an image in a docker daemon: it is saved into a temporary archive first. */
export async function openDaemonSource(image: ImageName, options: DaemonOptions): Promise<Source> {
  const name = image.digest ? imageNameText(image) : familiarName(image)
  return inTemporary(options, async (archive, remove) => {
    const answer = await callDaemon(options, 'GET', `/images/${encodeURIComponent(name)}/get`)
    try {
      if (answer.status !== 200) throw await refusal(answer, `read ${name} from the docker daemon`)
      await writeWhole(archive, answer.body)
    } finally {
      answer.close()
    }
    const place = `docker-daemon:${name}`
    const source = await openDockerArchiveSource(archive, undefined, options.temporary, options.signal, place)
    return {
      ...source,
      async close() {
        await source.close()
        await remove()
      },
    }
  })
}

/**
 * Writes into a docker daemon: a temporary archive, loaded at the end, so that the daemon gets a whole image or
 * nothing.
 * @throws Failure 'invalid' without a tag
 */
export async function openDaemonDestination(image: ImageName, options: DaemonOptions): Promise<Destination> {
  if (image.tag === undefined || image.digest !== undefined)
    throw new Failure('invalid', 'the name of an image in a docker daemon needs a tag', {
      where: `docker-daemon:${imageNameText(image)}`,
      next: ['Write it as docker-daemon:name:tag.'],
    })
  return inTemporary(options, async (archive, remove) => {
    const inner = await openDockerArchiveDestination(archive, image, options.expansion)
    return {
      ...inner,
      name: `docker-daemon:${familiarName(image)}`,
      async commit() {
        await inner.commit()
        try {
          await load(archive, options)
        } finally {
          await remove()
        }
      },
      async abort() {
        await inner.abort()
        await remove()
      },
    }
  })
}

/** Opens something with an archive in a temporary folder, which is removed if that fails. */
async function inTemporary<T>(
  { temporary }: DaemonOptions,
  open: (archive: string, remove: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(temporary, 'native-docker-')).catch((error: unknown) => {
    throw diskFailure(error, temporary)
  })
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    return await open(join(folder, 'image.tar'), remove)
  } catch (error) {
    await remove()
    throw error
  }
}

async function load(archive: string, options: DaemonOptions): Promise<void> {
  const answer = await callDaemon(options, 'POST', '/images/load?quiet=1', archive)
  try {
    if (answer.status !== 200) throw await refusal(answer, 'load the image into the docker daemon')
    // Errors come within a stream that began with 200.
    for await (const line of answer.lines()) {
      const problem = errorOf(line)
      if (problem) throw new Failure('precondition', `the docker daemon did not load the image: ${problem}`)
    }
    await answer.sent
  } finally {
    answer.close()
  }
}

async function refusal(answer: DaemonAnswer, doing: string): Promise<Failure> {
  let text = ''
  try {
    for await (const line of answer.lines()) text ||= errorOf(line) ?? line.slice(0, 200)
  } catch (error) {
    // It is known that the daemon refused; its reason may be incomplete.
    if (!(error instanceof Failure) || error.kind !== 'unavailable') throw error
  }
  const kind = answer.status === 404 ? 'not-found' : 'precondition'
  return new Failure(kind, `cannot ${doing}: ${text || `HTTP ${answer.status}`}`)
}

function errorOf(line: string): string | undefined {
  try {
    const message = JSON.parse(line) as {
      error?: unknown
      errorDetail?: { message?: unknown }
      message?: unknown
    } | null
    const text = message?.errorDetail?.message ?? message?.error ?? message?.message
    return typeof text === 'string' ? text.slice(0, 1000) : undefined
  } catch {
    // A line that is not JSON is progress output.
    return undefined
  }
}
