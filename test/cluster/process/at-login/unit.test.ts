import { describe, expect, test } from 'vitest'
import { loginUnit } from '../../../../src/cluster/process/at-login/unit.ts'
import { clusterPaths } from '../../../../src/cluster/process/paths.ts'

const unitOf = (options: {
  name?: string
  env?: Readonly<Record<string, string>>
  platform?: NodeJS.Platform
  program?: string[]
}) => {
  const { name = 'native', env = {}, platform = 'linux', program = ['/usr/bin/node', '/opt/n/run.js'] } = options
  const user = { env, home: '/home/me', tmp: '/tmp', uid: 1000 }
  const machine = { platform, arch: 'x64', cpus: 1 } as const
  return loginUnit({ paths: clusterPaths(name, user), user, machine, program })
}
const line = (text: string, key: string) => text.split('\n').find((each) => each.startsWith(`${key}=`))

describe("systemd's unit", () => {
  test('is where the XDG folders say, one for each cluster', () => {
    expect(unitOf({}).path).toBe('/home/me/.config/systemd/user/native-native.service')
    const { path, name, enabledBy } = unitOf({ name: 'two', env: { XDG_CONFIG_HOME: '/c' } })
    expect({ path, name, enabledBy }).toEqual({
      path: '/c/systemd/user/native-two.service',
      name: 'native-two.service',
      enabledBy: '/c/systemd/user/default.target.wants/native-two.service',
    })
    expect(unitOf({ env: { XDG_CONFIG_HOME: 'relative' } }).path).toContain('/home/me/.config/')
  })

  test('runs up for that cluster, and with the folders of now', () => {
    const { text } = unitOf({ name: 'two', env: { XDG_STATE_HOME: '/s', PATH: '/bin', TOKEN: 'secret' } })
    expect(line(text, 'ExecStart')).toBe('ExecStart=/usr/bin/node /opt/n/run.js up --name two --driver process')
    expect(line(text, 'Environment')).toBe('Environment=XDG_STATE_HOME=/s')
    expect(text).not.toContain('secret')
  })

  test('has the processor controller delegated, without which limits of processors are not kept', () => {
    expect(line(unitOf({}).text, 'Delegate')).toBe('Delegate=yes')
  })

  test.each([
    ['/a b/run.js', '"/a b/run.js"'],
    ['/a%h/run.js', '/a%%h/run.js'],
    ['/a$HOME/run.js', '"/a$$HOME/run.js"'],
    ['/a"b\\c/run.js', '"/a\\"b\\\\c/run.js"'],
    ["/it's/run.js", '"/it\'s/run.js"'],
    ['/ä\n/run.js', '"/ä\\x0a/run.js"'],
    ['/a;b/run.js', '"/a;b/run.js"'],
  ])('quotes words as systemd reads them: %s', (path, word) => {
    const { text } = unitOf({ program: ['/usr/bin/node', path] })
    expect(line(text, 'ExecStart')).toBe(`ExecStart=/usr/bin/node ${word} up --name native --driver process`)
  })

  test.each(['/a"b/node', "/it's/node", '/a$b/node', '/a\\b/node'])(
    'starts a program whose path systemd would not take through a shell: %s',
    (node) => {
      const { text } = unitOf({ program: [node, '/run.js'] })
      expect(line(text, 'ExecStart')).toMatch(
        /^ExecStart=\/bin\/sh -c "exec \\"\$\$0\\" \\"\$\$@\\"" ".*" \/run\.js up /,
      )
    },
  )

  test('leaves a dollar in a variable alone, where systemd reads none', () => {
    const { text } = unitOf({ env: { XDG_DATA_HOME: '/d $x %h' } })
    expect(line(text, 'Environment')).toBe('Environment="XDG_DATA_HOME=/d $x %%h"')
  })
})

test("launchd's agent has the same words, escaped for XML", () => {
  const { path, text } = unitOf({ platform: 'darwin', program: ['/usr/bin/node', '/a & <b>/run.js'] })
  expect(path).toBe('/home/me/Library/LaunchAgents/native-native.plist')
  expect(text).toContain('<string>/a &#38; &#60;b&#62;/run.js</string>')
})
