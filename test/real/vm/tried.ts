// What trying.ts (test/worker/sandbox) has printed: a line for each way out of a sandbox. Fails if one of them led out.
import { text } from 'node:stream/consumers'

const tried: Record<string, { with: string; without: string }> = JSON.parse(await text(process.stdin))
for (const [title, { with: inside, without }] of Object.entries(tried)) {
  const held = inside.includes('BEGUN') && !inside.includes('ESCAPED')
  if (!held) process.exitCode = 1
  console.log(`${held ? 'held' : 'WRONG'}: ${title}${without.includes('ESCAPED') ? '' : ' (nor without a sandbox)'}`)
}
