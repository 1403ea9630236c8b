/**
 * The machine code of the launcher (launcher.ts), as assemblers list it: bytes, instruction, comment.
 *
 * Without arguments it exits with 0. Otherwise it is called as `launcher RUNNER... -- NAME ARGUMENT...`: it sets
 * no_new_privs, empties the bounding set and all other sets of capabilities, and executes NAME if that has a slash.
 * Else, or when that fails, it executes RUNNER (`env`) with the same arguments: that looks names up, runs scripts that
 * name no interpreter, and says why something cannot be started. A call that takes capabilities away and fails ends it
 * with 125 and a line of text.
 *
 * Calls and their numbers: prctl(2), capset(2), capabilities(7), asm/unistd_64.h, asm-generic/unistd.h.
 */

const x64 = `
  48 83 3c 24 01        cmp qword ptr [rsp], 1      ; without arguments: exit(0)
  bf 00 00 00 00        mov edi, 0
  0f 84 d3 00 00 00     je quit
  bf 26 00 00 00        mov edi, 38                 ; prctl(PR_SET_NO_NEW_PRIVS, 1)
  be 01 00 00 00        mov esi, 1
  31 d2                 xor edx, edx
  45 31 d2              xor r10d, r10d
  45 31 c0              xor r8d, r8d
  b8 9d 00 00 00        mov eax, 157
  0f 05                 syscall
  85 c0                 test eax, eax
  0f 85 95 00 00 00     jnz fail
  31 db                 xor ebx, ebx
drop:
  bf 18 00 00 00        mov edi, 24                 ; prctl(PR_CAPBSET_DROP, number), from 0 up
  89 de                 mov esi, ebx
  b8 9d 00 00 00        mov eax, 157
  0f 05                 syscall
  ff c3                 inc ebx
  85 c0                 test eax, eax
  74 ec                 jz drop
  83 f8 ea              cmp eax, -22                ; EINVAL: there is no such capability
  75 7a                 jne fail
  6a 00                 push 0
  6a 00                 push 0
  6a 00                 push 0
  48 89 e6              mov rsi, rsp
  bf 22 05 08 20        mov edi, 0x20080522         ; capset(version 3 and this process, three empty sets)
  57                    push rdi
  48 89 e7              mov rdi, rsp
  b8 7e 00 00 00        mov eax, 126
  0f 05                 syscall
  48 83 c4 20           add rsp, 32
  85 c0                 test eax, eax
  75 59                 jnz fail
  48 8b 04 24           mov rax, [rsp]
  48 8d 54 c4 10        lea rdx, [rsp+rax*8+16]     ; the environment
  4c 8d 64 24 08        lea r12, [rsp+8]
find:
  49 83 c4 08           add r12, 8
  49 8b 34 24           mov rsi, [r12]
  48 85 f6              test rsi, rsi
  74 3e                 jz fail
  8b 06                 mov eax, [rsi]
  c1 e0 08              shl eax, 8
  3d 00 2d 2d 00        cmp eax, 0x2d2d00           ; the argument --
  75 e7                 jne find
  49 83 c4 08           add r12, 8
  49 8b 34 24           mov rsi, [r12]
  48 85 f6              test rsi, rsi
  74 25                 jz fail
  48 89 f7              mov rdi, rsi
look:
  ac                    lodsb
  84 c0                 test al, al
  74 0e                 jz other
  3c 2f                 cmp al, 47                  ; a slash in the name
  75 f7                 jne look
  4c 89 e6              mov rsi, r12                ; execve(the name, ...)
  b8 3b 00 00 00        mov eax, 59
  0f 05                 syscall
other:
  48 8d 74 24 10        lea rsi, [rsp+16]           ; execve(the first argument, ...)
  48 8b 3e              mov rdi, [rsi]
  b8 3b 00 00 00        mov eax, 59
  0f 05                 syscall
fail:
  48 8d 35 1d 00 00 00  lea rsi, [rip+text]         ; write(2, text)
  ba 34 00 00 00        mov edx, 52
  bf 02 00 00 00        mov edi, 2
  b8 01 00 00 00        mov eax, 1
  0f 05                 syscall
  bf 7d 00 00 00        mov edi, 125                ; exit_group(125)
quit:
  b8 e7 00 00 00        mov eax, 231
  0f 05                 syscall
text:
`

