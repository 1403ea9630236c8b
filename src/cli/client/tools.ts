import { bazel } from './bazel.ts'
import { buck2 } from './buck2.ts'
import { buildstream } from './buildstream.ts'
import { ccache } from './ccache.ts'
import { go } from './go.ts'
import { gradle } from './gradle.ts'
import { moon } from './moon.ts'
import { nx } from './nx.ts'
import { pants } from './pants.ts'
import { recc } from './recc.ts'
import { reclient } from './reclient.ts'
import { sccache } from './sccache.ts'
import { siso } from './siso.ts'
import type { ClientTool } from './tool.ts'
import { turbo } from './turbo.ts'

/** Every tool that can be configured for the cluster, by name. */
const clientTools: readonly ClientTool[] = [
  bazel,
  buck2,
  buildstream,
  ccache,
  go,
  gradle,
  moon,
  nx,
  pants,
  recc,
  reclient,
  sccache,
  siso,
  turbo,
]

/** The names of all tools, for arguments. */
export const clientToolNames: readonly string[] = clientTools.map(({ name }) => name)

/** Finds a tool by name. @throws Error for one that is not in clientToolNames */
export function clientToolOf(name: string): ClientTool {
  const tool = clientTools.find((each) => each.name === name)
  if (!tool) throw new Error(`no client tool is called ${name}`)
  return tool
}
