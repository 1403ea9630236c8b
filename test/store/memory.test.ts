import { createMemoryBlobs } from '../../src/store/memory/blobs.ts'
import { createMemoryResults } from '../../src/store/memory/results.ts'
import { verified } from '../../src/store/verified.ts'
import { describeBlobs } from '../contract/blobs.ts'
import { describeResults } from '../contract/results.ts'

describeBlobs('memory', { open: async (capacity) => verified(createMemoryBlobs(capacity)) })
describeResults('memory', { open: async (capacity) => createMemoryResults(capacity) })
