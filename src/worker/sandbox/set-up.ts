import { shellQuoted } from '../../core/shell-word.ts'
import type { Tools } from './tools.ts'
import { cellPath, type View } from './view.ts'

/** Paths on the machine that the shell needs before it has a root of its own. */
export interface SetUpPaths {
  /** An empty folder for the root. */
  readonly root: string
  /** The mounts, as mount(8) reads them. */
  readonly table: string
}

const rootBytesMax = '1m'

/**
 * What a slot's shell runs first: it makes a root, moves there, and unmounts the machine's. It keeps its own folder
 * open as descriptor 8, and mounts something over it so that nobody else finds it; the command file is descriptor 7.
 * Names and targets of symlinks come from an image, which may be anybody's: none may be taken for a program's option,
 * or be special to the shell; nor does mount(8) read the image's /etc/fstab.
 * @param tools the programs to use where the root has none that the shell may trust
 * @returns a script for a POSIX shell; it ends the shell when a step fails
 */
export function setUpScript(view: View, { root, table }: SetUpPaths, network: boolean, tools?: Tools): string {
  const here = (path: string) => shellQuoted(path.slice(1))
  return `
set -e
mount -n -t tmpfs -o mode=755,nosuid,nodev,size=${rootBytesMax} native ${shellQuoted(root)}
cd ${shellQuoted(root)}
umask 022
mkdir -p -- ${view.folders.map(here).join(' ')} .old
for file in ${view.files.map(here).join(' ')}; do : >"$file"; done
${view.links.map(([at, target]) => `ln -s -- ${shellQuoted(target)} ${here(at)}`).join('\n')}
hostname native 2>&6 || :
${network ? '' : hostsFile}
mount -n -a -T ${shellQuoted(table)}
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

/**
 * From here on these names mean programs of the machine: the shell does not start an image's programs of the same
 * names.
 */
function functions({ command }: Tools): string {
  return (['mount', 'umount', 'rmdir'] as const)
    .map((name) => `${name}() { ${command(name).map(shellQuoted).join(' ')} "$@"; }`)
    .join('\n')
}

/** Without a network a machine can only resolve its own name. */
const hostsFile = `printf '127.0.0.1 localhost %s\\n::1 localhost\\n' "$(uname -n)" >etc/hosts`

/** In a new network namespace the loopback is down. */
const loopback = `
ip link set lo up 2>&6 || ifconfig lo up 2>&6 || {
  echo "the loopback of a sandbox cannot be brought up: it takes the program ip (package iproute2) or ifconfig" >&2
  exit 72
}`
