import { messageOf } from '../../../core/failure.ts'
import { readIfThere } from '../../../host/files.ts'
import type { Step } from '../../driver.ts'
import type { ProcessContext } from '../context.ts'
import { invitationOf } from './files.ts'
import { retired } from './redeem.ts'
import { workerFile } from './render.ts'

/**
 * Gives this machine's token back to the cluster once its worker has ended, so that it is useless to anyone who finds
 * it later.
 */
export function retireStep({ paths }: ProcessContext): Step {
  return {
    title: 'Token of this machine',
    async run(report) {
      const invitation = await invitationOf(workerFile(paths))
      const token = invitation && (await readIfThere(invitation.token))?.trim()
      if (!invitation || token === undefined || token === '') return report.say('there is none')
      const { scheduler: url, tls } = invitation
      try {
        report.say(
          (await retired({ url, token, tls }))
            ? `${url} no longer accepts it`
            : 'it remains valid, because other machines may use it',
        )
      } catch (error) {
        // Leaving succeeds, whatever has become of the cluster.
        const reason = messageOf(error)
        report.say(
          `${url} could not be informed (${reason}). If \`native token list\` still shows it there, \`native token revoke\` revokes it`,
        )
      }
    },
  }
}
