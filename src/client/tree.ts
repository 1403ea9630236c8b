import { checkedDigest, type Digest, digestText } from '../core/digest.ts'
import { checkDirectory } from '../core/directory.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { treeDepthMax, treeDirectoriesMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import type { CasClient } from './cas.ts'
import { type ClientOptions, callOptions, clientContext, functionValue, wireDigest } from './context.ts'

const emptyDirectory = re.Directory.decode(new Uint8Array())
const method = 'build.bazel.remote.execution.v2.ContentAddressableStorage/GetTree'

/** The directories of a tree by `hash/size`, each structurally checked. */
export type Directories = ReadonlyMap<string, re.Directory>

/**
 * Fetches all directories below a root, including the root. Tries GetTree first; what that does not give (it may be
 * unimplemented, and it skips what the server lacks) is fetched level by level.
 * @throws Failure 'not-found' naming a directory that the server lacks, 'invalid' for one that is not a canonical
 *   Directory, or for a tree beyond core/limits.ts
 */
export async function fetchTree(
  channel: Channel,
  cas: CasClient,
  root: Digest,
  options: ClientOptions = {},
  signal?: AbortSignal,
): Promise<Directories> {
  const known = new Map<string, re.Directory>()
  await fromGetTree(channel, root, options, known, signal)
  return fetchDirectories(cas, [root], known, signal)
}

/** A cache of directories already read, by `hash/size`; it may drop any of them. */
export interface KnownDirectories {
  get(key: string): re.Directory | undefined
  set(key: string, directory: re.Directory): unknown
}

/**
 * All directories below some roots. Fetches unknown ones level by level and adds them to the cache; known ones are not
 * fetched again.
 */
export async function fetchDirectories(
  cas: Pick<CasClient, 'readBlobs'>,
  roots: readonly Digest[],
  known: KnownDirectories,
  signal?: AbortSignal,
): Promise<Directories> {
  const reached = new Map<string, re.Directory>()
  let level = new Map(roots.map((root) => [digestText(root), root]))
  for (let depth = 0; level.size > 0; depth += 1) {
    if (depth > treeDepthMax) throw new Failure('invalid', `the tree is deeper than ${treeDepthMax} directories`)
    await readLevel(cas, level, known, reached, signal)
    if (reached.size > treeDirectoriesMax)
      throw new Failure('invalid', `the tree has more than ${treeDirectoriesMax} directories`)
    level = childrenOf(level, reached)
  }
  return reached
}

async function readLevel(
  cas: Pick<CasClient, 'readBlobs'>,
  level: ReadonlyMap<string, Digest>,
  known: KnownDirectories,
  reached: Map<string, re.Directory>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const unknown: Digest[] = []
  for (const [key, digest] of level) {
    const directory = digest.size === 0 ? emptyDirectory : known.get(key)
    if (directory) reached.set(key, directory)
    else unknown.push(digest)
  }
  if (unknown.length === 0) return
  const blobs = await cas.readBlobs(unknown, signal)
  for (const digest of unknown) {
    const key = digestText(digest)
    const directory = parseDirectory(digest, blobs.get(key))
    reached.set(key, directory)
    known.set(key, directory)
  }
}

function childrenOf(
  level: ReadonlyMap<string, Digest>,
  reached: ReadonlyMap<string, re.Directory>,
): Map<string, Digest> {
  const next = new Map<string, Digest>()
  for (const [key, digest] of level)
    for (const node of reached.get(key)?.directories ?? []) {
      const child = nodeDigest(node, digest)
      if (!reached.has(digestText(child))) next.set(digestText(child), child)
    }
  return next
}

/** The digest of a node in a Directory, checked. */
export function nodeDigest(node: re.DirectoryNode.$Properties | re.FileNode.$Properties, parent: Digest): Digest {
  return checkedDigest(parent.fn, node.digest?.hash ?? '', node.digest?.sizeBytes ?? 0, node.name ?? 'entry')
}

/**
 * Decodes a Directory from its blob and checks its structure (rule 39).
 * @param bytes undefined when the server lacks the blob
 * @throws Failure 'not-found', 'invalid'
 */
export function parseDirectory(digest: Digest, bytes: Uint8Array | undefined): re.Directory {
  if (!bytes)
    throw new Failure('not-found', 'a directory of the tree is not in the storage', { where: digestText(digest) })
  let directory: re.Directory
  try {
    directory = re.Directory.decode(bytes)
  } catch (cause) {
    throw new Failure('invalid', 'a blob that should be a Directory cannot be decoded as one', {
      where: digestText(digest),
      cause,
    })
  }
  checkDirectory(directory, digestText(digest))
  return directory
}

async function fromGetTree(
  channel: Channel,
  root: Digest,
  options: ClientOptions,
  known: Map<string, re.Directory>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const context = clientContext(channel, options)
  let pageToken = ''
  try {
    do {
      const request = re.GetTreeRequest.encode({
        instanceName: context.instance,
        rootDigest: wireDigest(root),
        digestFunction: functionValue(root.fn),
        pageToken,
      }).finish()
      pageToken = ''
      for await (const answer of channel.serverStream(method, request, callOptions(context, signal, 2 ** 26))) {
        const page = re.GetTreeResponse.decode(answer)
        for (const directory of page.directories) keep(root, directory, known)
        pageToken = page.nextPageToken
        if (known.size > treeDirectoriesMax)
          throw new Failure('invalid', `the tree has more than ${treeDirectoriesMax} directories`)
      }
    } while (pageToken !== '')
  } catch (error) {
    // If GetTree fails, reading the directories one by one still works; only a caller who has left wants no second try.
    if (!(error instanceof RpcError) || error.code === Code.CANCELLED) throw error
  }
}

/** GetTree gives no digests: they are computed, and directories that nothing references are ignored. */
function keep(root: Digest, directory: re.Directory.$Properties, known: Map<string, re.Directory>): void {
  const bytes = re.Directory.encode(directory).finish()
  const digest = digestOf(root.fn, bytes)
  if (!known.has(digestText(digest))) known.set(digestText(digest), parseDirectory(digest, bytes))
}
