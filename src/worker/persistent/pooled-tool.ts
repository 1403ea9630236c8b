import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../core/failure.ts'
import { inSlices } from '../../host/time-slice.ts'
import type { InputSource } from '../input-source.ts'
import { makeInputs, removeInputs, returnInputs } from '../inputs.ts'
import { makeWorkingDirectory } from '../output-paths.ts'
import { searchPath } from '../program.ts'
import { moved } from '../sandbox/cell.ts'
import type { Spawner } from '../spawner.ts'
import { moveIn, moveOut, type Stays } from './folders.ts'
import { changesOf, folderIdentity, stateOfTree } from './own-tree.ts'
import type { Plan } from './plan.ts'
import { protocols } from './protocol.ts'
import { startTool, type ToolProcess } from './tool-process.ts'
import { entriesOf } from './tools.ts'

/** A tool's folder and process, for the lifetime of the process. */
export interface PooledTool {
  readonly key: string
  /** How many actions it was ever given to. */
  takes: number
  /** How many actions use it now. */
  users: number
  /** The current path of its folder. */
  readonly folder: string
  /** undefined before the first action. */
  readonly process: ToolProcess | undefined
  /**
   * Moves an action's folder in; for the first action, after starting the process. Nothing is moved to a tool that has
   * ended, or that has replaced its folder, in which case it is ended.
   * @param file the program, if the process has not been started yet
   * @returns where the tool sees it
   */
  enter(
    root: string,
    file: string,
    requestId: number,
  ): Promise<{ tool: ToolProcess; seenRoot: string; sandboxDir?: string }>
  /**
   * Moves an action's folder back, with everything left there.
   * @returns false when the tool has changed its own inputs, so that it must not be used again
   * @throws Failure 'precondition' when it has put something else in place of a folder
   */
  leave(root: string, requestId: number): Promise<boolean>
  /** Ends the process. */
  stop(): Promise<void>
  /** Has the folder removed once no action needs it any more. */
  remove(): Promise<void>
}

export interface PooledToolOptions {
  readonly plan: Plan
  /** Its folder, which is created. */
  readonly folder: string
  readonly inputs: InputSource
  readonly spawner: Spawner
  readonly signal: AbortSignal
}

/** Holds the folders of a tool that serves several actions at once. */
const sandboxes = '__sandbox'

/** Makes a tool's folder, with its own inputs. @throws as makeInputs does */
export async function makePooledTool({
  plan,
  folder,
  inputs,
  spawner,
  signal,
}: PooledToolOptions): Promise<PooledTool> {
  const { root, directories } = plan.inputs.tools
  // Never links to cached files, which the tool could change for as long as it lives.
  const own = await makeInputs(folder, root, directories, { ...inputs, links: undefined }, signal)
  makeWorkingDirectory(folder, plan.working)
  const place = [...plan.working, ...(plan.multiplex ? [sandboxes] : [])]
  if (plan.multiplex) mkdirSync(join(folder, ...place), { recursive: true })
  returnInputs(own, inputs)
  const stays = staysOf(plan)
  const before = new Map<string, string>()
  await inSlices(stateOfTree(folder, stays.keys(), before), signal)
  // Every folder on the path to actions' folders: whoever may write to one can put a symlink in its place.
  const trail = plan.multiplex ? ['', ...place.map((_, at) => join(...place.slice(0, at + 1)))] : ['']
  const identities = trail.map((path) => folderIdentity(join(folder, path)))
  /** The actions inside, and their folders. */
  const inside = new Map<number, string | undefined>()
  let starting: Promise<ToolProcess> | undefined
  let tool: ToolProcess | undefined
  let removed = false

  const start = (file: string): Promise<ToolProcess> => {
    const cwd = join(folder, ...plan.working)
    const { startup: args, env, network, limits: allowed } = plan
    const request = { args, file, env, cwd, root: folder, network, allowed, searchPath }
    starting ??= startTool({ spawner, request, protocol: protocols[plan.protocol] }).then(async (started) => {
      tool = started
      // What it loads at start is its own: no action's inputs are there yet.
      await started.settle()
      return started
    })
    return starting
  }
  const isOwn = (at: string) => trail.every((path, number) => folderIdentity(join(at, path)) === identities[number])
  /** The current path of its folder; if something else has taken its place, undefined, and the tool is ended. */
  const ownFolder = async (): Promise<string | undefined> => {
    const now = tool?.folder ?? folder
    if (isOwn(now)) return now
    // When a tool ends its folder moves.
    await tool?.end()
    return isOwn(folder) ? folder : undefined
  }
  return {
    key: plan.key,
    takes: 0,
    users: 0,
    get folder() {
      return tool?.folder ?? folder
    },
    get process() {
      return tool
    },
    async enter(action, file, requestId) {
      const started = await start(file)
      const below = plan.multiplex ? [sandboxes, `${requestId}`] : []
      await started.quietly(async () => {
        const now = await ownFolder()
        if (now === undefined || !started.usable) return
        inside.set(requestId, folderIdentity(action))
        if (plan.multiplex) moved(action, join(now, ...place, `${requestId}`))
        else await inSlices(moveIn(action, now))
      })
      if (!plan.multiplex) return { tool: started, seenRoot: started.seenRoot }
      const seenRoot = join(started.seenRoot, ...plan.working, ...below)
      return { tool: started, seenRoot, sandboxDir: [...below, ...plan.working].join('/') }
    },
    async leave(action, requestId) {
      const quietly = tool?.quietly
      const identity = inside.get(requestId)
      if (!quietly || !inside.delete(requestId)) return false
      return await quietly(async () => {
        const now = await ownFolder()
        if (now === undefined) throw new Failure('precondition', 'a persistent tool has replaced its own folder')
        if (plan.multiplex) {
          const at = join(now, ...place, `${requestId}`)
          if (folderIdentity(at) !== identity)
            throw new Failure('precondition', 'a persistent tool has replaced the folder of its action')
          moved(at, action)
        } else await inSlices(moveOut(now, action, stays))
        const changed: string[] = []
        await inSlices(changesOf(now, before, changed))
        return changed.length === 0
      })
    },
    async stop() {
      await tool?.end()
    },
    async remove() {
      if (removed) return
      removed = true
      await removeInputs(folder, own, inputs)
    },
  }
}

function staysOf({ inputs, working }: Plan): Stays {
  const stays = new Map<string, 'entry' | 'folder'>(entriesOf(inputs.tools))
  for (const at of working.keys()) stays.set(working.slice(0, at + 1).join('/'), 'folder')
  return stays
}
