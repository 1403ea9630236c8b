import { expect, test } from 'vitest'
import { compareTrees, createKnownPairs } from '../../src/explain/tree.ts'
import { createShelf } from './actions.ts'

test('comparisons that share what they know all find their differences, also when it is more than is kept', async () => {
  const shelf = createShelf()
  const known = createKnownPairs()
  const nothing = { differences: [], unknown: [], below: [] }
  // A little less than is kept: what follows does not fit.
  for (let at = 0; at < 19_990; at += 1) known.locals.set(`${at}`, nothing)
  const compared = await Promise.all(
    Array.from({ length: 16 }, (_, at) => {
      const tree = (header: string) => shelf.tree({ app: { [`${at}.cc`]: `${at}` }, base: { 'version.h': header } })
      return compareTrees(tree('old'), tree('new'), shelf.load, known)
    }),
  )
  for (const { differences } of compared) expect(differences.map(({ path }) => path)).toEqual(['base/version.h'])
})
