import './numbers.ts'

/**
 * The messages, a namespace for each package (bin/generate.js names them): `re` is the
 * Remote Execution API, `asset` the Remote Asset API, `rpc` is google.rpc, `workerApi` our own stream between
 * a worker and the scheduler, `consoleApi` what servers tell the console and it tells others, `bes` the Build Event
 * Service, `bep` what Bazel tells by it, `blazeWorker` what a persistent worker is asked and answers.
 * Plain objects can be encoded as they are.
 */
export {
  asset,
  bep,
  bes,
  blazeWorker,
  bytestream,
  consoleApi,
  health,
  longrunning,
  re,
  reflection,
  rpc,
  workerApi,
} from './gen/proto.js'
