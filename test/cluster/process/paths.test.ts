import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clusterPaths } from '../../../src/cluster/process/paths.ts'
import type { UserContext } from '../../../src/host/user-folders.ts'

const home = '/home/ann'
const at = (env: UserContext['env']) => clusterPaths('native', { env, home, tmp: '/tmp', uid: 1000 })

describe('the folders of a cluster', () => {
  it('are those of the XDG specification', () => {
    const paths = at({ XDG_STATE_HOME: '/s', XDG_DATA_HOME: '/d' })
    expect(paths).toMatchObject({
      state: '/s/native/native',
      data: '/d/native/native',
      socket: '/s/native/native/s.sock',
    })
  })

  it('are below home where a variable is unset, empty or relative', () => {
    for (const value of [undefined, '', 'relative/path'])
      expect(at({ XDG_STATE_HOME: value, XDG_DATA_HOME: value })).toMatchObject({
        state: '/home/ann/.local/state/native/native',
        data: '/home/ann/.local/share/native/native',
      })
  })

  it('keep the lock out of what down removes', () => {
    const { lock, portsLock, state } = at({})
    expect(lock.startsWith(`${state}/`) || portsLock.startsWith(`${state}/`)).toBe(false)
  })

  it('are apart for clusters of different names', () => {
    const other = clusterPaths('other', { env: {}, home, tmp: '/tmp', uid: 1000 })
    expect(other.state).not.toBe(at({}).state)
    expect(other.lock).not.toBe(at({}).lock)
  })
})

describe('the socket', () => {
  const deep = `/${'x'.repeat(120)}`

  it('goes to the runtime folder where its path would be too long, else to a folder of its own in the temporary one', () => {
    expect(at({ XDG_STATE_HOME: deep, XDG_RUNTIME_DIR: '/run/user/1000' }).socket).toMatch(
      /^\/run\/user\/1000\/native-[0-9a-f]{16}\/s\.sock$/,
    )
    expect(at({ XDG_STATE_HOME: deep }).socket).toMatch(/^\/tmp\/native-1000-[0-9a-f]{16}\/s\.sock$/)
  })

  it('never has a path that a socket cannot have', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^(\/[a-zé]{1,40}){1,6}$/),
        fc.stringMatching(/^(\/[a-z]{1,40}){1,6}$/),
        (state, run) => {
          const { socket } = at({ XDG_STATE_HOME: state, XDG_RUNTIME_DIR: run })
          expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(103)
        },
      ),
    )
  })
})
