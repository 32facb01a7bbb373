/**
 * What is kept of sets and their runs, beside the statements and the spool; part of `schema.ts`.
 *
 * A run that is to leave an object has a row in `run`, whose id is the `note` in the spool. The trigger carries over to
 * the run, in the spool's own transaction, that its object is whole and waits: the run has then been made, and no
 * crash makes it twice.
 */
export const SET_SCHEMA = `
  CREATE TABLE IF NOT EXISTS planned (
    bucket TEXT NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL,
    due TEXT NOT NULL, made TEXT NOT NULL, schedule TEXT NOT NULL, PRIMARY KEY (bucket, host, name)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS running (
    bucket TEXT NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL,
    owner TEXT NOT NULL, since TEXT NOT NULL, PRIMARY KEY (bucket, host, name)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS failure (
    bucket TEXT NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL,
    at TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (bucket, host, name)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('running', 'waiting', 'stored', 'kept')),
    planned TEXT, started TEXT NOT NULL, tail TEXT NOT NULL DEFAULT '', told INTEGER NOT NULL DEFAULT 0,
    key TEXT, seq INTEGER, size INTEGER, file TEXT, identity TEXT
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS run_of_file ON run (bucket, host, name, file, identity) WHERE file IS NOT NULL;
  CREATE INDEX IF NOT EXISTS run_phase ON run (phase);
  CREATE TRIGGER IF NOT EXISTS run_waits AFTER UPDATE OF phase ON waiting
    WHEN NEW.phase = 'waiting' AND OLD.phase = 'writing' AND NEW.note IS NOT NULL
  BEGIN
    UPDATE run SET phase = 'waiting' WHERE id = NEW.note;
    DELETE FROM planned WHERE (bucket, host, name, due) IN
      (SELECT bucket, host, name, planned FROM run WHERE id = NEW.note);
  END;
`;
