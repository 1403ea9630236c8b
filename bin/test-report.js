import { writeFileSync } from 'node:fs'

/** A vitest reporter for `npm test`: writes each file's outcome as JSON to the file named by NATIVE_TEST_REPORT. */
export default class TestReport {
  onTestRunEnd(modules, unhandledErrors) {
    const files = modules.map((each) => ({
      path: each.moduleId,
      seconds: Math.round(each.diagnostic().duration / 1000),
      // A file that could not be loaded has no failed test.
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
