import { expect, it, onTestFinished } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import type { Digest } from '../../src/core/digest.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { callerOf, hour, openTestConsole } from './fixture.ts'

async function open() {
  const town = openTestConsole({ folder: await testFolder() })
  onTestFinished(() => town.close())
  return town
}

const { digest: empty } = blobOf('')
const wireOf = ({ hash, size }: Digest) => ({ hash, sizeBytes: size })

const caller = callerOf({ invocation: 'build-1', target: '//app:stamp', mnemonic: 'Genrule' })

function resultOf(worker: string, { hash, size }: Digest): re.ActionResult.$Properties {
  return {
    exitCode: 0,
    outputFiles: [{ path: 'out/stamp', digest: { hash, sizeBytes: size } }],
    executionMetadata: { worker },
  }
}

it('counts actions that were run twice, and says what differs, down to the bytes', async () => {
  const { recorder, settled, history, console, action, log } = await open()
  const digest = await action({ argument: 'stamp' })
  const first = resultOf('w1', await log('made at 10:00:01 today'))
  const second = resultOf('w2', await log('made at 10:00:02 today'))
  recorder.repeat(caller, digest, { isSame: true, first, second: first })
  recorder.repeat(caller, digest, { isSame: false, first, second })
  await settled()
  expect(await history.builds({ limit: 1 })).toMatchObject([
    { id: 'build-1', actions: 0, repeats: { run: 2, different: 1 } },
  ])
  const told = await history.repeats('build-1', 10)
  expect(told).toMatchObject([
    {
      action: `${digest.hash}/${digest.size}`,
      target: '//app:stamp',
      mnemonic: 'Genrule',
      workers: ['w1', 'w2'],
      exitCodes: [0, 0],
      moreOutputs: 0,
      outputs: [
        {
          path: 'out/stamp',
          kind: 'contents',
          contents: {
            format: 'unknown',
            offset: 15,
            cut: false,
            differences: [{ within: [], kind: 'time', offset: 15 }],
          },
        },
      ],
    },
  ])
  expect(await console.history.repeats('build-1', 10)).toEqual(told)
})

it('knows that an action differs whose outputs have gone', async () => {
  const { recorder, settled, history, action } = await open()
  const gone = (letter: string): Digest => ({ fn: 'sha256', hash: letter.repeat(64), size: 5 })
  const results = { first: resultOf('w1', gone('a')), second: resultOf('w2', gone('b')) }
  recorder.repeat(caller, await action({ argument: 'x' }), { isSame: false, ...results })
  await settled()
  expect(await history.repeats('build-1', 10)).toMatchObject([
    { outputs: [{ path: 'out/stamp', kind: 'contents', contents: null }] },
  ])
})

it('knows that an action differs whose output folders are too large to look into', async () => {
  const { recorder, settled, history, action, cas } = await open()
  const files = Array.from({ length: 40_000 }, (_, at) => ({ name: `${at}`.padStart(60, '0'), digest: wireOf(empty) }))
  const large = blobOf(re.Tree.encode({ root: { files } }).finish())
  await createCasClient(cas).upload([{ digest: large.digest, content: large.bytes }])
  const resultWith = (text: string) => ({
    ...resultOf('w1', blobOf(text).digest),
    outputDirectories: [{ path: 'tree', treeDigest: wireOf(large.digest) }],
  })
  expect(large.digest.size).toBeGreaterThan(4 * 1024 * 1024)
  const results = { first: resultWith('one'), second: resultWith('two') }
  recorder.repeat(caller, await action({ argument: 'x' }), { isSame: false, ...results })
  await settled()
  expect(await history.repeats('build-1', 10)).toMatchObject([{ outputs: [], moreOutputs: 0 }])
})

it('forgets them with their build, and does not count them as actions', async () => {
  const { recorder, settled, history, clock, action, log } = await open()
  const results = { first: resultOf('w1', await log('one')), second: resultOf('w2', await log('two')) }
  recorder.repeat(caller, await action({ argument: 'x' }), { isSame: false, ...results })
  await settled()
  expect(await history.repeats('build-1', 10)).toHaveLength(1)
  clock.advance(25 * hour)
  await settled()
  expect(await history.builds({ limit: 1 })).toEqual([])
  expect(await history.repeats('build-1', 10)).toEqual([])
})
