/**
 * Tables of the local index. It is no format to keep: a file of another version is written anew. Times are epoch
 * milliseconds, digests raw bytes.
 */
export const INDEX_VERSION = 2;

/** "AIRx": tells a file that is ours from any other. https://sqlite.org/pragma.html#pragma_application_id */
export const INDEX_APPLICATION = 0x41495278;

export const INDEX_SCHEMA = `
CREATE TABLE movers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  keys TEXT NOT NULL -- those that its segments were verified with
) STRICT;

CREATE TABLE hosts (
  name TEXT PRIMARY KEY,
  keys TEXT NOT NULL -- those that its statements were verified with
) STRICT, WITHOUT ROWID;

CREATE TABLE segments (
  mover INTEGER NOT NULL REFERENCES movers,
  segment INTEGER NOT NULL,
  digest BLOB NOT NULL,
  writtenAt INTEGER NOT NULL,
  entries INTEGER NOT NULL,
  lastIndex INTEGER NOT NULL, -- of the last entry so far
  holds TEXT, -- JSON; null where it says nothing new about them
  PRIMARY KEY (mover, segment)
) STRICT, WITHOUT ROWID;

CREATE TABLE sets (
  id INTEGER PRIMARY KEY,
  host TEXT NOT NULL,
  name TEXT, -- null: foreign objects
  grouping TEXT NOT NULL, -- host/set, or the first folders of a foreign key
  UNIQUE (grouping, name)
) STRICT;

CREATE TABLE objects (
  id INTEGER PRIMARY KEY,
  setId INTEGER NOT NULL REFERENCES sets,
  at INTEGER NOT NULL,
  isFirst INTEGER NOT NULL, -- 1: the earliest record of this object
  size INTEGER NOT NULL,
  statement TEXT NOT NULL,
  identity BLOB NOT NULL, -- what all records of one object have in common
  mover INTEGER NOT NULL REFERENCES movers,
  segment INTEGER NOT NULL,
  entry INTEGER NOT NULL,
  name TEXT NOT NULL,
  bucket TEXT NOT NULL,
  key TEXT NOT NULL,
  versionId TEXT,
  etag TEXT NOT NULL,
  lastModified INTEGER NOT NULL,
  sha256 BLOB NOT NULL,
  vaultName TEXT NOT NULL,
  vaultVersionId TEXT,
  exposureMs INTEGER,
  exposureFrom TEXT,
  disposition TEXT NOT NULL,
  statementError TEXT,
  hostKey TEXT,
  encoding TEXT,
  startedAt TEXT,
  epoch TEXT,
  seq INTEGER
) STRICT;
CREATE INDEX objectsByIdentity ON objects (identity);
-- Both have all that a sum over a million objects needs, in the order in which it is summed up.
CREATE INDEX objectsOfSet ON objects (setId, at, size) WHERE isFirst = 1;
CREATE INDEX objectsUnproven ON objects (setId, statement, at) WHERE isFirst = 1 AND statement <> 'verified';
CREATE INDEX objectsOfSegment ON objects (mover, segment);

CREATE TABLE findings (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  mover INTEGER NOT NULL REFERENCES movers,
  segment INTEGER NOT NULL,
  entry INTEGER NOT NULL,
  code TEXT NOT NULL,
  host TEXT,
  setName TEXT,
  epoch TEXT,
  seq INTEGER,
  detail TEXT
) STRICT;
CREATE INDEX findingsOfSegment ON findings (mover, segment);
`;
