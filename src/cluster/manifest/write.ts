import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { Failure } from '../../core/failure.ts'
import { ifThere } from '../../host/files.ts'
import { makeFolder } from '../../host/folders.ts'
import { systemFailure } from '../../host/system-errors.ts'
import type { Manifests } from './layout.ts'
import type { ObjectFile } from './object.ts'

/** The first line of each file written here: files that have it may be overwritten. */
const mark = '# Written by `native deploy --render`; the next rendering replaces it.\n'
const kustomizationFile = 'kustomization.yaml'
const folders = ['operations', 'application'] as const

/** Objects as the documents of one YAML text; long texts are not folded. */
export function yamlText(objects: readonly object[]): string {
  return objects.map((each) => stringify(each, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n')
}

/** What `kubectl apply -k` reads. */
function kustomization(resources: readonly string[]): object {
  return { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources }
}

/**
 * Writes the objects as plain YAML: `DIR/operations`, `DIR/application` and DIR itself can each be given to `kubectl
 * apply -k`.
 * @param notes lines for readers of the kustomization of the folder itself
 * @returns the paths of the files, relative to the folder
 * @throws Failure 'exists' when the folder holds a kustomization that is not from here, 'denied' and the like when it
 *   cannot be written
 */
export async function writeManifests(
  folder: string,
  manifests: Manifests,
  notes: readonly string[] = [],
): Promise<string[]> {
  const comment = notes.map((line) => `# ${line}\n`).join('')
  const files = [
    { path: kustomizationFile, text: comment + yamlText([kustomization(folders)]) },
    ...folders.flatMap((each) => filesOf(each, manifests[each])),
  ]
  try {
    for (const { path } of files) await assertOurs(join(folder, path))
    for (const each of folders) makeFolder(join(folder, each))
    for (const { path, text } of files) await writeFile(join(folder, path), mark + text)
  } catch (error) {
    throw systemFailure(error, { doing: 'cannot write the objects', where: folder })
  }
  return files.map(({ path }) => path)
}

function filesOf(folder: string, files: readonly ObjectFile[]): { path: string; text: string }[] {
  return [
    { path: join(folder, kustomizationFile), text: yamlText([kustomization(files.map(({ name }) => name))]) },
    ...files.map(({ name, objects }) => ({ path: join(folder, name), text: yamlText(objects) })),
  ]
}

/** An existing file has to be one of ours. */
async function assertOurs(path: string): Promise<void> {
  const text = await ifThere(readFile(path, 'utf8'))
  if (text === undefined || text.startsWith(mark)) return
  throw new Failure('exists', 'a file is there that `native` did not write', {
    where: path,
    next: ['Render into another folder, or remove that file.'],
  })
}
