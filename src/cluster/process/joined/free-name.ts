import { readdir } from 'node:fs/promises'
import { errnoOf, Failure } from '../../../core/failure.ts'
import { systemFailure } from '../../../host/system-errors.ts'
import type { Step } from '../../driver.ts'
import type { ProcessContext } from '../context.ts'
import type { ClusterPaths } from '../paths.ts'
import { readMemory } from '../state.ts'
import { localName } from './render.ts'

/** Refuses a name that one of this user's clusters has, or for which data is kept. */
export function freeNameStep({ paths }: ProcessContext): Step {
  return {
    title: 'This machine',
    async run(report) {
      const memory = await readMemory(paths)
      if (memory && !memory.joined)
        throw new Failure('exists', `there is a cluster "${paths.name}" on this machine`, {
          where: '--name',
          next: ['Give the worker its own name on this machine: native join --name farm ADDRESS ...'],
        })
      if (!memory && (await keepsData(paths)))
        throw new Failure(
          'exists',
          `data of a cluster "${paths.name}" was kept on this machine: leaving would remove it`,
          {
            where: paths.data,
            next: [
              'Give the worker a name of its own here: native join --name farm ADDRESS ...',
              `Or remove the data: native down${paths.name === 'native' ? '' : ` --name ${paths.name}`}`,
            ],
          },
        )
      report.say(
        memory?.joined ? `works for ${memory.joined.scheduler} so far` : 'has no cluster or worker of that name',
      )
    },
  }
}

/** Is there more than a worker's unremovable leftovers? */
async function keepsData({ data }: ClusterPaths): Promise<boolean> {
  try {
    return (await readdir(data)).some((each) => each !== localName)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw systemFailure(error, { doing: 'cannot read what is kept', where: data })
  }
}
