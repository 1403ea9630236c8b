import { join } from 'node:path'
import { xdgFolder } from '../../../host/user-folders.ts'
import type { ProcessContext } from '../context.ts'
import type { LoginJob } from './job.ts'
import { launchdText } from './launchd.ts'
import { systemdText } from './systemd.ts'

/** The file by which a user's session brings a cluster up. */
export interface LoginUnit {
  readonly kind: 'systemd' | 'launchd'
  /** Its name with the service manager: `native-NAME.service`. */
  readonly name: string
  readonly path: string
  /** Its text when it fits this program and these folders. */
  readonly text: string
  /** The link that enables it; undefined where the file alone does. */
  readonly enabledBy: string | undefined
}

/** The variables that decide where a cluster is; a session does not have those of a shell. */
const variables = ['XDG_STATE_HOME', 'XDG_DATA_HOME', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME'] as const

/** The unit of this cluster, whether it is there or not: systemd's, or launchd's on macOS. */
export function loginUnit({ paths, user, machine, program }: UnitContext): LoginUnit {
  const { env, home } = user
  const label = `native-${paths.name}`
  const job: LoginJob = {
    name: paths.name,
    argv: [...program, 'up', '--name', paths.name, '--driver', 'process'],
    env: Object.fromEntries(variables.flatMap((each) => (env[each] ? [[each, env[each]]] : []))),
  }
  if (machine.platform === 'darwin') {
    const path = join(home, 'Library/LaunchAgents', `${label}.plist`)
    return { kind: 'launchd', name: label, path, text: launchdText(label, job), enabledBy: undefined }
  }
  const folder = join(xdgFolder(user, 'XDG_CONFIG_HOME'), 'systemd/user')
  const name = `${label}.service`
  const enabledBy = join(folder, 'default.target.wants', name)
  return { kind: 'systemd', name, path: join(folder, name), text: systemdText(job), enabledBy }
}

/** Everything that a unit depends on. */
export type UnitContext = Pick<ProcessContext, 'paths' | 'user' | 'machine' | 'program'>
