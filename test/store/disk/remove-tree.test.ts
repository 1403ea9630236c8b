import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { beginRemoval, removeTree } from '../../../src/store/disk/remove-tree.ts'
import { testFolder } from '../../fixture/folder.ts'

vi.setConfig({ testTimeout: 120_000 })

const isRoot = process.getuid?.() === 0

async function emptyTop(): Promise<string> {
  const top = join(await testFolder(), 'top')
  mkdirSync(top)
  return top
}

/** Runs Python, which goes down step by step where paths are too long for one call. */
function python(cwd: string, script: string): void {
  execFileSync('python3', ['-c', script], { cwd })
}

describe('all goes', () => {
  test.each([
    ['a few files', 'import os; os.makedirs("a/b"); open("a/b/f","w"); os.mkfifo("p"); os.symlink("/", "root")'],
    ['3,000 levels', 'import os\nfor i in range(3000): os.mkdir("d"); os.chdir("d")\nopen("f","w")'],
    ['long names far down', 'import os\nfor i in range(60): n="x"*200; os.mkdir("y"); os.mkdir(n); os.chdir(n)'],
    ['5,000 entries in one folder', 'for i in range(5000): open(str(i),"w")'],
    ['names that are not UTF-8', 'import os; os.mkdir(b"d\\xff"); open(b"d\\xff/\\xfe","w"); open(b"\\xc3","w")'],
    [
      'folders without rights',
      'import os; os.makedirs("a/b"); open("a/b/f","w"); os.chmod("a/b",0); os.chmod("a",0o500)',
    ],
  ])('%s', async (_, script) => {
    const top = await emptyTop()
    python(top, script)
    expect(await removeTree(top)).toMatchObject({ count: 0, first: [] })
    expect(existsSync(top)).toBe(false)
  })

  test('a file, a symlink and nothing at all; what a symlink leads to stays', async () => {
    const top = await emptyTop()
    writeFileSync(join(top, 'file'), '')
    symlinkSync(top, join(top, 'link'))
    for (const name of ['link', 'file', 'absent', 'file/below'])
      expect(await removeTree(join(top, name))).toMatchObject({ count: 0 })
    expect(existsSync(join(top, 'file'))).toBe(false)
    expect(existsSync(top)).toBe(true)
  })

  test('a bit at a time, as often as is asked', async () => {
    const top = await emptyTop()
    for (let i = 0; i < 50; i += 1) mkdirSync(join(top, `${i}/x`), { recursive: true })
    const removal = beginRemoval(top)
    let steps = 0
    for (; steps < 1000; steps += 1) {
      let entries = 0
      if (removal.proceed(() => ++entries > 10)) break
    }
    expect(steps).toBeGreaterThan(5)
    expect(existsSync(top)).toBe(false)
  })
})

// What another user owns takes root to make, and another user to fail at.
describe.runIf(isRoot && process.platform === 'linux')('what may not be removed stays, and all else goes', () => {
  const asNobody = (top: string): unknown => {
    const module = new URL('../../../src/store/disk/remove-tree.ts', import.meta.url)
    const script = `import { removeTree } from '${module}'; console.log(JSON.stringify(await removeTree(${JSON.stringify(top)})))`
    const options = { uid: 65_534, gid: 65_534, cwd: '/', encoding: 'utf8' } as const
    return JSON.parse(execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], options))
  }

  test('another user’s files, for an ordinary user', async () => {
    const top = await emptyTop()
    chmodSync(join(top, '..'), 0o777)
    python(top, 'import os; os.makedirs("a/docker/sub"); open("a/docker/f","w"); os.makedirs("a/own/e"); os.mkdir("b")')
    execFileSync('chown', ['-R', '65534:65534', top])
    execFileSync('chown', ['-R', '0:0', join(top, 'a/docker')])
    expect(asNobody(top)).toEqual({
      first: [
        { path: join(top, 'a/docker/f'), code: 'EACCES' },
        { path: join(top, 'a/docker/sub'), code: 'EACCES' },
      ],
      count: 2,
    })
    expect(existsSync(join(top, 'a/own'))).toBe(false)
    expect(existsSync(join(top, 'b'))).toBe(false)
  })

  test.runIf(mayMount())('a mount, also of the same file system, and what is in it', async () => {
    const top = await emptyTop()
    const host = join(top, '../host')
    mkdirSync(host)
    writeFileSync(join(host, 'precious'), '')
    mkdirSync(join(top, 'a/mounted'), { recursive: true })
    mkdirSync(join(top, 'a/other'))
    execFileSync('mount', ['--bind', host, join(top, 'a/mounted')])
    onTestFinished(() => void execFileSync('umount', [join(top, 'a/mounted')]))
    expect(await removeTree(top)).toMatchObject({ first: [{ path: join(top, 'a/mounted'), code: 'EBUSY' }], count: 1 })
    expect(existsSync(join(host, 'precious'))).toBe(true)
    expect(existsSync(join(top, 'a/other'))).toBe(false)
  })
})

/** Containers often may not. */
function mayMount(): boolean {
  return spawnSync('unshare', ['--mount', 'true']).status === 0
}
