import { type Check, note, ok } from '../../preflight/check.ts'
import type { ClusterStatus } from '../../status.ts'

/** Does a cluster that should come up at log-in do so? */
export function atLoginCheck(status: Promise<ClusterStatus>): Check {
  return {
    title: 'at log-in',
    async run() {
      const { atLogin, name } = await status
      if (atLogin === null) return ok('nothing is brought up')
      if (atLogin.state === 'enabled') return ok(`the cluster comes up (${atLogin.unit})`)
      const again = `native up --at-login${name === 'native' ? '' : ` --name ${name}`}`
      return atLogin.state === 'disabled'
        ? note(
            `${atLogin.unit} is not enabled`,
            `Run "${again}" in a session of your own, where systemctl --user works.`,
          )
        : note(`${atLogin.unit} is for another program or other folders`, `Run "${again}": it is written anew.`)
    },
  }
}
