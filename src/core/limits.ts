/** Every limit that more than one room needs; names end with the unit. */

/** The default message limit of every gRPC client library. */
export const messageBytesMax = 4 * 1024 * 1024
/**
 * The total size of a batch's blobs, as servers announce and clients count it: without the overhead of each. A few
 * thousand blobs with their overhead stay below the limit above.
 */
export const batchBytesMax = messageBytesMax - 64 * 1024
/** Blobs up to this are held in memory as a whole; larger ones are streamed. */
export const smallBlobBytesMax = 1024 * 1024
/** The piece size of a large blob on the wire; also the most that one read loads into memory. */
export const chunkBytesMax = 256 * 1024
/** Digests in one FindMissingBlobs, BatchReadBlobs or BatchUpdateBlobs call. */
export const digestsPerCallMax = 100_000
/** The most overhead per blob or digest in such a call: a SHA-512 in hexadecimal, its size, tags and lengths. */
export const digestBytesMax = 160
/** The longest message with that many: more than other methods accept, but bounded by its own limits. */
export const digestsMessageBytesMax = batchBytesMax + digestsPerCallMax * digestBytesMax
/** Directories in one tree, and its depth. */
export const treeDirectoriesMax = 1_000_000
export const treeDepthMax = 512
