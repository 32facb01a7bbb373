import { SET_SCHEMA } from "./set-schema.ts";

/** 2 adds tables to those of 1, and nothing else: an older file becomes a newer one by {@link SCHEMA}. */
export const SCHEMA_VERSION = 2;
export const OLDER_VERSIONS: ReadonlySet<unknown> = new Set([0, 1]);

export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS chain (
    bucket TEXT NOT NULL, host TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, digest TEXT,
    PRIMARY KEY (bucket, host)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS unpublished (
    epoch TEXT NOT NULL, seq INTEGER NOT NULL, bucket TEXT NOT NULL, host TEXT NOT NULL, key TEXT NOT NULL,
    envelope TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (epoch, seq)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS success (
    bucket TEXT NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL, at TEXT NOT NULL, key TEXT NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (bucket, host, name)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS waiting (
    place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, bucket TEXT NOT NULL, host TEXT NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('writing', 'waiting', 'done')), owner TEXT,
    set_name TEXT NOT NULL, name TEXT NOT NULL, encoding TEXT NOT NULL, started_at TEXT NOT NULL, note TEXT,
    size INTEGER NOT NULL, sha256 TEXT, spooled_at TEXT,
    epoch TEXT, seq INTEGER, key TEXT, upload_id TEXT, part_bytes INTEGER, completions INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE IF NOT EXISTS waiting_part (
    id TEXT NOT NULL, number INTEGER NOT NULL, etag TEXT NOT NULL, checksum TEXT, PRIMARY KEY (id, number)
  ) STRICT;
  ${SET_SCHEMA}
  PRAGMA user_version = ${SCHEMA_VERSION};
`;
