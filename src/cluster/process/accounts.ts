import { readIfThere } from '../../host/files.ts'

/** The first uid that distributions give to people; lower ones are the system's own accounts. */
const peopleUidMin = 1000
/** The uid of `nobody` on Debian and others. */
const nobodyUid = 65_534
const noShell = /\/(nologin|false|sync|shutdown|halt)$/

/**
 * Names of the accounts beside this one and root that a person may log in with, as far as they are listed locally:
 * accounts of a directory service are not.
 * @param uid this user's
 */
export async function otherAccounts(uid: number): Promise<string[]> {
  const lines = ((await readIfThere('/etc/passwd')) ?? '').split('\n')
  return lines.flatMap((line) => {
    const [name = '', , id = '', , , , shell = ''] = line.split(':')
    const other = Number(id) >= peopleUidMin && Number(id) !== nobodyUid && Number(id) !== uid
    return other && name !== '' && !noShell.test(shell) ? [name] : []
  })
}

/** A few of the names, for a line of text. */
export function namesText(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ')
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown
}
