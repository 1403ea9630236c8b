import { expect, onTestFinished, test } from 'vitest'
import { checkHermetic } from '../../../src/cli/check-hermetic.ts'
import { hermeticText } from '../../../src/cli/hermetic/text.ts'
import { createActionsClient } from '../../../src/client/actions.ts'
import type { CasClient } from '../../../src/client/cas.ts'
import { wireDigest } from '../../../src/client/context.ts'
import { checkedDigest } from '../../../src/core/digest.ts'
import { re } from '../../../src/wire/proto.ts'
import { Code, RpcError } from '../../../src/wire/rpc.ts'
import { createScene as createHistory } from '../../explain/scene.ts'
import { blobOf } from '../../fixture/blob.ts'
import { type Answer, createScene } from '../repeat/scene.ts'

async function kept(cas: CasClient, text: string) {
  const { digest, bytes } = blobOf(text)
  await cas.upload([{ digest, content: bytes }])
  return wireDigest(digest)
}

/** A run that a worker has traced, and that took nothing. */
async function tracedResult(action: re.Action, cas: CasClient, result: re.ActionResult.$Properties = {}) {
  const { hash = '', sizeBytes = 0 } = action.commandDigest ?? {}
  const command = re.Command.decode(await cas.readBlob({ fn: 'sha256', hash: hash ?? '', size: sizeBytes ?? 0 }))
  const traces = command.outputPaths.filter((path) => path.startsWith('.native-trace-'))
  const digest = await kept(cas, '/build/root\n')
  return { ...result, outputFiles: [...(result.outputFiles ?? []), ...traces.map((path) => ({ path, digest }))] }
}

/** What is told of a build of actions that make `out` and `link`, whose results the cache has. */
async function reportOn(answer: Answer, count = 1) {
  const past = createHistory()
  onTestFinished(() => past.dispose())
  const targets = Array.from({ length: count }, (_, at) => ({ target: `//:t${at}`, makes: ['link', `out${at}`] }))
  const digests = past.build('b', targets)
  const { cache, scheduler, cas } = createScene(answer)
  const out = await kept(cas, 'made')
  for (const [at, text] of digests.entries()) {
    const [hash = '', size] = text.split('/')
    await createActionsClient(cache).update(checkedDigest('sha256', hash, Number(size)), {
      outputFiles: [{ path: `out${at}`, digest: out }],
      outputSymlinks: [{ path: 'link', target: 'out' }],
    })
  }
  const signal = new AbortController().signal
  return checkHermetic(past.history, cache, scheduler, { limit: 10, allow: [], version: '1', signal })
}

test('an action that makes the same and takes nothing', async () => {
  const report = await reportOn(async (action, cas) => {
    const outputFiles = [{ path: 'out0', digest: await kept(cas, 'made') }]
    return tracedResult(action, cas, { outputFiles, outputSymlinks: [{ path: 'link', target: 'out' }] })
  })
  expect(report).toMatchObject({ actions: 1, checked: 1, findings: [], unchecked: [], stopped: null })
  expect(hermeticText(report)).toContain('its only action was run once more, traced.')
  expect(hermeticText(report)).toContain('It took nothing from the machine besides its inputs.')
})

test('an action that fails when it is traced is not one that took nothing', async () => {
  const report = await reportOn(async (action, cas) => {
    const stderrDigest = await kept(cas, 'one\nstrace: ptrace(PTRACE_TRACEME): Operation not permitted\n')
    return tracedResult(action, cas, { exitCode: 1, stderrDigest })
  })
  expect(report).toMatchObject({ checked: 0, findings: [] })
  expect(report.unchecked).toMatchObject([
    {
      target: '//:t0',
      why: 'it ended with exit code 1 when traced, and with 0 before: strace: ptrace(PTRACE_TRACEME): Operation not permitted',
    },
  ])
  expect(hermeticText(report)).toContain('Nothing can be said about this build.')
})

test('an output that is not there the second time is found, as is a symlink to elsewhere', async () => {
  const report = await reportOn((action, cas) =>
    tracedResult(action, cas, { outputSymlinks: [{ path: 'link', target: 'elsewhere' }] }),
  )
  expect(report.findings.map(({ kind, what }) => [kind, what])).toEqual([
    ['output', 'out0'],
    ['output', 'link'],
  ])
})

test('a caller who is refused gets the refusal, and no list of actions', async () => {
  const denied = () => Promise.reject(new RpcError(Code.PERMISSION_DENIED, 'this token may not execute'))
  await expect(reportOn(denied, 8)).rejects.toMatchObject({ code: Code.PERMISSION_DENIED })
})

test('what was found stands when the server goes away', async () => {
  let runs = 0
  const report = await reportOn((action, cas) => {
    runs += 1
    if (runs > 1) throw new RpcError(Code.PERMISSION_DENIED, 'the token has expired')
    return tracedResult(action, cas)
  }, 8)
  expect(report).toMatchObject({ actions: 8, checked: 1, stopped: { message: 'the token has expired' } })
  expect(hermeticText(report)).toMatch(/The check was stopped.*the token has expired.*actions were not begun/)
})
