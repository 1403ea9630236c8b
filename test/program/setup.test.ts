import { createHash } from 'node:crypto'
import { chown, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { testFolder } from '../fixture/folder.ts'
import { root } from '../fixture/program.ts'

// What `npm start` and `npm test` share, bin/setup.js and bin/lock.js: plain JavaScript that
// runs before there are packages. Each test runs a few lines of it in processes of their own.

const script = (lines: string, tmp: string) =>
  execa(process.execPath, ['--input-type=module', '--eval', lines], {
    env: { TMPDIR: tmp },
    reject: false,
    all: true,
    buffer: true,
  })

/** Takes the lock, says so, and holds it until its standard input ends. */
const holder = (tmp: string) =>
  script(
    `import { locked } from ${JSON.stringify(join(root, 'bin/lock.js'))}
     await locked('/a/checkout', console.log, async () => {
       console.log('held by', process.pid)
       for await (const _ of process.stdin);
     })
     console.log('given back')`,
    tmp,
  )

/** Execa's own iteration would wait for the end of the process. */
function untilSaid(child: ReturnType<typeof script>, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stdout.on('data', (bytes: Buffer) => {
      said += bytes.toString()
      if (said.includes(text)) resolve()
    })
    child.stdout.once('end', () => reject(new Error(`it ended and said: ${said}`)))
  })
}

test('a second set-up of one checkout waits until the first is done, and says for whom', async () => {
  const tmp = await testFolder()
  const first = holder(tmp)
  await untilSaid(first, 'held by')
  const second = holder(tmp)
  await untilSaid(second, `process ${first.pid} sets this checkout up; waiting for it`)
  first.stdin.end()
  expect((await first).stdout).toMatch(/^held by \d+\ngiven back$/)
  second.stdin.end()
  expect((await second).stdout).toMatch(/waiting for it \(its lock is .*\)\nheld by \d+\ngiven back$/)
})

const lockName = `native-setup-${createHash('sha256').update('/a/checkout').digest('hex').slice(0, 16)}.lock`

test.each<[string, (path: string) => Promise<unknown>]>([
  ['an empty file', (path) => writeFile(path, '')],
  ['a process id that has gone to another process', (path) => writeFile(path, '1')],
  ['another start of a process that runs', (path) => writeFile(path, `${process.pid} before`)],
  ['rubbish', (path) => writeFile(path, 'x y z')],
  ['a folder', (path) => mkdir(path)],
  ['a link', (path) => symlink('/etc/passwd', path)],
])('what lies where the lock should be keeps nobody waiting: %s (L1)', async (_, leave) => {
  const tmp = await testFolder()
  await leave(join(tmp, lockName))
  const [first, second] = [holder(tmp), holder(tmp)]
  for (const each of [first, second]) each.stdin.end()
  for (const each of [await first, await second]) expect(each.stdout).toMatch(/held by \d+\ngiven back$/)
})

test.runIf(process.getuid?.() === 0)('nor does a file of another user (L1)', async () => {
  const tmp = await testFolder()
  const path = join(tmp, lockName)
  await writeFile(path, `${process.pid}`)
  await chown(path, 65_534, 65_534)
  const first = holder(tmp)
  await untilSaid(first, 'held by')
  // Those who come see one lock nevertheless.
  const second = holder(tmp)
  await untilSaid(second, `process ${first.pid} sets`)
  first.stdin.end()
  second.stdin.end()
  await Promise.all([first, second])
  expect(await readFile(path, 'utf8')).toBe(`${process.pid}`)
})

test('a lock that was removed while it was held, and taken by another, stays the other’s', async () => {
  const tmp = await testFolder()
  const first = holder(tmp)
  await untilSaid(first, 'held by')
  await rm(join(tmp, lockName))
  const second = holder(tmp)
  await untilSaid(second, 'held by')
  first.stdin.end()
  await first
  expect(await readFile(join(tmp, lockName), 'utf8')).toMatch(new RegExp(`^${second.pid} `))
  second.stdin.end()
  await second
})

test('the lock of a set-up that was killed is taken over', async () => {
  const tmp = await testFolder()
  const first = holder(tmp)
  await untilSaid(first, 'held by')
  first.kill('SIGKILL')
  await first
  const [second, third] = [holder(tmp), holder(tmp)]
  for (const each of [second, third]) each.stdin.end()
  for (const each of [await second, await third]) expect(each.stdout).toMatch(/held by \d+\ngiven back$/)
})

const runner = (tmp: string, program: string) =>
  script(
    `import { run } from ${JSON.stringify(join(root, 'bin/setup.js'))}
     process.exit(await run(process.execPath, ['-e', ${JSON.stringify(program)}]))`,
    tmp,
  )

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  '%s reaches the program that is run, which is waited for',
  async (signal) => {
    const program = `
      process.on('${signal}', () => { console.log('told'); process.exit(3) })
      process.stdin.resume()
      console.log('begun')`
    const child = runner(await testFolder(), program)
    await untilSaid(child, 'begun')
    child.kill(signal)
    const { exitCode, stdout } = await child
    expect(stdout).toBe('begun\ntold')
    expect(exitCode).toBe(3)
  },
)

test('a program that a signal ended is told as shells do', async () => {
  expect((await runner(await testFolder(), 'process.kill(process.pid, "SIGKILL")')).exitCode).toBe(137)
})

test('its lines break between words on a terminal, and stay whole in a pipe', async () => {
  const line = 'installing packages (npm ci): about 650 MB'
  const text = `import { say } from ${JSON.stringify(join(root, 'bin/setup.js'))}; `
  const onTerminal = `Object.assign(process.stderr, { isTTY: true, columns: 30 }); say('${line}')`
  const tmp = await testFolder()
  expect((await script(text + onTerminal, tmp)).stderr).toBe('native: installing packages\n(npm ci): about 650 MB')
  expect((await script(`${text}say('${line}')`, tmp)).stderr).toBe(`native: ${line}`)
})
