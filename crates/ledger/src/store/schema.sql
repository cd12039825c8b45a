-- Everything here but `observation` can be computed again from it, and it from the journal.
-- NULL means not measured; 0 means measured as zero. Times are UTC milliseconds.

CREATE TABLE meta (generation TEXT NOT NULL) STRICT;

-- How much of each journal file is in here.
CREATE TABLE watermark (file TEXT PRIMARY KEY, absorbed INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE observation (
  observation_id INTEGER PRIMARY KEY,
  execution_id   TEXT NOT NULL,
  source         TEXT NOT NULL,
  event_id       TEXT NOT NULL,
  payload        TEXT NOT NULL,
  journaled      INTEGER NOT NULL CHECK (journaled IN (0, 1)),
  UNIQUE (source, event_id)
) STRICT;
CREATE INDEX observation_execution ON observation (execution_id);
CREATE INDEX observation_unjournaled ON observation (observation_id) WHERE journaled = 0;

-- What a report can group by, once per combination.
CREATE TABLE series (
  series_id       INTEGER PRIMARY KEY,
  repository      TEXT NOT NULL,
  workflow        TEXT NOT NULL,
  job             TEXT NOT NULL,
  branch          TEXT NOT NULL,
  platform        TEXT NOT NULL,
  kind            TEXT NOT NULL CHECK (kind IN ('ci', 'release')),
  is_pull_request INTEGER NOT NULL,
  on_default      INTEGER NOT NULL,
  UNIQUE (repository, workflow, job, branch, platform, kind, is_pull_request, on_default)
) STRICT;

-- All executions of one run and attempt, summed when one of them changes.
CREATE TABLE run (
  run_id            INTEGER PRIMARY KEY,
  run_key           TEXT NOT NULL UNIQUE,
  repository        TEXT,
  kind              TEXT,
  commit_id         TEXT,
  is_pull_request   INTEGER,
  open_jobs         INTEGER,
  jobs              INTEGER,
  completed_at_ms   INTEGER,
  ran_ms            INTEGER,
  billable_minutes  INTEGER,
  wall_ms           INTEGER,
  exec_wall_ms      INTEGER,
  build_stage_ms    INTEGER,
  test_stage_ms     INTEGER,
  deploy_stage_ms   INTEGER,
  full_builds       INTEGER,
  distinct_builds   INTEGER,
  unknown_builds    INTEGER
) STRICT;
CREATE INDEX run_completed ON run (completed_at_ms);
CREATE INDEX run_commit ON run (repository, commit_id);
CREATE INDEX run_place ON run (repository, kind, completed_at_ms);
CREATE INDEX run_release ON run (completed_at_ms) WHERE kind = 'release';

-- One narrow row per execution: what reports add up. The whole record is in `detail`.
CREATE TABLE execution (
  row               INTEGER PRIMARY KEY,
  execution_id      TEXT NOT NULL UNIQUE,
  series            INTEGER NOT NULL REFERENCES series,
  run               INTEGER NOT NULL REFERENCES run,
  state             TEXT NOT NULL CHECK (state IN ('accepted', 'running', 'ended', 'voided')),
  stage             TEXT CHECK (stage IN ('build', 'test', 'deploy')),
  commit_id         TEXT,
  queued_at_ms      INTEGER,
  started_at_ms     INTEGER,
  completed_at_ms   INTEGER,
  ran_ms            INTEGER,
  billable_minutes  INTEGER,
  conclusion        TEXT,
  ending            TEXT,
  warm_target       TEXT,
  compile_requests  INTEGER,
  compile_hits      INTEGER,
  compile_misses    INTEGER,
  compile_useful_ms INTEGER,
  compile_total_ms  INTEGER,
  build_fingerprint TEXT,
  full_build        INTEGER
) STRICT;
CREATE INDEX execution_completed ON execution (completed_at_ms);
CREATE INDEX execution_series ON execution (series, completed_at_ms);
CREATE INDEX execution_run ON execution (run);
CREATE INDEX execution_open ON execution (row) WHERE state IN ('accepted', 'running');

CREATE TABLE detail (row INTEGER PRIMARY KEY REFERENCES execution, record TEXT NOT NULL) STRICT;

-- Sums per UTC day and series, so that a report does not read a million rows.
CREATE TABLE tally (
  day       INTEGER NOT NULL,
  series    INTEGER NOT NULL REFERENCES series,
  jobs      INTEGER NOT NULL, voided INTEGER NOT NULL, failed INTEGER NOT NULL, lost INTEGER NOT NULL,
  ran_ms    INTEGER NOT NULL, billable_minutes INTEGER NOT NULL, longest_ms INTEGER NOT NULL,
  exact     INTEGER NOT NULL, partial INTEGER NOT NULL, cold INTEGER NOT NULL,
  compile_jobs INTEGER NOT NULL, requests INTEGER NOT NULL, hits INTEGER NOT NULL, misses INTEGER NOT NULL,
  timed_jobs INTEGER NOT NULL, useful_ms INTEGER NOT NULL, total_ms INTEGER NOT NULL,
  built     INTEGER NOT NULL, built_well INTEGER NOT NULL,
  PRIMARY KEY (day, series)
) STRICT, WITHOUT ROWID;

-- Sums per UTC day, repository and kind over the runs that are closed.
CREATE TABLE run_tally (
  day               INTEGER NOT NULL,
  repository        TEXT NOT NULL,
  kind              TEXT NOT NULL,
  runs              INTEGER NOT NULL, pull_request_runs INTEGER NOT NULL,
  ran_ms            INTEGER NOT NULL, worst_ran_ms INTEGER,
  wall_ms           INTEGER NOT NULL, worst_wall_ms INTEGER,
  exec_wall_ms      INTEGER NOT NULL,
  worst_build_stage_ms INTEGER, worst_test_stage_ms INTEGER, worst_deploy_stage_ms INTEGER,
  full_builds       INTEGER NOT NULL, worst_full_builds INTEGER NOT NULL,
  distinct_builds   INTEGER NOT NULL, worst_redundant_builds INTEGER NOT NULL,
  unknown_builds    INTEGER NOT NULL,
  PRIMARY KEY (day, repository, kind)
) STRICT, WITHOUT ROWID;