const arm64 = `
  f3 03 40 f9  ldr x19, [sp]
  00 00 80 d2  mov x0, #0
  7f 06 00 f1  cmp x19, #1                 ; without arguments: exit(0)
  20 07 00 54  b.eq quit
  c0 04 80 d2  mov x0, #38                 ; prctl(PR_SET_NO_NEW_PRIVS, 1)
  21 00 80 d2  mov x1, #1
  02 00 80 d2  mov x2, #0
  03 00 80 d2  mov x3, #0
  04 00 80 d2  mov x4, #0
  e8 14 80 d2  mov x8, #167
  01 00 00 d4  svc #0
  60 05 00 b5  cbnz x0, fail
  14 00 80 d2  mov x20, #0
drop:
  00 03 80 d2  mov x0, #24                 ; prctl(PR_CAPBSET_DROP, number), from 0 up
  e1 03 14 aa  mov x1, x20                 ; execve(the name, ...)
  01 00 00 d4  svc #0
  94 06 00 91  add x20, x20, #1
  80 ff ff b4  cbz x0, drop
  1f 58 00 b1  cmn x0, #22                 ; EINVAL: there is no such capability
  61 04 00 54  b.ne fail
  40 a4 80 52  mov w0, #0x0522             ; capset(version 3 and this process, three empty sets)
  00 01 a4 72  movk w0, #0x2008, lsl #16
  e0 7f be a9  stp x0, xzr, [sp, #-32]!
  ff 7f 01 a9  stp xzr, xzr, [sp, #16]
  e0 03 00 91  mov x0, sp
  e1 23 00 91  add x1, sp, #8
  68 0b 80 d2  mov x8, #91
  01 00 00 d4  svc #0
  ff 83 00 91  add sp, sp, #32
  20 03 00 b5  cbnz x0, fail
  a8 1b 80 d2  mov x8, #221
  e2 43 00 91  add x2, sp, #16
  42 0c 13 8b  add x2, x2, x19, lsl #3     ; the environment
  f4 23 00 91  add x20, sp, #8
find:
  80 8e 40 f8  ldr x0, [x20, #8]!
  60 02 00 b4  cbz x0, fail
  01 00 40 b9  ldr w1, [x0]
  21 5c 18 53  lsl w1, w1, #8
  03 a0 85 52  mov w3, #0x2d00
  a3 05 a0 72  movk w3, #0x2d, lsl #16
  3f 00 03 6b  cmp w1, w3                  ; the argument --
  21 ff ff 54  b.ne find
  80 8e 40 f8  ldr x0, [x20, #8]!
  60 01 00 b4  cbz x0, fail
  e3 03 00 aa  mov x3, x0
look:
  61 14 40 38  ldrb w1, [x3], #1
  a1 00 00 34  cbz w1, other
  3f bc 00 71  cmp w1, #47                 ; a slash in the name
  a1 ff ff 54  b.ne look
  e1 03 14 aa  mov x1, x20                 ; execve(the name, ...)
  01 00 00 d4  svc #0
other:
  e0 0b 40 f9  ldr x0, [sp, #16]           ; execve(the first argument, ...)
  e1 43 00 91  add x1, sp, #16
  01 00 00 d4  svc #0
fail:
  01 01 00 10  adr x1, text                ; write(2, text)
  82 06 80 d2  mov x2, #52
  40 00 80 d2  mov x0, #2
  08 08 80 d2  mov x8, #64
  01 00 00 d4  svc #0
  a0 0f 80 d2  mov x0, #125                ; exit_group(125)
quit:
  c8 0b 80 d2  mov x8, #94
  01 00 00 d4  svc #0
text:
`

/** What the code above finds at `text`, whose length it knows. */
const text = 'the capabilities of an action cannot be taken away.\n'

interface MachineCode {
  /** The machine's number in an ELF header (elf.h: EM_X86_64, EM_AARCH64). */
  readonly machine: number
  readonly code: Buffer
}

/** By Node's name of the instruction set. */
export const launcherCode: Readonly<Record<string, MachineCode>> = {
  x64: { machine: 62, code: assembled(x64) },
  arm64: { machine: 183, code: assembled(arm64) },
}

function assembled(listing: string): Buffer {
  const bytes = [...listing.matchAll(/^ {2}((?:[0-9a-f]{2} )+) /gm)].map(([, hex = '']) => hex.replaceAll(' ', ''))
  return Buffer.concat([Buffer.from(bytes.join(''), 'hex'), Buffer.from(text)])
}
