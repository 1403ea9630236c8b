import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Block, readDocuments } from '../fixture/documents.ts'
import { createNative, linkedPath, type Native } from '../fixture/program.ts'

// A recorded session shows what the program prints today: each is typed again, line by line. Numbers are those of one
// machine and one moment, and are not compared.

const { blocks } = await readDocuments()
/** Those that need nothing but this machine; a registry and keys are the matter of test/program/verify.test.ts. */
const sessions = blocks.filter(
  ({ language, text }) => language === 'console' && !/^\$ (openssl|native image)/m.test(text),
)

let native: Native
let path: string

beforeAll(async () => {
  native = await createNative()
  path = await linkedPath(native.home)
  await mkdir(join(native.home, 'src'))
  await writeFile(join(native.home, 'src/hello.c'), 'int main(void) { return 0; }\n')
})
afterAll(() => native.dispose())

/** Both streams, as a person sees them. */
async function typed(line: string): Promise<string> {
  const env = { ...native.env, PATH: path }
  const { all } = await execa('bash', ['-c', line], {
    env,
    extendEnv: false,
    cwd: native.home,
    stdin: 'ignore',
    all: true,
    reject: false,
  })
  return all
}

/** Without what differs between runs and machines: numbers, folders, others' ports and accounts, whether a sandbox can be had. */
function plain(text: string): string {
  return text
    .replace(/; taken by others: \d+(, \d+)*/g, '')
    .replace(/^Sandbox .*\n/gm, '')
    .replace(/^Access: .*$/gm, 'Access: ...')
    .replace(/\/\S+\/native\/native\b/g, 'FOLDER')
    .replace(/\d+(\.\d+)*( ?([KMGT]i)?B| ?ms| ?s|m|h)?\b(\/s)?/g, '#')
    .replace(/ +/g, ' ')
    .trim()
}

/** The commands of a session, each with what it shows. */
function steps({ text }: Block): { line: string; shown: string }[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((each) => ({ line: each.split('\n', 1)[0] ?? '', shown: each.slice(each.indexOf('\n') + 1) }))
}

test('there are sessions in README.md and in docs/first-steps.md', () => {
  expect(new Set(sessions.map(({ file }) => file))).toEqual(new Set(['README.md', 'docs/first-steps.md']))
})

test.each(sessions.map((block) => ({ name: `${block.file}:${block.line}`, block })))('$name', async ({ block }) => {
  // A cluster is begun anew: with nothing in its cache.
  if (block.text.startsWith('$ native deploy')) await native.ok('down')
  for (const { line, shown } of steps(block))
    expect(`$ ${line}\n${plain(await typed(line))}`).toBe(`$ ${line}\n${plain(shown)}`)
})
