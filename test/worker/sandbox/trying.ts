// Tries each way out of a sandbox, with one and without, as whoever runs it: trying.ts FOLDER.
// Prints JSON: for each attempt by its title what it wrote, with a sandbox and without.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { attempts, type Targets } from './attempts.ts'
import { openRunner } from './runner.ts'

const [, , folder = '/nonexistent'] = process.argv
const leftovers: (() => void)[] = []

async function listening(server: Server, at: object): Promise<Server> {
  server.listen(at)
  await once(server, 'listening')
  leftovers.push(() => server.close())
  return server
}

function fileIn(directory: string, name: string): string {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, name), 'secret\n')
  return join(directory, name)
}

/** A new terminal, held open by a process of this user. */
async function openTerminal(): Promise<string> {
  const script = `
    use Fcntl; $| = 1; sysopen my $master, "/dev/ptmx", O_RDWR or die;
    my $number = pack "i", 0; ioctl $master, 0x80045430, $number or die;
    my $unlocked = pack "i", 0; ioctl $master, 0x40045431, $unlocked or die;
    print unpack("i", $number), "\\n"; <STDIN>`
  const holder = spawn('perl', ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  leftovers.push(() => holder.stdin.end())
  const [number] = await once(holder.stdout, 'data')
  return `/dev/pts/${Number(number)}`
}

const shared = `/dev/shm/native-test-${process.pid}`
writeFileSync(shared, 'secret\n')
leftovers.push(() => rmSync(shared))
const abstract = `native-test-${process.pid}`
const socket = join(folder, 'socket')
const tcp = await listening(createServer(), { host: '0.0.0.0', port: 0 })
await listening(createServer(), { path: `\0${abstract}` })
await listening(createServer(), { path: socket })
const address = tcp.address()
const targets: Targets = {
  secret: fileIn(join(folder, 'home'), 'secret'),
  other: fileIn(join(folder, 'work/other'), 'input'),
  state: fileIn(join(folder, 'state'), 'config.yaml'),
  shared,
  worker: process.pid,
  port: typeof address === 'object' ? (address?.port ?? 0) : 0,
  abstract,
  socket,
  terminal: await openTerminal(),
}
chmodSync(folder, 0o755)

const results: Record<string, { with: string; without: string }> = {}
const open = (way: 'sandbox' | 'namespace' | 'marks') =>
  openRunner(join(folder, way), { ways: [way], limits: way === 'sandbox' ? { pids: 64 } : {} })
const runners = { sandbox: open('sandbox'), namespace: open('namespace'), marks: open('marks') }
for (const { title, script, without = 'namespace' } of attempts(targets)) {
  const attempt = `echo BEGUN; ${script}`
  const [inside, outside] = [await runners.sandbox.sh(attempt), await runners[without].sh(attempt)]
  results[title] = { with: inside.stdout + inside.stderr, without: outside.stdout + outside.stderr }
}
for (const runner of Object.values(runners)) await runner.close()
for (const leave of leftovers) leave()
console.log(JSON.stringify(results))
