// `npm test`: sets up, checks types, style and import order, and runs every test.
// `npm run bench` (--bench): sets up and runs the benchmarks. Further arguments go to vitest.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pinnedNode, root, run, say, setUp } from './setup.js'

/** Files that CI runs once more; if more fail, it is not luck. */
const againMax = 8
const ownNetwork = join(root, 'test/own-network')

const words = process.argv.slice(3)
await setUp()
process.exit(words[0] === '--bench' ? await bench(words.slice(1)) : await test(words))

function bench(names) {
  return run(pinnedNode, [join(root, 'test/bench/run.ts'), ...names])
}

async function test(vitestWords) {
  const failedChecks = []
  if (vitestWords.length === 0)
    for (const check of ['check', 'lint'])
      if ((await run('npm', ['run', '--silent', check])) !== 0) failedChecks.push(check)
  let ran = vitestWords.length === 0 && canHaveOwnNetwork() ? await sideBySide() : await vitest(vitestWords)
  const failing = ran.files.filter(({ isGood }) => !isGood).map(({ path }) => path)
  if (process.env.CI && vitestWords.length === 0 && failing.length > 0 && failing.length <= againMax)
    ran = await again(ran, failing)
  for (const name of failedChecks) say(`failed: npm run ${name}`)
  tellSlowest(ran.files)
  const states = ran.files.flatMap(({ tests }) => tests.map(({ state }) => state))
  const count = (state) => states.filter((each) => each === state).length
  // A file that could not be loaded, or an error outside any test, counts as one.
  const others = ran.files.filter(({ isGood, tests }) => !isGood && !tests.some(isFailed)).length + ran.unhandled
  const failed = count('failed') + others + failedChecks.length
  const skipped = states.length - count('passed') - count('failed')
  process.stdout.write(`${count('passed')} passed, ${failed} failed, ${skipped} skipped\n`)
  return ran.code !== 0 || failed > 0 || count('passed') === 0 ? ran.code || 1 : 0
}

/**
 * Runs every project, unit tests beside the cluster's, which wait for pods much of the time. Unit tests have a network of
 * their own, as a port that one uses for a moment could be one that the program has just chosen.
 */
async function sideBySide() {
  const before = await vitest(['--project', 'program', '--project', 'real'])
  const both = [vitest(['--project', 'cluster']), vitest(['--project', 'unit'], [ownNetwork])]
  const all = [before, ...(await Promise.all(both))]
  return {
    code: all.find(({ code }) => code !== 0)?.code ?? 0,
    files: all.flatMap(({ files }) => files),
    unhandled: all.reduce((sum, { unhandled }) => sum + unhandled, 0),
  }
}

/** In CI alone: on a terminal, two runs would write over each other. */
function canHaveOwnNetwork() {
  return process.env.CI === 'true' && spawnSync(ownNetwork, ['true'], { stdio: 'ignore' }).status === 0
}

/**
 * Runs vitest.
 * @param within a program that starts it
 * @returns its exit code and each file's outcome (test-report.js)
 */
async function vitest(words, within = []) {
  const folder = mkdtempSync(join(tmpdir(), 'native-test-'))
  const report = join(folder, 'report.json')
  const reporters = ['--reporter=default', `--reporter=${join(root, 'bin/test-report.js')}`]
  const [program, ...line] = [...within, 'vitest', 'run', ...reporters, ...words]
  const code = await run(program, line, { env: { NATIVE_TEST_REPORT: report } })
  const ran = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : { files: [], unhandled: 0 }
  rmSync(folder, { recursive: true })
  return { code, ...ran }
}

/**
 * Runs the failed files once more, so that a test that depends on luck does not hold up an unrelated change; whole
 * files, since tests build on what earlier ones left. Each test that passed only then is named: it has a fault to be
 * found.
 */
async function again(first, paths) {
  say(`run once more: ${paths.map(nameOf).join(' ')}`)
  const second = await vitest(paths)
  const known = new Map(second.files.map((file) => [file.path, file]))
  for (const { path, tests } of first.files) {
    if (!known.get(path)?.isGood) continue
    say(`passed only when it was run again: ${nameOf(path)}`)
    for (const { name, error } of tests.filter(isFailed))
      say(`  ${name}\n    ${error.split('\n').slice(0, 8).join('\n    ')}`)
  }
  const files = first.files.map((file) => known.get(file.path) ?? file)
  return { code: second.code, files, unhandled: first.unhandled + second.unhandled }
}

function isFailed({ state }) {
  return state === 'failed'
}

function nameOf(path) {
  return path.slice(root.length + 1)
}

/** Shows where the time goes. */
function tellSlowest(files) {
  const slowest = files.toSorted((a, b) => b.seconds - a.seconds).slice(0, 10)
  if (slowest.length > 1) say('the slowest files:')
  for (const { path, seconds } of slowest) if (seconds > 0 && slowest.length > 1) say(`${seconds} s ${nameOf(path)}`)
}
