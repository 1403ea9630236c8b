import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginUnit } from '../../src/cluster/process/at-login/unit.ts'
import { clusterPaths } from '../../src/cluster/process/paths.ts'
import { linkedPath } from '../fixture/program.ts'
import { have } from '../fixture/real.ts'

// A real systemd reads the unit, and is the manager of a user who logs in, again and again; Python's parser reads the
// agent for launchd. macOS's own was never asked.

/** What shells, systemd and XML each read as something else. */
const odd = `a b %h $HOME 'q" \\x & <ü>;`

let folder: string
beforeAll(async () => {
  // A short path: a Unix socket's has at most 103 bytes.
  folder = await realpath(await mkdtemp(join(tmpdir(), 'n-login-')))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function unitAt(place: string, platform: NodeJS.Platform) {
  const env = { XDG_STATE_HOME: join(place, 'state'), XDG_CONFIG_HOME: join(place, 'config') }
  const user = { env, home: join(place, 'home'), tmp: '/tmp', uid: 0 }
  const machine = { platform, arch: 'x64', cpus: 1 } as const
  const program = [join(place, 'node'), join(place, 'run.js')]
  return loginUnit({ paths: clusterPaths('native', user), user, machine, program })
}

/** Lines of a shell beside a user's manager of systemd, in a namespace whose /run is its own. */
const inSession = (lines: string, env: Readonly<Record<string, string>>) =>
  execa('unshare', ['--mount', '--propagation', 'private', 'bash', '-euo', 'pipefail', '-c', `${session}${lines}`], {
    env,
    extendEnv: false,
    reject: false,
    all: true,
    stdin: 'ignore',
  })

const session = `
mount -t tmpfs none /run
mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR"
log_in() {
  /lib/systemd/systemd --user > "$HOME/manager.log" 2>&1 &
  manager=$!
  for ((i = 0; i < 200; i++)); do
    if systemctl --user is-active --quiet default.target 2> /dev/null; then return; fi
    sleep 0.1
  done
  cat "$HOME/manager.log"
  return 1
}
log_out() {
  kill "$manager"
  wait "$manager" || true
}
`

describe.skipIf(process.getuid?.() !== 0 || !(await have('systemd-analyze', 'unshare')))('systemd', () => {
  test.each(['plain', odd])('accepts the unit and starts the very words: %s', async (name) => {
    const place = join(folder, name)
    const { path, text } = unitAt(place, 'linux')
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, text)
    const told = join(folder, 'told')
    await writeFile(join(place, 'node'), `#!/bin/sh\nprintf '%s\\n' "$XDG_STATE_HOME" "$0" "$@" > ${told}\n`, {
      mode: 0o755,
    })
    const env = {
      PATH: '/usr/bin:/bin',
      HOME: folder,
      XDG_CONFIG_HOME: join(place, 'config'),
      XDG_RUNTIME_DIR: '/run/user/0',
    }
    const { exitCode, all } = await inSession(
      `systemd-analyze verify --user --man=no native-native.service; log_in; systemctl --user start native-native.service; cat ${told}; log_out`,
      env,
    )
    expect(exitCode, all).toBe(0)
    const run = [join(place, 'run.js'), 'up', '--name', 'native', '--driver', 'process']
    expect(all.split('\n')).toEqual([join(place, 'state'), join(place, 'node'), ...run])
  })

  test('brings a deployed cluster up at each log-in, until down', async () => {
    const home = join(folder, 'home')
    await mkdir(home)
    const env = { PATH: await linkedPath(home), HOME: home, XDG_RUNTIME_DIR: '/run/user/0', NO_COLOR: '1' }
    const { exitCode, all } = await inSession(
      `
ended() {
  # As a machine that loses its power; the servers go with their supervisor.
  kill -9 "$(node -p 'JSON.parse(fs.readFileSync(0)).pid' < "$HOME/.local/state/native/native/servers.json")"
}
until_deployed() {
  for ((i = 0; i < 200; i++)); do
    if native status --exit-status > /dev/null; then return; fi
    sleep 0.1
  done
  native status
  return 1
}
log_in
native up --at-login
native deploy --workers 1 --slots 1
systemctl --user is-enabled native-native.service
native doctor | grep 'at log-in' || true
for turn in 1 2; do
  ended
  log_out
  native status | head -1
  log_in
  until_deployed
  native exec -- /bin/echo "turn $turn"
done
native down
systemctl --user is-enabled native-native.service || true
echo "the unit is $(systemctl --user is-active native-native.service)"
log_out
ls -A "$HOME/.config/systemd/user"
log_in
native status 2> /dev/null
log_out
`,
      env,
    )
    expect(exitCode, all).toBe(0)
    expect(all).toMatch(/^Start at log-in: .*native-native\.service/m)
    expect(all).toMatch(/^enabled$/m)
    expect(all).toMatch(/^ok .*at log-in .*the cluster comes up/m)
    expect(all.match(/^Cluster "native" \(process\): failed$/gm)).toHaveLength(2)
    expect(all).toContain('turn 1')
    expect(all).toContain('turn 2')
    expect(all).toMatch(/^Start at log-in: no longer/m)
    expect(all).toMatch(/^the unit is inactive$/m)
    expect(all).toMatch(/Cluster "native" \(process\): absent$/)
  }, 120_000)
})

describe.skipIf(!(await have('python3')))("launchd's agent", () => {
  test.each(['plain', odd])('is a property list with the very words: %s', async (name) => {
    const place = join('/', name)
    const { text } = unitAt(place, 'darwin')
    const read = 'import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))'
    const { stdout } = await execa('python3', ['-c', read], { input: text })
    expect(JSON.parse(stdout)).toEqual({
      Label: 'native-native',
      ProgramArguments: [join(place, 'node'), join(place, 'run.js'), 'up', '--name', 'native', '--driver', 'process'],
      EnvironmentVariables: { XDG_STATE_HOME: join(place, 'state'), XDG_CONFIG_HOME: join(place, 'config') },
      RunAtLoad: true,
      AbandonProcessGroup: true,
    })
  })
})
