import './numbers.ts'
import { build, google, grpc, native } from './gen/proto.js'

/** The Remote Execution API's messages. */
import re = build.bazel.remote.execution.v2
/** google.bytestream. */
import bytestream = google.bytestream
/** google.longrunning. */
import longrunning = google.longrunning
/** google.rpc: Status and the details that may hang on it. */
import rpc = google.rpc
/** google.protobuf: Any, Duration, Timestamp and the wrappers. */
import wellKnown = google.protobuf
/** Health checking. */
import health = grpc.health.v1
/** Our own stream between a worker and the scheduler. */
import workerApi = native.worker.v1

export { bytestream, health, longrunning, re, rpc, wellKnown, workerApi }
