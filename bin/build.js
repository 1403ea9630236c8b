// How `npm pack` begins.
import { buildForPackage } from './setup.js'

await buildForPackage()
