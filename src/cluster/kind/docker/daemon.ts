import { createConnection } from 'node:net'
import { execa } from 'execa'
import { errnoOf, Failure } from '../../../core/failure.ts'
import type { ProgramContext } from '../context.ts'

const answerMsMax = 10_000
const usualHost = 'unix:///var/run/docker.sock'

/**
 * What keeps docker from answering, if anything: checked once a call has failed, so that "docker stopped" is reported
 * whichever call failed because of it.
 * @returns undefined when it answers
 */
export async function daemonProblem({ user }: ProgramContext): Promise<Failure | undefined> {
  const ask = (args: readonly string[]) =>
    execa('docker', args, {
      env: { ...user.env },
      extendEnv: false,
      reject: false,
      timeout: answerMsMax,
      stdin: 'ignore',
    })
  const answer = await ask(['version', '--format', '{{.Server.Version}}'])
  // A missing program is the actual fault, and its caller reports it.
  if (!answer.failed || answer.code === 'ENOENT') return undefined
  const host = await ask(['context', 'inspect', '--format', '{{.Endpoints.docker.Host}}'])
  const where = user.env['DOCKER_HOST'] || (host.failed ? '' : host.stdout.trim()) || usualHost
  const output = answer.stderr.slice(-1000)
  if (answer.timedOut)
    return new Failure('unavailable', `docker does not answer within ${answerMsMax / 1000} s`, {
      where,
      next: ['Restart docker; then run the same command again, which goes on from here.'],
    })
  if ((await socketCode(where)) === 'EACCES')
    return new Failure('denied', 'this user is not allowed to use docker', {
      where,
      output,
      next: ['Add the user to the group docker (`sudo usermod -aG docker $USER`, then log in again), or run as root.'],
    })
  return new Failure('unavailable', 'docker is not running', {
    where,
    output,
    next: ['Start docker (DOCKER_HOST may name another); then run the same command again, which goes on from here.'],
  })
}

/** Why a local socket cannot be connected to; undefined when it can, or is not a socket. */
function socketCode(host: string): Promise<string | undefined> {
  if (!host.startsWith('unix://')) return Promise.resolve(undefined)
  return new Promise((done) => {
    const socket = createConnection({ path: host.slice('unix://'.length), timeout: answerMsMax })
    const end = (code: string | undefined) => {
      socket.destroy()
      done(code)
    }
    socket.once('connect', () => end(undefined))
    socket.once('timeout', () => end('ETIMEDOUT'))
    socket.once('error', (error) => end(errnoOf(error)))
  })
}
