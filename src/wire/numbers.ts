import protobuf from 'protobufjs/minimal.js'

// 64-bit fields are read as plain numbers: what does not fit is not a safe integer, and every size is checked for that
// where it enters (core/digest.ts). This has to run before the generated code is loaded, hence a separate file.
protobuf.util.Long = undefined as unknown as typeof protobuf.util.Long
protobuf.configure()
