import './numbers.ts'

/**
 * The messages, a namespace for each package (bin/generate.js names them): `re` is the
 * Remote Execution API, `rpc` is google.rpc, `workerApi` our own stream between
 * a worker and the scheduler. Plain objects can be encoded as they are.
 */
export { bytestream, health, longrunning, re, rpc, workerApi } from './gen/proto.js'
