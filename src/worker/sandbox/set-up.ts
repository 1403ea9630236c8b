import type { Tools } from './tools.ts'
import { cellPath, type View } from './view.ts'

/** Paths of the machine that the shell needs before it has a root of its own. */
export interface SetUpPaths {
  /** An empty folder for the root. */
  readonly root: string
  /** The mounts, as mount(8) reads them. */
  readonly table: string
}

const rootBytesMax = '1m'

/**
 * What a slot's shell runs first: it makes a root, moves there, and lets go of the machine's. Of its own folder it keeps
 * descriptor 8, and puts something over it, so that nobody else finds it; the command file is descriptor 7.
 * Names and targets of symlinks are an image's, which may be anybody's: none of them may be an option of a program, or
 * mean anything to the shell; nor does mount(8) read the image's /etc/fstab.
 * @param tools what there is of programs where the root has none of its own that the shell may use
 * @returns text for a POSIX shell; it ends the shell when a step fails
 */
export function setUpScript(view: View, { root, table }: SetUpPaths, network: boolean, tools?: Tools): string {
  const here = (path: string) => quoted(path.slice(1))
  return `
set -e
mount -n -t tmpfs -o mode=755,nosuid,nodev,size=${rootBytesMax} native ${quoted(root)}
cd ${quoted(root)}
umask 022
mkdir -p -- ${view.folders.map(here).join(' ')} .old
for file in ${view.files.map(here).join(' ')}; do : >"$file"; done
${view.links.map(([at, target]) => `ln -s -- ${quoted(target)} ${here(at)}`).join('\n')}
hostname native 2>&6 || :
${network ? '' : hostsFile}
mount -n -a -T ${quoted(table)}
${network ? '' : loopback}
exec 7<"$commands" 8<.${cellPath}
mount -n -c -i -t tmpfs -o ro,mode=000,size=4k native .${cellPath}
pivot_root . .old
${tools ? functions(tools) : ''}
umount -n -i -c -l /.old
cd /
rmdir /.old
mount -n -c -i --options-mode ignore -o remount,ro,nosuid,nodev /
set +e`
}

/** From here on these mean programs of the machine: what an image has by their names is not started by the shell. */
function functions({ command }: Tools): string {
  return (['mount', 'umount', 'rmdir'] as const)
    .map((name) => `${name}() { ${command(name).map(quoted).join(' ')} "$@"; }`)
    .join('\n')
}

/** Without a network a machine can resolve only its own name. */
const hostsFile = `printf '127.0.0.1 localhost %s\\n::1 localhost\\n' "$(uname -n)" >etc/hosts`

/** A new network has a loopback that is down. */
const loopback = `
ip link set lo up 2>&6 || ifconfig lo up 2>&6 || {
  echo "the loopback of a sandbox cannot be brought up: it takes the program ip (package iproute2) or ifconfig" >&2
  exit 72
}`

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
