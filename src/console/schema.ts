import { eventTables } from './event-tables.ts'

/**
 * The history's tables, one migration per version: user_version says how many a database has had. A released migration
 * is never changed; changes are made by a new one.
 *
 * Rows are small, since there are millions: repeated texts are in tables of their own. Times are milliseconds since
 * 1970.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE builds (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    correlated TEXT NOT NULL,
    tool TEXT NOT NULL,
    tool_version TEXT NOT NULL,
    instance TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    -- actions by outcome, see outcomes.ts
    hits INTEGER NOT NULL DEFAULT 0,
    missed INTEGER NOT NULL DEFAULT 0,
    executed INTEGER NOT NULL DEFAULT 0,
    local INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX builds_by_time ON builds (last_seen);

  -- What a client calls an action.
  CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    target TEXT NOT NULL,
    mnemonic TEXT NOT NULL,
    configuration TEXT NOT NULL,
    UNIQUE (target, mnemonic, configuration)
  ) STRICT;

  -- Actions as the API means them: one for each digest, however many builds ask for it.
  CREATE TABLE contents (
    id INTEGER PRIMARY KEY,
    fn TEXT NOT NULL,
    hash TEXT NOT NULL,
    size INTEGER NOT NULL,
    -- the rest is NULL until the Action and its Command have been read
    command_hash TEXT,
    command_size INTEGER,
    root_hash TEXT,
    root_size INTEGER,
    first_output TEXT,
    UNIQUE (hash, size, fn)
  ) STRICT;

  -- An action in a build.
  CREATE TABLE actions (
    id INTEGER PRIMARY KEY,
    build INTEGER NOT NULL,
    content INTEGER NOT NULL,
    label INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    -- of the first lookup; NULL when there was none
    answer INTEGER,
    missing_hash TEXT,
    missing_size INTEGER,
    evicted_ms INTEGER,
    -- of an execution or an update; NULL when there was none. Bits: 1 skip_cache_lookup, 2 do_not_cache, 4 merged
    flags INTEGER,
    exit_code INTEGER,
    status INTEGER,
    message TEXT,
    worker TEXT,
    attempts INTEGER,
    queued INTEGER,
    worker_start INTEGER,
    input_start INTEGER,
    input_end INTEGER,
    run_start INTEGER,
    run_end INTEGER,
    output_start INTEGER,
    output_end INTEGER,
    worker_end INTEGER,
    UNIQUE (content, build)
  ) STRICT;
  CREATE INDEX actions_by_build ON actions (build);
  CREATE INDEX actions_by_label ON actions (label);

  -- Paths that an action makes, from the input root.
  CREATE TABLE outputs (
    path TEXT NOT NULL,
    content INTEGER NOT NULL,
    PRIMARY KEY (path, content)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX outputs_by_content ON outputs (content);

  -- Bytes of Actions, Commands and Directories, compressed with zstd where that makes them smaller.
  CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    fn TEXT NOT NULL,
    hash TEXT NOT NULL,
    size INTEGER NOT NULL,
    packed INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    used INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (hash, size, fn)
  ) STRICT;
  CREATE INDEX blobs_by_use ON blobs (used, stored);

  -- The last batch that was taken from each run of a server.
  CREATE TABLE runs (
    run BLOB PRIMARY KEY,
    sequence INTEGER NOT NULL,
    seen INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  eventTables,
  `
  ALTER TABLE builds ADD COLUMN repeated INTEGER NOT NULL DEFAULT 0;
  -- those of the repeated that made something else
  ALTER TABLE builds ADD COLUMN different INTEGER NOT NULL DEFAULT 0;

  -- What actions made differently when they were run twice: DifferentAction of history.proto.
  CREATE TABLE repeats (
    id INTEGER PRIMARY KEY,
    build INTEGER NOT NULL,
    report BLOB NOT NULL
  ) STRICT;
  CREATE INDEX repeats_by_build ON repeats (build);
  `,
  `
  -- Actions that are still to be read from the cache, in the order in which that is tried.
  CREATE TABLE unread (
    id INTEGER PRIMARY KEY,
    content INTEGER NOT NULL UNIQUE,
    instance TEXT NOT NULL,
    -- a worker ran it: its input tree is in the cache
    ran INTEGER NOT NULL,
    -- NULL once it has been given up
    since INTEGER,
    failures INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX unread_by_time ON unread (since);
  `,
  `
  -- Explanations of builds that have ended: JSON, compressed with zstd.
  CREATE TABLE explanations (
    id INTEGER PRIMARY KEY,
    build INTEGER NOT NULL,
    -- the name of the only build that it was compared with; empty for any
    against TEXT NOT NULL,
    -- of the build, when it was explained
    state TEXT NOT NULL,
    -- of the JSON, in bytes
    length INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (build, against)
  ) STRICT;
  `,
  `
  -- bytes that its client did not have to upload
  ALTER TABLE builds ADD COLUMN saved INTEGER NOT NULL DEFAULT 0;
  `,
]
