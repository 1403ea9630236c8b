#!/usr/bin/env node
// Puts the packages that every command loads into one file each under dist/vendor, and lets dist import
// these: @oclif/core, zod and yaml are 350 files, and opening them is half of what a short command takes.
// Our own modules stay where they are. Run after tsc; a second run changes nothing.
import { readFileSync, writeFileSync } from 'node:fs'
import { glob, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

/** File under dist/vendor, by package. */
const vendored = { '@oclif/core': 'oclif', yaml: 'yaml', zod: 'zod' }

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
const names = new Map(Object.keys(vendored).map((each) => [each, new Set()]))

for await (const file of glob(['src/**/*.js', 'commands/**/*.js'], { cwd: dist })) redirect(join(dist, file))
await bundle()

/** Lets one module import the vendored files, and notes which names it wants of them. */
function redirect(file) {
  const before = readFileSync(file, 'utf8')
  let after = before
  for (const [name, short] of Object.entries(vendored)) {
    const to = relative(dirname(file), join(dist, 'vendor', `${short}.js`))
    const specifier = to.startsWith('.') ? to : `./${to}`
    const quoted = `['"](?:${name}|${specifier.replaceAll('.', '\\.')})['"]`
    const forms = [
      new RegExp(`(import \\{([^}]*)\\} from )${quoted}`, 'g'),
      new RegExp(`(const \\{([^}]*)\\} = await import\\()${quoted}`, 'g'),
    ]
    for (const form of forms)
      after = after.replace(form, (_, head, list) => {
        for (const each of list.split(',')) note(name, each)
        return `${head}'${specifier}'`
      })
    if (new RegExp(`(?:from |import\\()['"]${name}['"]`).test(after))
      throw new Error(`${file} imports ${name} in a way that bin/vendor.js does not know`)
  }
  if (after !== before) writeFileSync(file, after)
}

function note(name, item) {
  const imported = item
    .trim()
    .split(/ as |:/)[0]
    ?.trim()
  if (imported) names.get(name)?.add(imported)
}

async function bundle() {
  // Below the checkout, so that its packages are found. One name always: it stands in what is bundled.
  const work = join(dist, 'vendor-entries')
  await mkdir(work, { recursive: true })
  try {
    const input = {}
    for (const [name, short] of Object.entries(vendored)) {
      input[short] = join(work, `${short}.js`)
      await writeFile(input[short], `export { ${[...(names.get(name) ?? [])].sort().join(', ')} } from '${name}'\n`)
    }
    // oclif loads these where a checkout of its own is run from TypeScript; ours is not.
    const build = await rolldown({ cwd: root, input, platform: 'node', external: ['typescript', 'tsx', 'ts-node'] })
    await rm(join(dist, 'vendor'), { recursive: true, force: true })
    await mkdir(join(dist, 'vendor'))
    await build.write({
      dir: join(dist, 'vendor'),
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
    })
    await build.close()
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
