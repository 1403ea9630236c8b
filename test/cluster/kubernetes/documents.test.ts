import { expect, test } from 'vitest'
import { parseObjects, readObjects } from '../../../src/cluster/kubernetes/documents.ts'

const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n'

test('takes the documents of a text in order, lists too, and leaves empty ones out', () => {
  const list = 'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: s}}\n'
  const objects = parseObjects(`# nothing\n---\n${namespace}---\n---\n${list}`, 'x.yaml')
  expect(objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)).toEqual(['Namespace/a', 'Service/s'])
})

test('names the line of what is not an object, or no YAML', () => {
  const noObject = expect.objectContaining({ kind: 'invalid', where: 'x.yaml:5' })
  expect(() => parseObjects(`${namespace}---\nfoo: bar\n`, 'x.yaml')).toThrow(noObject)
  expect(() => parseObjects('a: [\n', 'x.yaml')).toThrow(expect.objectContaining({ kind: 'invalid' }))
})

test('a file that is not there is told as such, and nothing is read over plain http', async () => {
  await expect(readObjects('/nowhere.yaml')).rejects.toMatchObject({ kind: 'not-found', where: '/nowhere.yaml' })
  await expect(readObjects('http://127.0.0.1/x.yaml')).rejects.toMatchObject({ kind: 'invalid' })
})
