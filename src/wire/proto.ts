import './numbers.ts'

/**
 * The messages, a namespace for each package (named by bin/generate.js): `re` is the Remote Execution API, `asset` the
 * Remote Asset API, `rpc` is google.rpc, `workerApi` our own stream between a worker and the scheduler, `consoleApi`
 * what servers send to the console and what it offers others, `bes` the Build Event Service, `bep` what Bazel sends
 * through it, `blazeWorker` the requests and responses of a persistent worker. Plain objects can be encoded directly.
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
