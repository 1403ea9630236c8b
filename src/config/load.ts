import { readFile, stat } from 'node:fs/promises'
import type { z } from 'zod'
import { Failure } from '../core/failure.ts'
import { systemFailure } from '../host/system-errors.ts'
import { ownValue } from './own-text.ts'

/** A larger configuration is a mistake. */
const fileBytesMax = 1024 * 1024

/**
 * Reads and checks a YAML file.
 * @throws Failure 'not-found' if there is none, 'denied' and the like if it cannot be read, 'invalid' as parseConfig
 *   does
 */
export async function loadConfig<Schema extends z.ZodType>(file: string, schema: Schema): Promise<z.output<Schema>> {
  const text = await readText(file)
  const own = ownValue(text)
  const result = own === undefined ? undefined : schema.safeParse(own)
  if (result?.success) return result.data
  const { parseConfig } = await import('./parse.ts')
  return parseConfig(text, file, schema)
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > fileBytesMax)
      throw new Failure('invalid', 'the file is larger than the 1 MiB that a configuration may have', { where: file })
    return await readFile(file, 'utf8')
  } catch (error) {
    throw systemFailure(error, { doing: 'cannot read the configuration file', where: file })
  }
}
