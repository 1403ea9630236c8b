import type { z } from 'zod'
import { Failure } from '../../core/failure.ts'
import { readIfThere } from '../../host/files.ts'

/**
 * Reads a JSON file of ours; undefined when there is none.
 * @throws Failure 'corrupt' when it is not what we wrote
 */
export async function readState<T extends z.ZodType>(path: string, schema: T): Promise<z.output<T> | undefined> {
  const text = await readIfThere(path, 'the state of the cluster')
  if (text === undefined) return undefined
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new Failure('corrupt', 'a state file is damaged or of another release', {
      where: path,
      next: ['Run `native down` and then `native up`: the state is created again.'],
      cause,
    })
  }
}
