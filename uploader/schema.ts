export const SCHEMA_VERSION = 1;

export const SCHEMA = `
  CREATE TABLE chain (
    bucket TEXT NOT NULL, host TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, digest TEXT,
    PRIMARY KEY (bucket, host)
  ) STRICT;
  CREATE TABLE unpublished (
    epoch TEXT NOT NULL, seq INTEGER NOT NULL, bucket TEXT NOT NULL, host TEXT NOT NULL, key TEXT NOT NULL,
    envelope TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (epoch, seq)
  ) STRICT;
  CREATE TABLE success (
    bucket TEXT NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL, at TEXT NOT NULL, key TEXT NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (bucket, host, name)
  ) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;
