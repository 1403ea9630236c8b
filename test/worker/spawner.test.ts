import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { jsonLine } from '../../src/wire/jsonlines.ts'
import { lockFolder } from '../../src/worker/lock.ts'
import { createSpawner } from '../../src/worker/spawner.ts'
import { testFolder } from '../fixture/folder.ts'
import { isRunning } from '../fixture/process.ts'
import { root } from '../fixture/program.ts'

vi.setConfig({ testTimeout: 30_000 })

async function openSpawner() {
  const folder = await testFolder()
  const spawner = createSpawner()
  onTestFinished(() => spawner.close())
  let number = 0
  const start = (script: string, env: Record<string, string> = {}) => {
    number += 1
    return spawner.start({
      file: '/bin/sh',
      args: ['sh', '-c', script],
      env,
      cwd: folder,
      stdout: join(folder, `${number}.out`),
      stderr: join(folder, `${number}.err`),
    })
  }
  return { folder, spawner, start }
}

test('kill -9 of a worker leaves no process of its actions', async () => {
  const folder = await testFolder()
  const doomed = spawn(process.execPath, [join(import.meta.dirname, 'doomed.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(doomed.stdout, 'data')
  await expect.poll(() => existsSync(join(folder, 'pid')) && readFileSync(join(folder, 'pid'), 'utf8')).toMatch(/\d+\n/)
  const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
  expect(isRunning(pid)).toBe(true)
  doomed.kill('SIGKILL')
  await expect.poll(() => isRunning(pid), { timeout: 5000 }).toBe(false)
})

test('when the helper itself is killed, actions fail, their processes end and the next one works', async () => {
  const { folder, start } = await openSpawner()
  const lost = start('echo $PPID > helper; echo $$ > pid; exec sleep 300')
  await expect.poll(() => existsSync(join(folder, 'pid')) && readFileSync(join(folder, 'pid'), 'utf8')).toMatch(/\d+\n/)
  const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
  process.kill(Number(readFileSync(join(folder, 'helper'), 'utf8')), 'SIGKILL')
  await expect(lost.ended).rejects.toMatchObject({ kind: 'unavailable' })
  await expect.poll(() => isRunning(pid), { timeout: 5000 }).toBe(false)
  expect(await start('exit 3').ended).toMatchObject({ kind: 'exited', code: 3 })
})

test('an action leads a session of its own, with empty input, and sees no other file of the worker', async () => {
  const { folder, start } = await openSpawner()
  await start('read x || echo empty; cut -d" " -f 1,6 /proc/$$/stat; ls /proc/$$/fd').ended
  const [input, ids, ...files] = readFileSync(join(folder, '1.out'), 'utf8').trim().split('\n')
  expect(input).toBe('empty')
  const [pid, session] = (ids ?? '').split(' ')
  expect(session).toBe(pid)
  expect(files.slice(0, 3)).toEqual(['0', '1', '2'])
  expect(files.length).toBeLessThanOrEqual(4)
})

test('an action inherits its three standard streams, not what the worker was started with', async () => {
  const folder = await testFolder()
  const stray = openSync('/dev/null', 'r')
  onTestFinished(() => closeSync(stray))
  const beyond = Array.from({ length: 37 }, () => 'ignore' as const)
  const helper = spawn(process.execPath, ['--no-warnings', join(root, 'src/worker/spawner-main.ts')], {
    stdio: ['pipe', 'pipe', 'inherit', ...beyond, stray],
  })
  const stdout = join(folder, 'out')
  const request = { kind: 'start', id: 1, file: '/bin/ls', args: ['ls', '-l', '/proc/self/fd'], env: {}, cwd: folder }
  helper.stdin?.write(jsonLine({ ...request, stdout, stderr: join(folder, 'err') }))
  let answers = ''
  helper.stdout?.on('data', (text) => {
    answers += text
    if (answers.includes('exited')) helper.stdin?.end()
  })
  await once(helper, 'exit')
  const files = readFileSync(stdout, 'utf8').match(/\d+(?= -> )/g)
  // The fourth is the folder that ls itself looks at.
  expect(files).toEqual(['0', '1', '2', '3'])
})

test('what cannot be started is told with its system error', async () => {
  const { folder, spawner } = await openSpawner()
  const request = { file: '/nowhere/tool', args: ['tool'], env: {}, cwd: folder }
  const absent = spawner.start({ ...request, stdout: join(folder, 'a'), stderr: join(folder, 'b') })
  expect(await absent.ended).toMatchObject({ kind: 'failed', code: 'ENOENT' })
  writeFileSync(join(folder, 'taken'), '')
  const taken = spawner.start({
    ...request,
    file: '/bin/true',
    stdout: join(folder, 'taken'),
    stderr: join(folder, 'c'),
  })
  expect(await taken.ended).toMatchObject({ kind: 'failed', code: 'EEXIST' })
})

test("a lock whose process has ended is taken over; a living process' is not", async () => {
  const folder = await testFolder()
  const gone = spawn('/bin/true')
  await once(gone, 'exit')
  writeFileSync(join(folder, 'lock'), `${gone.pid} 12345`)
  const release = lockFolder(folder)
  expect(() => lockFolder(folder)).toThrow('another worker uses the folder')
  release()
  // Another process with a number that was used before.
  writeFileSync(join(folder, 'lock'), `${process.pid} 1`)
  lockFolder(folder)()
  expect(existsSync(join(folder, 'lock'))).toBe(false)
})
