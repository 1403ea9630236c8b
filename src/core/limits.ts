/** Every bound that more than one room needs; the unit stands in the name. */

/** A gRPC message's default bound in every client library. */
export const messageBytesMax = 4 * 1024 * 1024
/** What a batch may hold, so that the message around it stays under the bound above. */
export const batchBytesMax = messageBytesMax - 64 * 1024
/** Blobs up to this are kept whole in memory on their way; larger ones stream. */
export const smallBlobBytesMax = 1024 * 1024
/** Pieces in which a large blob is sent; also the most that one read brings into memory. */
export const chunkBytesMax = 256 * 1024
/** Digests that one FindMissingBlobs, BatchReadBlobs or BatchUpdateBlobs call may name. */
export const digestsPerCallMax = 100_000
/** Directories that one tree may have, and how deep it may be. */
export const treeDirectoriesMax = 1_000_000
export const treeDepthMax = 512
