import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildMerkleTree, treeSources } from '../../../src/client/merkle.ts'
import type { Digest } from '../../../src/core/digest.ts'
import { testFolder } from '../../fixture/folder.ts'
import { type ContextOptions, openContext } from '../worker-context.ts'

const compiler = fileURLToPath(new URL('../../real/persistent/compiler.py', import.meta.url))
const toolProperties = { properties: [{ name: 'bazel_tool_input', value: '' }] }
const python = [{ name: 'PATH', value: '/usr/bin:/bin' }]

/** One action of the test's compiler. */
export interface Compilation {
  /** What the source holds. */
  readonly text: string
  /** More of what the flag file holds. */
  readonly flags?: readonly string[]
  /** Further inputs by their paths. */
  readonly files?: Readonly<Record<string, string>>
  readonly json?: boolean
  /** Are the tool's inputs marked? Default: true. */
  readonly marked?: boolean
  readonly properties?: Readonly<Record<string, string>>
  readonly workingDirectory?: string
  /** More of what the tool consists of. */
  readonly tools?: Readonly<Record<string, string>>
  readonly startup?: readonly string[]
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
  readonly onStarted?: () => void
}

/** A worker's inside whose tools stay, with the test's compiler. */
export async function openToolContext(options: ContextOptions = {}) {
  const context = await openContext({
    persistent: { idleMs: 60_000, idleMax: 4, idleMemoryBytes: 1e9 },
    ...options,
  })
  const upload = async (compilation: Compilation): Promise<Digest> => {
    const folder = await testFolder()
    const { workingDirectory = '', text, flags = [], files = {}, tools = {} } = compilation
    const base = join(folder, workingDirectory)
    mkdirSync(join(base, 'bin/tool'), { recursive: true })
    cpSync(compiler, join(base, 'bin/tool/compiler.py'))
    const flagFile = [`--out=bin/out.txt`, ...flags, 'source.txt'].join('\n')
    const all = { 'source.txt': text, 'bin/flags': `${flagFile}\n`, ...files }
    const ownTools = Object.fromEntries(Object.entries(tools).map(([name, each]) => [`bin/tool/${name}`, each]))
    for (const [name, content] of Object.entries({ ...all, ...ownTools })) {
      mkdirSync(join(base, name, '..'), { recursive: true })
      writeFileSync(join(base, name), content)
    }
    const isTool = (path: string) => path.startsWith(join(base, 'bin/tool'))
    const properties = (path: string) => (isTool(path) && compilation.marked !== false ? toolProperties : undefined)
    const tree = await buildMerkleTree(folder, { fn: 'sha256', properties })
    await context.cas.upload(treeSources(tree))
    return tree.root.digest
  }
  return {
    ...context,
    async compile(compilation: Compilation) {
      const { json = false, properties = {}, signal, timeoutMs, onStarted, workingDirectory = '' } = compilation
      const command = {
        arguments: ['bin/tool/compiler.py', ...(json ? ['--json'] : []), ...(compilation.startup ?? []), '@bin/flags'],
        environmentVariables: python,
        outputPaths: ['bin/out.txt', 'left.txt'],
        workingDirectory,
      }
      const asked = { persistentWorkerKey: 'key', ...(json && { persistentWorkerProtocol: 'json' }), ...properties }
      const { response, result, stderr, stdout, file } = await context.perform({
        command,
        root: await upload(compilation),
        properties: Object.entries(asked).map(([name, value]) => ({ name, value })),
        ...(signal && { signal }),
        ...(timeoutMs !== undefined && { timeoutMs }),
        ...(onStarted && { onStarted }),
      })
      const out = await file('bin/out.txt')
      const [, request, tool, cwd] = /# request (\d+) of (\d+) in (.*)$/m.exec(out) ?? []
      return { response, result, stderr, stdout, file, out, request: Number(request), tool, cwd }
    },
  }
}
