import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ProcessContext } from '../../../src/cluster/process/context.ts'
import { clusterPaths } from '../../../src/cluster/process/paths.ts'
import { imageSettings, pinnedImage } from '../../../src/cluster/process/worker-image.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, writeLayout } from '../../fixture/image.ts'
import { publish } from '../../fixture/layers.ts'
import { startRegistry } from '../../fixture/registry/registry.ts'

const { signal } = new AbortController()

async function contextIn(folder: string): Promise<ProcessContext> {
  const user = { env: {}, home: folder, tmp: folder, uid: -1 }
  const machine = { platform: 'linux', arch: 'x64', cpus: 1 }
  return { paths: clusterPaths('native', user), user, machine, clock: systemClock, program: [], release: '1' }
}

test('a tag is asked for when it is deployed, and has its digest from then on', async () => {
  const context = await contextIn(await testFolder())
  const registry = await startRegistry()
  const image = await makeImage()
  publish(registry, 'tools', '1', image)
  const text = `docker://${registry.host}/tools:1`
  const pinned = await pinnedImage(context, { worker_image: text }, {}, signal)
  expect(pinned).toBe(`${text}@${image.digest}`)
  expect(await pinnedImage(context, { worker_image: `${registry.host}/tools:1` }, {}, signal)).toBe(pinned)
  const before = { worker_image: pinned }
  registry.seen.length = 0
  expect(await pinnedImage(context, { workers: 2 }, before, signal)).toBe(pinned)
  expect(registry.seen).toEqual([])
  expect(await pinnedImage(context, { worker_image: 'none' }, before, signal)).toBe('none')
  expect(imageSettings(before)).toEqual({ images: { default: pinned } })
  expect(imageSettings({ worker_image: 'none' })).toEqual({})
})

test('what cannot be is refused before anything is changed', async () => {
  const folder = await testFolder()
  const context = await contextIn(folder)
  await writeLayout(join(folder, 'layout'), await makeImage({ architecture: 'arm64' }))
  const asked = (worker_image: string, sandbox?: 'off') =>
    pinnedImage(context, { worker_image, ...(sandbox && { sandbox }) }, {}, signal)
  await expect(asked('docker://debian:13', 'off')).rejects.toMatchObject({ kind: 'invalid' })
  await expect(asked('oci:layout')).rejects.toMatchObject({ kind: 'invalid' })
  await expect(asked('docker://Not/An/Image')).rejects.toMatchObject({ kind: 'invalid' })
  await expect(asked(`oci:${folder}/nowhere`)).rejects.toMatchObject({ kind: 'not-found' })
  await expect(asked(`oci:${folder}/layout`)).rejects.toMatchObject({ kind: 'not-found' })
})
