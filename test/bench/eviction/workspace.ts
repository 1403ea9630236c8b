import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Libraries, each of which uses the header of some earlier ones; every eighth has a program of its own. */
const libraries = 40
const programEach = 8
/** Functions of a library: what makes an object file some kilobytes long. */
const functions = 12

/** Writes a C++ workspace of 40 libraries and 5 programs into a folder that has a MODULE.bazel already. */
export async function writeWorkspace(folder: string): Promise<void> {
  for (let at = 0; at < libraries; at += 1) {
    await mkdir(join(folder, `lib${at}`), { recursive: true })
    await writeFile(join(folder, `lib${at}/BUILD.bazel`), buildFile(at))
    await writeLibrary(folder, at, 0)
    await writeHeader(folder, at, 0)
  }
}

/** An edit that compiles one library anew, and what links it. @param edition 0 is how it was in the beginning */
export function writeLibrary(folder: string, at: number, edition: number): Promise<void> {
  const uses = usedBy(at)
  const body = Array.from({ length: functions }, (_, f) => {
    const calls = uses.map((other) => ` + lib${other}_f${f}(x)`).join('')
    return `int lib${at}_f${f}(int x) { std::vector<int> v(${f + 1}, x); return v[0] * ${edition + f}${calls}; }`
  })
  const includes = [at, ...uses].map((other) => `#include "lib${other}/lib.h"`)
  return writeFile(join(folder, `lib${at}/lib.cpp`), ['#include <vector>', ...includes, ...body, ''].join('\n'))
}

/** An edit that compiles anew whatever includes the library's header. */
export function writeHeader(folder: string, at: number, edition: number): Promise<void> {
  const declared = Array.from({ length: functions }, (_, f) => `int lib${at}_f${f}(int x);`)
  return writeFile(
    join(folder, `lib${at}/lib.h`),
    ['#pragma once', `const int lib${at}_edition = ${edition};`, ...declared, ''].join('\n'),
  )
}

/** The number of libraries there are. */
export const libraryCount = libraries

/** A tree with a trunk: what is low is used by much. */
function usedBy(at: number): number[] {
  return at === 0 ? [] : [...new Set([at >> 1, at >> 2, Math.max(0, at - 3)])].filter((other) => other !== at)
}

function buildFile(at: number): string {
  const deps = usedBy(at)
    .map((other) => `"//lib${other}:lib"`)
    .join(', ')
  const library = `cc_library(name = "lib", srcs = ["lib.cpp"], hdrs = ["lib.h"], deps = [${deps}], visibility = ["//visibility:public"])`
  const program = `genrule(name = "main_cpp", outs = ["main.cpp"], cmd = "echo '#include \\"lib${at}/lib.h\\"' > $@; echo 'int main() { return lib${at}_f0(0); }' >> $@")
cc_binary(name = "program", srcs = ["main.cpp"], deps = [":lib"])`
  const lines = ['load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")', library]
  if (at % programEach === programEach - 1) lines.push(program)
  return `${lines.join('\n')}\n`
}
