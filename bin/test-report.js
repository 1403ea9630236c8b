import { writeFileSync } from 'node:fs'

/** A reporter of vitest for `npm test`: what came of each file goes into the file that NATIVE_TEST_REPORT names, as JSON. */
export default class TestReport {
  onTestRunEnd(modules, unhandledErrors) {
    const files = modules.map((each) => ({
      path: each.moduleId,
      seconds: Math.round(each.diagnostic().duration / 1000),
      // A file that could not be loaded has no test that failed.
      isGood: each.ok(),
      tests: Array.from(each.children.allTests(), (test) => ({
        name: test.fullName,
        state: test.result().state,
        error: test.result().errors?.[0]?.message ?? '',
      })),
    }))
    writeFileSync(process.env.NATIVE_TEST_REPORT, JSON.stringify({ files, unhandled: unhandledErrors.length }))
  }
}
