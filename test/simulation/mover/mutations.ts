/** Ways to break the mover on purpose, each a step of a move or a promise of the design. */
import type { Change } from "./hooks.ts";

export interface Mutation {
  readonly what: string;
  readonly changes: readonly Change[];
  /** What the simulation has to say of it: caught for this reason, and not by chance. */
  readonly caughtAs: RegExp;
}

const MOVE = "mover/move.ts";
const RELEASE = "mover/release.ts";

export const MUTATIONS: readonly Mutation[] = [
  {
    what: "an object is released before it is recorded",
    changes: [
      {
        file: MOVE,
        find: "const { disposition } = await tools.ledger.append(entry);",
        replace: `await tools.releaser.release([version], new AbortController().signal);
          const { disposition } = await tools.ledger.append(entry);`,
      },
    ],
    caughtAs: /is released and not recorded/,
  },
  {
    what: "the digest is not compared",
    changes: [{ file: MOVE, find: "if (sha256 === stated) return", replace: "if (stated !== null) return" }],
    caughtAs: /comes into being with bytes that no key of its host signed/,
  },
  {
    what: "the digest is compared after the name came into being",
    changes: [
      {
        file: MOVE,
        find: "const committed = await commit(verify(staging), tools, signal);",
        replace: `const { copied: { sha256 }, admitted: { origin } } = staging;
          const committed = await commit({ staging, origin, sha256 } as Verified, tools, signal);
          verify(staging);`,
      },
    ],
    caughtAs: /comes into being with bytes that no key of its host signed/,
  },
  {
    what: "a creation that timed out is taken for a success",
    changes: [
      {
        file: MOVE,
        find: 'if (!isAirlockError(error, "already-exists")) throw error;',
        replace: 'if (!isAirlockError(error, "already-exists", "outcome-unknown")) throw error;',
      },
    ],
    caughtAs: /does not exist/,
  },
  {
    what: "a creation that timed out is taken for a failure, and tried under another name",
    changes: [
      {
        file: MOVE,
        find: "await publish(copied.staged, name, attributes,",
        replace: "await publish(copied.staged, (asked === 1 ? name : `${name}.${asked}`) as VaultName, attributes,",
      },
    ],
    caughtAs: /is no source's name/,
  },
  {
    what: "a segment that timed out is taken for written",
    changes: [
      {
        file: "mover/ledger-writer.ts",
        find: "if (!(await this.#isOurs(segment, bytes))) throw error;",
        replace: 'if (isAirlockError(error, "already-exists") && !(await this.#isOurs(segment, bytes))) throw error;',
      },
    ],
    caughtAs: /is released and not recorded|is missing before it/,
  },
  {
    what: "a segment that exists is taken for one's own",
    changes: [
      {
        file: "mover/ledger-writer.ts",
        find: "if (!(await this.#isOurs(segment, bytes))) throw error;",
        replace: 'if (!isAirlockError(error, "already-exists") && !(await this.#isOurs(segment, bytes))) throw error;',
      },
    ],
    caughtAs: /is released and not recorded|does not follow|is missing before it/,
  },
  {
    what: "a delete that failed is taken for done",
    changes: [
      {
        file: RELEASE,
        find: "for (const { failed } of batch) failed(toAirlockError(error));",
        replace: "for (const { gone } of batch) gone();",
      },
    ],
    caughtAs: /the statement of .* is released before it/,
  },
  {
    what: "an object is deleted by its name and not by its version",
    changes: [
      {
        file: RELEASE,
        find: "batch.map(({ version }) => version),",
        replace: 'batch.map(({ version }) => ({ ...version, versionId: null, etag: "*" })),',
      },
      {
        file: RELEASE,
        find: "outcomes.map((outcome) => [outcome.version, outcome])",
        replace: "outcomes.map((outcome, index) => [batch[index]?.version, outcome])",
      },
    ],
    caughtAs: /is released and not recorded|is not moved/,
  },
  {
    what: "a statement is released before its object",
    changes: [
      {
        file: MOVE,
        find: "await tools.releaser.release([recorded.version], signal);",
        replace: `await tools.releaser.release(recorded.statements, signal);
          await tools.releaser.release([recorded.version], signal);`,
      },
    ],
    caughtAs: /the statement of .* is released before it/,
  },
  {
    what: "what is held is not looked at again",
    changes: [
      {
        file: "mover/backlog.ts",
        find: "const HOLD = { baseMs: 60_000,",
        replace: "const HOLD = { baseMs: 86_400_000,",
      },
    ],
    caughtAs: /is not moved/,
  },
  {
    what: "memory is not given back",
    changes: [{ file: "mover/memory.ts", find: "this.#used[kind] -= sizeBytes;", replace: "" }],
    caughtAs: /is not moved/,
  },
  {
    what: "a start does not look for the ledger's end",
    changes: [
      {
        file: "mover/ledger-writer.ts",
        find: "return new LedgerWriter(options, books, tail);",
        replace: "return new LedgerWriter(options, books, { ...tail, head: null });",
      },
    ],
    caughtAs: /is not moved|nobody notices/,
  },
  {
    what: "a pile of junk hides the statement below it",
    changes: [
      { file: "mover/admit.ts", find: "MAX_STATEMENT_VERSIONS = 10_000;", replace: "MAX_STATEMENT_VERSIONS = 1;" },
    ],
    caughtAs: /is not moved/,
  },
  {
    what: "of several valid statements only the newest counts",
    changes: [{ file: "mover/move.ts", find: "first?.rivals.find(", replace: "[].find(" }],
    caughtAs: /is not moved/,
  },
  {
    what: "missing numbers are not reported",
    changes: [
      {
        file: "mover/books.ts",
        find: "...this.chain.unreported(holesBeforeMs, MAX_FINDINGS)",
        replace: "...[]",
      },
    ],
    caughtAs: /nobody notices/,
  },
];
