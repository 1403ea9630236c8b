import { expect, test } from 'vitest'
import { wireDigest } from '../../../src/client/context.ts'
import { type Digest, digestText } from '../../../src/core/digest.ts'
import { digestOf } from '../../../src/core/hash.ts'
import { re } from '../../../src/wire/proto.ts'
import { planOf } from '../../../src/worker/persistent/plan.ts'

const file = (name: string, isTool = false) => ({
  name,
  digest: wireDigest(digestOf('sha256', Buffer.from(name))),
  nodeProperties: isTool ? { properties: [{ name: 'bazel_tool_input', value: '' }] } : null,
})

interface Asked {
  readonly args: readonly string[]
  readonly marked?: boolean
  readonly env?: Readonly<Record<string, string>>
  readonly working?: readonly string[]
  readonly properties?: readonly string[]
  readonly diskBytes?: number
}

/** bin/compiler and lib.jar are the tool's, flags, bin/other and deep/plugin.jar are not. */
function planned({ args, marked = true, env = {}, working = [], properties = [], diskBytes }: Asked) {
  const directories = new Map<string, re.Directory>()
  const put = (directory: re.Directory.$Properties): Digest => {
    const bytes = re.Directory.encode(directory).finish()
    const digest = digestOf('sha256', bytes)
    directories.set(digestText(digest), re.Directory.decode(bytes))
    return digest
  }
  const bin = put({ files: [file('compiler', marked), file('other')] })
  const deep = put({ files: [file('plugin.jar')] })
  const inputRoot = put({
    files: [file('flags'), file('lib.jar', marked)],
    directories: [
      { name: 'bin', digest: wireDigest(bin) },
      { name: 'deep', digest: wireDigest(deep) },
    ],
  })
  return planOf({
    properties: ['persistentWorkerKey', ...properties].map((name) => ({ name, value: '1' })),
    command: { arguments: [...args, '@flags'] },
    env,
    working,
    network: false,
    limits: { diskBytes },
    inputRoot,
    directories,
  })
}

const multiplex = ['supports-multiplex-workers', 'supports-multiplex-sandboxing']

test.each<Asked>([
  { args: ['bin/compiler'] },
  { args: ['./bin/../bin/compiler', '--verbose', '-cp', 'lib.jar'] },
  { args: ['/usr/bin/python3', 'bin/compiler', '--level=3'] },
  { args: ['../bin/compiler'], working: ['deep'] },
  { args: ['bin/compiler', '/deep/plugin.jar', 'plugin.jar'], env: { PATH: '/usr/bin:/bin' } },
  { args: ['bin/compiler'], diskBytes: 1 },
  { args: ['bin/compiler'], properties: multiplex },
])('a tool does %j', (asked) => {
  expect(planned(asked)?.startup.slice(0, -1)).toEqual(asked.args)
})

test.each<Asked>([
  { args: ['bin/compiler'], marked: false },
  { args: ['/usr/bin/python3', '-c', 'pass'], marked: false },
  { args: ['python3', '-c', 'pass'], marked: false },
  { args: ['bin/other'] },
  { args: ['bin/absent'] },
  { args: ['/usr/bin/python3', 'bin/other'] },
  { args: ['/usr/bin/python3', 'deep'] },
  { args: ['bin/compiler', '-javaagent:deep/plugin.jar'] },
  { args: ['bin/compiler', '--class_path=lib.jar:deep/plugin.jar'] },
  { args: ['bin/compiler', '--plugin=/build/root/deep/plugin.jar'] },
  { args: ['../bin/compiler', 'plugin.jar'], working: ['deep'] },
  { args: ['bin/compiler'], env: { CLASSPATH: 'lib.jar:./deep/../deep/plugin.jar' } },
  { args: ['bin/compiler'], diskBytes: 1, properties: multiplex },
])('runs by itself: %j', (asked) => {
  expect(planned(asked)).toBeUndefined()
})
