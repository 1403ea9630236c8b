// `npm test`: sets up, checks types, style and order of imports, and runs every test.
// `npm run bench` (--bench): sets up and runs the benchmarks. Further words go to vitest.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pinnedNode, root, run, say, setUp } from './setup.js'

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
  const folder = mkdtempSync(join(tmpdir(), 'native-test-'))
  const report = join(folder, 'report.json')
  const code = await run('vitest', [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...vitestWords,
  ])
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {}
  rmSync(folder, { recursive: true })
  for (const name of failedChecks) say(`failed: npm run ${name}`)
  tellSlowest(counts.testResults ?? [])
  tellRetried(counts.testResults ?? [])
  const passed = counts.numPassedTests ?? 0
  const failed = (counts.numFailedTests ?? 0) + failedChecks.length
  const skipped = (counts.numPendingTests ?? 0) + (counts.numTodoTests ?? 0)
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  return code !== 0 || failedChecks.length > 0 || passed === 0 ? code || 1 : 0
}

/** Which tests failed first and passed the second time (vitest.config.ts): they depend on something that they should not. */
function tellRetried(files) {
  for (const { name, assertionResults } of files)
    for (const { status, fullName, failureMessages } of assertionResults) {
      if (status !== 'passed' || failureMessages.length === 0) continue
      say(`passed only when it was run again: ${name.slice(root.length + 1)} ${fullName}`)
      say(`  ${failureMessages[0].split('\n').slice(0, 12).join('\n  ')}`)
    }
}

/** Where the time goes. */
function tellSlowest(files) {
  const times = files.map(({ name, startTime, endTime }) => ({
    name,
    seconds: Math.round((endTime - startTime) / 1000),
  }))
  const slowest = times.sort((a, b) => b.seconds - a.seconds).slice(0, 10)
  if (slowest.length > 1) say('the slowest files:')
  for (const { name, seconds } of slowest)
    if (seconds > 0 && slowest.length > 1) say(`${seconds} s ${name.slice(root.length + 1)}`)
}
