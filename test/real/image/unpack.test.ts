import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { openSource } from '../../../src/image/open.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { unpackImage } from '../../../src/image/unpack/unpack.ts'
import { testFolder } from '../../fixture/folder.ts'
import { writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { layerPlace } from '../../fixture/layer-place.ts'
import { imageOf, type LayerEntry, layerOf } from '../../fixture/layers.ts'
import { have } from '../../fixture/real.ts'

const isThere = await have('umoci')

const below: LayerEntry[] = [
  { name: 'bin', type: 'symlink', target: 'usr/bin' },
  { name: 'usr/bin/tool', content: 'tool', mode: 0o755 },
  { name: 'usr/bin/same', type: 'link', target: 'usr/bin/tool' },
  { name: 'usr/share/doc/a', content: 'a' },
  { name: 'usr/share/doc/b', content: 'b' },
  { name: 'opt/gone/x', content: 'x' },
  { name: 'var/cache/1', content: '1' },
  { name: 'var/cache/more/2', content: '2' },
  { name: 'was-file', content: 'file' },
  { name: 'was-folder/inside', content: 'inside' },
  { name: 'was-link', type: 'symlink', target: 'was-file' },
]
const above: LayerEntry[] = [
  { name: 'usr/share/doc/.wh.a' },
  { name: 'opt/.wh.gone' },
  { name: 'var/cache/.wh..wh..opq' },
  { name: 'var/cache/new', content: 'new' },
  { name: 'usr/bin/third', type: 'link', target: 'usr/bin/tool' },
  { name: 'bin/by-link', content: 'by link', mode: 0o644 },
  { name: 'was-file', type: 'directory' },
  { name: 'was-file/inside', content: 'inside' },
  { name: 'was-folder', content: 'file' },
  { name: 'was-link', content: 'file' },
]

/** Each path with its type, mode, number of links, size and target. */
async function listing(tree: string): Promise<string[]> {
  // Of folders the size tells of the file system, and the mode of who may enter.
  const { stdout } = await execa('find', [
    tree,
    '-mindepth',
    '1',
    '(',
    '-type',
    'd',
    '-printf',
    '%y %P\n',
    ')',
    '-o',
    '-printf',
    '%y %P %m %n %s %l\n',
  ])
  return stdout.split('\n').sort()
}

describe.runIf(isThere)('an image that we unpack', () => {
  it('is what umoci makes of it', async () => {
    const folder = await testFolder()
    const layers = await Promise.all([below, above].map(layerOf))
    await writeLayout(join(folder, 'layout'), imageOf(layers), 'it')
    const ours = join(folder, 'ours')
    mkdirSync(ours)
    const source = await openSource(
      parseReference(`oci:${folder}/layout:it`),
      testImageContext(folder, { clock: systemClock }),
    )
    const stored = layerPlace(join(folder, 'layers'))
    await unpackImage(source, await source.manifest(), ours, stored, 1e6, new AbortController().signal)
    await source.close()
    // Its files are also names of ours.
    rmSync(join(folder, 'layers'), { recursive: true })
    await execa('umoci', ['raw', 'unpack', '--rootless', '--image', `${folder}/layout:it`, join(folder, 'theirs')])
    expect(await listing(ours)).toEqual(await listing(join(folder, 'theirs')))
  })
})
