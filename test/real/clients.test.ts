import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execaSync } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native, root } from '../fixture/program.ts'
import { createWorkdir, have, type Workdir } from '../fixture/real.ts'

let native: Native
let work: Workdir
/** One address serves them all: none of these clients knows of two. */
let url: string

beforeAll(async () => {
  native = await createNative()
  work = createWorkdir()
  await native.ok('deploy', '--workers', '1', '--slots', '2')
  const { scheduler } = JSON.parse((await native.ok('ips', '--json')).stdout)
  url = `http://${scheduler.address}`
})
afterAll(async () => {
  await native.dispose()
  await work.remove()
})

describe.skipIf(!(await have('sid:recc')))('recc', () => {
  const recc = (env: Record<string, string>, ...args: string[]) =>
    work.chroot(['recc', '/usr/bin/g++', ...args], {
      cwd: 'src',
      env: { RECC_SERVER: url, RECC_LOG_LEVEL: 'info', RECC_REMOTE_PLATFORM_OSFamily: 'linux', ...env },
    })
  const compile = ['-I.', '-c', 'cc/greeting.cpp', '-o', 'greeting.o']

  beforeAll(() => {
    mkdirSync(join(work.path, 'src'))
    cpSync(join(root, 'test/real/workspace/cc'), join(work.path, 'src/cc'), { recursive: true })
  })

  test('compiles remotely, then finds the result', async () => {
    const first = await recc({}, ...compile)
    expect(first.all).toContain('Executing action remotely')
    expect(first.exitCode).toBe(0)
    const second = await recc({}, ...compile)
    expect(second.all).toContain('Action Cache hit')
    expect(second.exitCode).toBe(0)
  })

  test('as a cache only: what one compiled locally another finds', async () => {
    const cacheOnly = { RECC_CACHE_ONLY: '1', RECC_CACHE_UPLOAD_LOCAL_BUILD: '1' }
    const args = ['-DCACHE_ONLY', ...compile]
    expect((await recc(cacheOnly, ...args)).all).toContain('Action cache updated')
    expect((await recc(cacheOnly, ...args)).all).toContain('Action Cache hit')
  })
})

describe.skipIf(!(await have('sid:trexe')))('trexe', () => {
  const trexe = (...args: string[]) => work.chroot(['trexe', `--remote=${url}`, ...args])

  test('inputs, outputs, streams and the exit code', async () => {
    mkdirSync(join(work.path, 'in'), { recursive: true })
    writeFileSync(join(work.path, 'in/big'), Buffer.alloc(3_000_000, 7))
    const ran = await trexe(
      '--input-path=in:in',
      '--output-path=result',
      '--d=out',
      '--env=PATH=/usr/bin:/bin',
      '--stdout-file=stdout',
      '/bin/sh',
      '-c',
      'mkdir result; wc -c < in/big > result/n; echo said; exit 5',
    )
    expect(ran.exitCode).toBe(5)
    expect((await readFile(join(work.path, 'out/result/n'), 'utf8')).trim()).toBe('3000000')
    expect(await readFile(join(work.path, 'stdout'), 'utf8')).toBe('said\n')
  })

  test('an operation can be waited for by another call, and cancelled', async () => {
    const begin = async (script: string) =>
      (
        await trexe('--no-wait', '--skip-cache-lookup', '--env=PATH=/usr/bin:/bin', '/bin/sh', '-c', script)
      ).stdout.trim()
    const waited = await begin('echo late')
    await trexe(`--operation=${waited}`, '--wait', '--d=late', '--stdout-file=late.txt')
    expect(await readFile(join(work.path, 'late.txt'), 'utf8')).toBe('late\n')
    const cancelled = await begin('sleep 600')
    expect((await trexe(`--operation=${cancelled}`, '--cancel')).exitCode).toBe(0)
  })

  test('a time-out ends the action', async () => {
    const ran = await trexe('--exec-timeout=1', '--env=PATH=/usr/bin:/bin', '/bin/sh', '-c', 'echo partial; sleep 600')
    expect(ran.exitCode).toBe(1)
    expect(ran.all).toMatch(/\b4\b/)
  })
})

