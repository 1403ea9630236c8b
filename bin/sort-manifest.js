#!/usr/bin/env node
// Sorts the commands of oclif.manifest.json by name. oclif writes them in the order in which it finds their files, and
// it reads folders concurrently: one in ten builds of the same sources came out differently.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './setup.js'

const file = join(root, 'oclif.manifest.json')
const manifest = JSON.parse(readFileSync(file, 'utf8'))
const commands = Object.entries(manifest.commands).sort(([one], [other]) => (one < other ? -1 : 1))
writeFileSync(file, `${JSON.stringify({ ...manifest, commands: Object.fromEntries(commands) }, null, 2)}\n`)
