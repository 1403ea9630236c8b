#!/usr/bin/env node
// Bundles the packages that every command loads into one file each under dist/vendor, and makes dist import these:
// @oclif/core, zod and yaml are 350 files, and opening them is half of what a short command takes. Of zod's namespace
// only what is used is included, since the rest (fifty languages) is most of it. Our own modules stay where they are.
// Run after tsc; a second run changes nothing.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { minify } from 'rolldown/utils'

/** File under dist/vendor, by package. */
const vendored = { '@oclif/core': 'oclif', execa: 'execa', yaml: 'yaml', zod: 'zod' }

/**
 * A separate bundle, so that zod's stays small: the SDK uses all of zod. It is bundled because installing it would pull
 * in a web server and some sixty more packages, none of which its server on two streams loads.
 */
const mcp = {
  '@modelcontextprotocol/sdk/server/index.js': 'mcp-server',
  '@modelcontextprotocol/sdk/server/stdio.js': 'mcp-stdio',
  '@modelcontextprotocol/sdk/types.js': 'mcp-types',
}

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
const files = { ...vendored, ...mcp }
const names = new Map(Object.keys(files).map((each) => [each, new Set()]))
const zodMembers = new Set()

/** Comments and white space go; names stay, since oclif inspects them and stack traces show them. */
const namesKept = { compress: false, mangle: false, codegen: true }

/** oclif sorts command names by locale: without LANG that loads ICU's tables, 8 ms of every command. */
const plainSort = {
  name: 'plain-sort',
  transform: {
    filter: { id: /@oclif\/core\/lib\/config\/plugin\.js$/ },
    handler(code) {
      const sort = /\(a, b\) => a\.id\.localeCompare\(b\.id\)/
      if (!sort.test(code)) throw new Error(`@oclif/core sorts its commands in a way that bin/vendor.js does not know`)
      return { code: code.replace(sort, '(a, b) => (a.id < b.id ? -1 : 1)'), map: null }
    },
  },
}

/** A server without forms to fill in validates nothing against a JSON Schema: ajv is left out. */
const withoutAjv = {
  name: 'without-ajv',
  transform: {
    filter: { id: /@modelcontextprotocol\/sdk\/dist\/esm\/validation\/ajv-provider\.js$/ },
    handler: () => ({ code: 'export class AjvJsonSchemaValidator {}', map: null }),
  },
}

for await (const file of glob(['src/**/*.js', 'commands/**/*.js'], { cwd: dist })) redirect(join(dist, file))
await bundle()
await shorten(join(dist, 'src/wire/gen/proto.js'))

/** Makes one module import the vendored files, and records which names it uses of them. */
function redirect(file) {
  const before = readFileSync(file, 'utf8')
  let after = before
  for (const [name, short] of Object.entries(files)) {
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
  if (/from '[^']*\/zod\.js'/.test(after))
    for (const [, member] of after.matchAll(/\bz\.(\w+)/g)) zodMembers.add(member)
}

function note(name, item) {
  const imported = item
    .trim()
    .split(/ as |:/)[0]
    ?.trim()
  if (imported) names.get(name)?.add(imported)
}

async function bundle() {
  // Below the checkout, so that its packages are found. A fixed name, because it appears in the bundle.
  const work = join(dist, 'vendor-entries')
  await mkdir(work, { recursive: true })
  await rm(join(dist, 'vendor'), { recursive: true, force: true })
  await mkdir(join(dist, 'vendor'))
  try {
    await bundleOf(vendored, work, namesKept)
    const modules = await bundleOf(mcp, work, true)
    await writeFile(join(dist, 'vendor/mcp.licenses.txt'), licensesOf(modules))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Returns the files that it consists of. */
async function bundleOf(packages, work, minify) {
  const input = {}
  for (const [name, short] of Object.entries(packages)) {
    input[short] = join(work, `${short}.js`)
    await writeFile(input[short], entry(name, [...(names.get(name) ?? [])].sort()))
  }
  // oclif loads these when it runs from a TypeScript checkout of its own; ours is not one.
  const external = ['typescript', 'tsx', 'ts-node']
  const build = await rolldown({ cwd: root, input, platform: 'node', external, plugins: [plainSort, withoutAjv] })
  const { output } = await build.write({
    dir: join(dist, 'vendor'),
    format: 'esm',
    minify,
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  })
  await build.close()
  return output.flatMap((chunk) => chunk.moduleIds ?? [])
}

/** The licences of bundled packages that are not installed with ours, as they require. */
function licensesOf(modules) {
  const folders = modules.flatMap((each) => /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(each)?.[1] ?? [])
  return [...new Set(folders)]
    .sort()
    .map((folder) => {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const file = readdirSync(folder).find((each) => /^licen[cs]e(?:\.\w+)?$/i.test(each))
      if (!file) throw new Error(`${name} has no licence that could go along with it`)
      return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
    })
    .join('\n---\n\n')
}

/** Strips comments and white space: the generated message code is 2 MB with them, and nobody reads it there. */
async function shorten(file) {
  const { code, errors } = await minify(file, await readFile(file, 'utf8'), namesKept)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`)
  await writeFile(file, code)
}

/** The module that a bundle is built from. */
function entry(name, items) {
  if (name !== 'zod') return `export { ${items.join(', ')} } from '${name}'\n`
  const members = [...zodMembers].sort()
  return [
    `import { ${members.map((each) => `${each} as z_${each}`).join(', ')}, config } from 'zod'`,
    // Generating code for each schema pays off when much is parsed; we parse each file once.
    'config({ jitless: true })',
    `export const z = { ${members.map((each) => `${each}: z_${each}`).join(', ')} }`,
    `export { ${items.filter((each) => each !== 'z').join(', ')} } from 'zod'`,
    '',
  ].join('\n')
}