describe.skipIf(!(await have('sid:casupload')))('casupload and casdownload', () => {
  test('a tree goes up and comes down the same', async () => {
    const up = join(work.path, 'tree')
    mkdirSync(join(up, 'empty'), { recursive: true })
    mkdirSync(join(up, 'deep/er'), { recursive: true })
    writeFileSync(join(up, 'deep/er/file'), 'x'.repeat(100_000))
    writeFileSync(join(up, 'tool'), '#!/bin/sh\n', { mode: 0o755 })
    writeFileSync(join(up, 'large'), Buffer.alloc(20_000_000, 3))
    const uploaded = await work.chroot([
      'casupload',
      `--remote=${url}`,
      `--output-digest-file=${work.path}/digest`,
      'tree',
    ])
    expect(uploaded.exitCode).toBe(0)
    const digest = (await readFile(join(work.path, 'digest'), 'utf8')).trim()
    const downloaded = await work.chroot([
      'casdownload',
      `--remote=${url}`,
      '--destination-dir=got',
      `--root-digest=${digest}`,
    ])
    expect(downloaded.exitCode).toBe(0)
    expect(execaSync('diff', ['-r', up, join(work.path, 'got')]).stdout).toBe('')
  })
})

describe.skipIf(!(await have('sid:siso')))('siso', () => {
  const siso = async (folder: string, ...args: string[]) => {
    await work.copy('siso', folder)
    const address = url.replace('http://', '')
    const flags = [
      '-project',
      '',
      '-reapi_address',
      address,
      '-reapi_insecure',
      '-reapi_instance',
      '',
      '-strict_remote',
    ]
    return work.chroot(['siso', 'ninja', '-C', 'out', ...flags, ...args], { cwd: folder })
  }

  test('runs remotely, then out of the cache', async () => {
    expect((await siso('siso-1')).all).toContain('remote:4 cache:0')
    expect((await siso('siso-2')).all).toContain('remote:0 cache:4')
  })

  test.each(['sha1', 'sha384', 'sha512', 'blake3'])('with %s digests', async (fn) => {
    expect((await siso(`siso-${fn}`, '-reapi_digest_function', fn)).all).toContain('remote:4 cache:0')
  })

  test('with compressed blobs', async () => {
    const ran = await siso('siso-zstd', '-reapi_compress_blob', '1')
    expect(ran.all).toMatch(/remote:\d cache:\d/)
    expect(ran.exitCode).toBe(0)
  })
})

describe.skipIf(!(await have('sid:bst', 'sid:buildbox-casd')))('BuildStream', () => {
  test('pushes artifacts and sources, and pulls them again, with nobody but the cluster', async () => {
    await work.copy('buildstream', 'bst')
    const config = join(work.path, 'buildstream.conf')
    await native.ok('client', 'buildstream', '--write', config)
    const bst = (...args: string[]) => work.chroot(['bst', '-c', config, '--no-colors', ...args], { cwd: 'bst' })
    const forget = () => rm(join(work.path, 'home/.cache/buildstream'), { recursive: true })
    expect((await bst('build', 'hello.bst')).all).toMatch(new RegExp(`Pushed data from artifact .* -> ${url}`))
    expect((await bst('source', 'push', 'hello.bst')).exitCode).toBe(0)
    await forget()
    expect((await bst('artifact', 'pull', 'hello.bst')).all).toMatch(/Pulled artifact/)
    expect((await bst('artifact', 'checkout', '--directory', join(work.path, 'bst-out'), 'hello.bst')).exitCode).toBe(0)
    expect(execaSync('diff', ['-r', join(work.path, 'bst/files'), join(work.path, 'bst-out')]).stdout).toBe('')
    await forget()
    const fetched = await bst('source', 'fetch', 'hello.bst')
    expect(fetched.exitCode, fetched.all).toBe(0)
    expect(fetched.all).toMatch(/Pulled source/)
  })
})
