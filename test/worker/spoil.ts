// A worker, as another user if one is named, whose first action tries to change an input that the next ones have
// too (spoiling.test.ts): node spoil.ts FOLDER WAY INPUTS [UID]. Prints what the others have read as a line of JSON.
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { wireDigest } from '../../src/client/context.ts'
import { re } from '../../src/wire/proto.ts'
import { openContext, shell } from './worker-context.ts'

const [, , folder = '', way = '', inputs, uid] = process.argv
if (uid !== undefined) {
  process.setgroups?.([])
  process.setgid?.(Number(uid))
  process.setuid?.(Number(uid))
}
const meeting = realpathSync(folder)
const closes: (() => Promise<void>)[] = []
const context = await openContext({
  directory: meeting,
  inputs: inputs === 'links' ? inputs : 'auto',
  // Where nothing better can be had, what leaves its process group lives on.
  ...(inputs === 'auto in groups' && { ways: ['group'] }),
  atEnd: (close) => closes.push(close),
})

const until = (name: string) => `until [ -e ${meeting}/${name} ]; do sleep 0.02; done`
/** Changes the file so that neither its mode nor its modification time tells. */
const covertly = (work: string) => `chmod u+w f; ${work}; chmod 444 f; touch -d @946684800 f`
/** Writes through a mapping of the file, which needs no open file and sets no time after the first write. */
const mapper = `
my ($mmap, $read) = @{{x86_64 => [9, 0], aarch64 => [222, 63]}->{(split /\\s+/, \`uname -m\`)[0]} || die 'unknown machine'};
open my $file, '+<', 'f' or die $!;
my $address = syscall $mmap, 0, 4096, 3, 1, fileno $file, 0;
sub put { my ($text) = @_; pipe my $from, my $to; syswrite $to, $text; syscall $read, fileno $from, $address, length $text }
put('i');
chmod 0444, 'f'; utime 946684800, 946684800, 'f';
open my $mapped, '>', '${meeting}/ready';
select undef, undef, undef, 0.02 until -e '${meeting}/reading';
put('spoilt');
open my $done, '>', '${meeting}/spoilt';
select undef, undef, undef, 0.02 until -e '${meeting}/read';
`
/** On file systems in memory a page that was read first can be written to without any time being set. Root needs no mode. */
const silentMapper = `
my ($mmap, $read, $write) = @{{x86_64 => [9, 0, 1], aarch64 => [222, 63, 64]}->{(split /\\s+/, \`uname -m\`)[0]} || die 'unknown machine'};
open my $file, '+<', 'f' or die $!;
my $address = syscall $mmap, 0, 4096, 3, 1, fileno $file, 0;
pipe my $from, my $to;
syscall $write, fileno $to, $address, 1;
sysread $from, my $first, 1;
syswrite $to, 'spoilt';
syscall $read, fileno $from, $address, 6;
open my $mapped, '>', '${meeting}/ready';
`
const ways: Record<string, { readonly spoiler: string; readonly reader: string }> = {
  // The file has been changed before the reader gets it.
  written: {
    spoiler: `${covertly('printf spoilt > f')}; touch ${meeting}/ready; ${until('read')}`,
    reader: 'cat f',
  },
  // The reader has it already.
  'written at once': {
    spoiler: `touch ${meeting}/ready; ${until('reading')}; ${covertly('printf spoilt > f')}; touch ${meeting}/spoilt; ${until('read')}`,
    reader: `touch ${meeting}/reading; ${until('spoilt')}; cat f`,
  },
  mapped: {
    spoiler: `chmod u+w f; printf '%s' "$MAPPER" > m; exec perl m`,
    reader: `touch ${meeting}/reading; ${until('spoilt')}; cat f`,
  },
  'mapped and over': { spoiler: `printf '%s' "$MAPPER" > m; exec perl m`, reader: 'cat f' },
  // The spoiler has ended before the reader starts; what it left has the file open.
  left: {
    spoiler: `chmod u+w f; exec 9<>f; ${covertly('true')}
      (setsid sh -c 'echo $$ > ${meeting}/pid; ${until('reading')}; printf spoilt >&9; touch ${meeting}/spoilt' >/dev/null 2>&1 &)
      ${until('pid')}; touch ${meeting}/ready`,
    reader: `touch ${meeting}/reading
      until [ -e ${meeting}/spoilt ] || ! kill -0 $(cat ${meeting}/pid); do sleep 0.02; done; cat f`,
  },
}
const { spoiler, reader } = ways[way] ?? { spoiler: 'exit 1', reader: 'exit 1' }

const digest = await context.put('intact')
const root = await context.put(re.Directory.encode({ files: [{ name: 'f', digest: wireDigest(digest) }] }).finish())
const command = shell(spoiler)
command.environmentVariables?.push({ name: 'MAPPER', value: way === 'mapped and over' ? silentMapper : mapper })
// The file is there already, so that the actions differ in nothing but what they do.
await context.perform({ root, command: shell('true') })
const spoiling = context.perform({ root, command })
for (let turn = 0; turn < 1000 && !existsSync(join(meeting, 'ready')); turn += 1) await wait(10)
if (way === 'left' || way === 'mapped and over') await spoiling
const read = await context.perform({ root, command: shell(`${reader}; touch ${meeting}/read`) })
const spoilt = await spoiling
const later = await context.perform({ root, command: shell('cat f') })
const cached = join(context.directory, 'cache')
process.stdout.write(
  `${JSON.stringify({
    spoiler: { exitCode: spoilt.result.exitCode, stderr: spoilt.stderr },
    meanwhile: read.stdout,
    later: later.stdout,
    spoiltInCache: readdirSync(cached).flatMap((part) =>
      readdirSync(join(cached, part)).filter((name) => readFileSync(join(cached, part, name), 'utf8') !== 'intact'),
    ),
  })}\n`,
)
for (const close of closes) await close()
