/** The offset of the first byte that differs; the length of the shorter one if it is a prefix of the other. */
export function firstDifference(one: Uint8Array, other: Uint8Array): number {
  const most = Math.min(one.length, other.length)
  let at = 0
  // Whole blocks are compared many times faster than bytes.
  const block = 64 * 1024
  while (at + block <= most && Buffer.compare(one.subarray(at, at + block), other.subarray(at, at + block)) === 0)
    at += block
  while (at < most && one[at] === other[at]) at += 1
  return at
}
