/** A process's environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * What `git rev-parse --local-env-vars` lists: they are set in a hook, and would direct every call to the hook's
 * repository. Command-line settings (GIT_CONFIG_COUNT, GIT_CONFIG_PARAMETERS) stay, as they do when git itself enters
 * another repository (run-command.c, prepare_other_repo_env).
 */
const ofOneRepository: ReadonlySet<string> = new Set([
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_COMMON_DIR',
  'GIT_CONFIG',
  'GIT_DIR',
  'GIT_GRAFT_FILE',
  'GIT_IMPLICIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_INTERNAL_SUPER_PREFIX',
  'GIT_NO_REPLACE_OBJECTS',
  'GIT_OBJECT_DIRECTORY',
  'GIT_PREFIX',
  'GIT_REPLACE_REF_BASE',
  'GIT_SHALLOW_FILE',
  'GIT_WORK_TREE',
])

/** An environment without variables that tie git to a repository: for programs that may call git themselves. */
export function ofNoRepository(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ofOneRepository.has(name)))
}
