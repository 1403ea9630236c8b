import { mkdir } from 'node:fs/promises'
import { dirname, extname, join, resolve } from 'node:path'
import { Failure } from '../../core/failure.ts'
import { userContext } from '../user.ts'
import { withBlock, withoutBlock } from './block.ts'
import { changeFile } from './file.ts'
import { marksOf } from './text.ts'
import type { ClientTool } from './tool.ts'

/**
 * Puts a tool's block into a file, which need not exist yet, replacing an older block of this cluster; returns whether
 * the file changed. Everything else in it stays.
 * @throws Failure 'invalid' if the file is in another language, or already has what the format allows only once
 */
export async function writeBlock(tool: ClientTool, file: string, cluster: string, block: string): Promise<boolean> {
  assertLanguage(tool, file)
  if (isUsualPlace(tool, file)) await mkdir(dirname(file), { recursive: true })
  const marks = marksOf(tool, cluster)
  return changeFile(file, (text) => {
    assertRoom(tool, withoutBlock(text, marks))
    return withBlock(text, marks, block)
  })
}

/** Removes a tool's block for this cluster from a file; returns whether there was one. */
export async function removeBlock(tool: ClientTool, file: string, cluster: string): Promise<boolean> {
  const marks = marksOf(tool, cluster)
  return changeFile(file, (text) => withoutBlock(text, marks))
}

/**
 * Where the tool looks by itself, below this user's home: its folder is missing if the tool has not been used yet. That of any
 * other file is missing because of a slip.
 */
function isUsualPlace({ place }: ClientTool, file: string): boolean {
  return place.startsWith('~/') && resolve(file) === join(userContext().home, place.slice(2))
}

function assertLanguage(tool: ClientTool, file: string): void {
  const ending = extname(file).toLowerCase()
  const languages = { '.json': 'JSON', ...(tool.format === 'file' ? tool.foreign : {}) }
  const language = Object.entries(languages).find(([each]) => each === ending)?.[1]
  if (language === undefined) return
  throw new Failure('invalid', `it is a ${language} file, but the settings for ${tool.name} are not ${language}`, {
    where: file,
    next: [
      `\`native client ${tool.name}\` prints the settings, so that you can add them yourself; they normally go into ${tool.place}.`,
    ],
  })
}

function assertRoom(tool: ClientTool, others: string): void {
  const clash = tool.format === 'file' ? tool.clash?.(others) : undefined
  if (clash) throw new Failure('invalid', clash.message, { next: [clash.next] })
}
