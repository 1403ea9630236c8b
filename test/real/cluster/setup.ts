import { dockerRuns, stopDocker } from '../../fixture/kind-parts.ts'

/** Before all cluster suites: was the docker daemon there? After them it is as it was. */
export default async function setUp(): Promise<() => Promise<void>> {
  const there = await dockerRuns()
  return async () => {
    if (!there && (await dockerRuns())) await stopDocker()
  }
}
