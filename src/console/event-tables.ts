/** What clients tell of their builds through the Build Event Service: the second migration of schema.ts. */
export const eventTables = `
  -- Streams of the Build Event Service, and the last event that was kept of each.
  CREATE TABLE event_streams (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    build INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX event_streams_by_build ON event_streams (build);

  -- What a client told of a build. Lists are JSON.
  CREATE TABLE invocations (
    build INTEGER PRIMARY KEY,
    command TEXT NOT NULL DEFAULT '',
    patterns TEXT NOT NULL DEFAULT '[]',
    workspace TEXT NOT NULL DEFAULT '',
    options TEXT NOT NULL DEFAULT '[]',
    all_options TEXT NOT NULL DEFAULT '[]',
    started INTEGER,
    finished INTEGER,
    exit_code INTEGER,
    exit_name TEXT,
    message TEXT NOT NULL DEFAULT '',
    profile TEXT NOT NULL DEFAULT '',
    wall_ms INTEGER,
    cpu_ms INTEGER,
    targets INTEGER NOT NULL DEFAULT 0,
    targets_failed INTEGER NOT NULL DEFAULT 0,
    tests INTEGER NOT NULL DEFAULT 0,
    tests_failed INTEGER NOT NULL DEFAULT 0,
    -- bytes of targets, tests, attempts and failures
    kept INTEGER NOT NULL DEFAULT 0,
    left_out INTEGER NOT NULL DEFAULT 0,
    -- in invocation_output, and what had to go from there
    output_bytes INTEGER NOT NULL DEFAULT 0,
    output_cut INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE invocation_targets (
    id INTEGER PRIMARY KEY,
    build INTEGER NOT NULL,
    label TEXT NOT NULL,
    aspect TEXT NOT NULL,
    kind TEXT NOT NULL,
    state INTEGER NOT NULL,
    message TEXT NOT NULL,
    UNIQUE (build, label, aspect)
  ) STRICT;

  CREATE TABLE invocation_tests (
    id INTEGER PRIMARY KEY,
    build INTEGER NOT NULL,
    label TEXT NOT NULL,
    status INTEGER NOT NULL,
    UNIQUE (build, label)
  ) STRICT;

  CREATE TABLE invocation_attempts (
    id INTEGER PRIMARY KEY,
    build INTEGER NOT NULL,
    label TEXT NOT NULL,
    run INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    status INTEGER NOT NULL,
    ms INTEGER,
    cached INTEGER NOT NULL,
    details TEXT NOT NULL,
    logs TEXT NOT NULL,
    UNIQUE (build, label, run, shard, attempt)
  ) STRICT;

  CREATE TABLE invocation_failures (
    id INTEGER PRIMARY KEY,
    build INTEGER NOT NULL,
    label TEXT NOT NULL,
    mnemonic TEXT NOT NULL,
    output TEXT NOT NULL,
    message TEXT NOT NULL,
    logs TEXT NOT NULL,
    UNIQUE (build, label, output)
  ) STRICT;

  -- Pieces of what the tool printed, in their order.
  CREATE TABLE invocation_output (
    id INTEGER PRIMARY KEY,
    build INTEGER NOT NULL,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX invocation_output_by_build ON invocation_output (build);
  `
