// `npm test`: sets up, checks types, style and order of imports, and runs every test.
// `npm run bench` (--bench): sets up and runs the benchmarks. Further words go to vitest.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, run, say, setUp } from './setup.js'

const words = process.argv.slice(2)
setUp()
process.exit(words[0] === '--bench' ? bench(words.slice(1)) : test(words))

function bench(names) {
  return run('node', [join(root, 'test/bench/run.ts'), ...names])
}

function test(vitestWords) {
  const checks = [
    ['npm', 'run', '--silent', 'check'],
    ['npm', 'run', '--silent', 'lint'],
  ]
  const failedChecks = vitestWords.length > 0 ? [] : checks.filter(([command, ...args]) => run(command, args) !== 0)
  const folder = mkdtempSync(join(tmpdir(), 'native-test-'))
  const report = join(folder, 'report.json')
  const code = run('vitest', [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...vitestWords,
  ])
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {}
  rmSync(folder, { recursive: true })
  for (const [, , , name] of failedChecks) say(`failed: npm run ${name}`)
  const passed = counts.numPassedTests ?? 0
  const failed = (counts.numFailedTests ?? 0) + failedChecks.length
  const skipped = (counts.numPendingTests ?? 0) + (counts.numTodoTests ?? 0)
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  return code !== 0 || failedChecks.length > 0 || passed === 0 ? 1 : 0
}
