import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { readKindMemory } from '../../../src/cluster/kind/state.ts'
import { stateStep } from '../../../src/cluster/kind/state-step.ts'
import { kindWorld, nodesText } from './world.ts'

const options = { retain: false, nodes: 2, gateway: 'envoy' } as const

test('what up was given is written down before anything is made, and stays for the next up', async () => {
  const { context, report } = await kindWorld(() => [])
  await stateStep(context, options).run(report)
  expect(await readKindMemory(context.paths)).toMatchObject({
    nodes: 2,
    profile: 'envoy',
    container: null,
    madeKubeconfig: true,
  })
  await stateStep(context, { retain: false, registryMirrors: ['docker.io=https://m.example.com'] }).run(report)
  expect(await readKindMemory(context.paths)).toMatchObject({ nodes: 2, mirrors: ['docker.io=https://m.example.com'] })
})

test('is taken back once all that was made is gone, and kept where something could not be removed', async () => {
  const { context, report } = await kindWorld(() => [
    { call: 'docker ps --all --no-trunc', does: '[ -e $WORLD/gone ] || { touch $WORLD/gone; cat $WORLD/nodes; }' },
    { call: 'docker ps --all --quiet' },
    { call: 'docker network ls' },
  ])
  const step = stateStep(context, options)
  await step.run(report)
  await writeFile(`${context.user.home}/nodes`, `${nodesText(['c1', 'n-control-plane', 'running'])}\n`)
  await expect(step.undo?.()).rejects.toMatchObject({
    kind: 'precondition',
    message: expect.stringContaining('n-control-plane'),
  })
  expect(existsSync(context.paths.cluster)).toBe(true)
  await step.undo?.()
  expect(existsSync(context.paths.state)).toBe(false)
})
