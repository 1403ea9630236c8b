/** Every limit that more than one room needs; its name ends with the unit. */

/** A gRPC message's default bound in every client library. */
export const messageBytesMax = 4 * 1024 * 1024
/**
 * What the blobs of a batch may have together, as servers announce and clients count it: without
 * what stands around each of them. A few thousand blobs and it stay under the bound above.
 */
export const batchBytesMax = messageBytesMax - 64 * 1024
/** Blobs up to this are kept whole in memory on their way; larger ones stream. */
export const smallBlobBytesMax = 1024 * 1024
/** Pieces in which a large blob is sent; also the most that one read brings into memory. */
export const chunkBytesMax = 256 * 1024
/** Digests that one FindMissingBlobs, BatchReadBlobs or BatchUpdateBlobs call may name. */
export const digestsPerCallMax = 100_000
/** What stands around a blob or a digest in such a call, at most: a SHA-512 in hexadecimal, its size, tags and lengths. */
export const digestBytesMax = 160
/** The longest message that names so many: beyond what other methods take, but no longer than its limits make it. */
export const digestsMessageBytesMax = batchBytesMax + digestsPerCallMax * digestBytesMax
/** Directories that one tree may have, and how deep it may be. */
export const treeDirectoriesMax = 1_000_000
export const treeDepthMax = 512
