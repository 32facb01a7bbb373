/** Configurations that must be refused, each with what it is told: a table for `invalid.test.ts`. */

export interface InvalidSample {
  readonly role: "uploader" | "mover" | "operator";
  readonly name: string;
  /** Instead of these keys of {@link VALID}; null leaves a key out. Others are added at the end. */
  readonly change: Readonly<Record<string, string | null>>;
  /** `LINE: path: …`, each as it is said, in order. */
  readonly faults: readonly string[];
}

const KEY = "ed25519:UeMcmRtTWnd3Kve5kaZU2lNUF86CxPZjUfiFYKCkQdQ=";
const OTHER_KEY = "ed25519:T5inRd8Mb7tD+waggc8Hq/W1R5LtO/2B0fPpeQy9F7w=";
const RECIPIENT = "age1u87jlw6znyafvpdhqrzl9n5ryzcpausy8gvpwex329u8vv089qeqvyxrwx";

/** One key a line, in this order: line numbers follow from it. */
export const VALID: Readonly<Record<InvalidSample["role"], Readonly<Record<string, string>>>> = {
  uploader: {
    host: "host: web1",
    dropZone: "dropZone: { bucket: acme-dropzone, region: eu-central-1 }",
    signingKey: "signingKey: /etc/airlock/host.key",
    encrypt: `encrypt: { recipients: [${RECIPIENT}] }`,
    spool: "spool: /var/lib/airlock-uploader",
  },
  mover: {
    id: "id: mover-a",
    signingKey: "signingKey: /etc/airlock/mover.key",
    dropZone: "dropZone: { bucket: acme-dropzone, region: eu-central-1 }",
    vault: "vault: { bucket: acme-vault, region: eu-west-1 }",
    hosts: `hosts: { web1: { publicKeys: ["${KEY}"] } }`,
    state: "state: /var/lib/airlock-mover",
  },
  operator: {
    vault: "vault: { bucket: acme-vault, region: eu-west-1 }",
    movers: `movers: { mover-a: ["${KEY}"] }`,
  },
};

const store = (extra: string): string => `dropZone:\n  bucket: acme-dropzone\n  region: eu-central-1\n${extra}`;

export const INVALID_SAMPLES: readonly InvalidSample[] = [
  {
    role: "uploader",
    name: "nothing at all",
    change: { host: null, dropZone: null, signingKey: null, encrypt: null, spool: null },
    faults: ["1: found nothing, expected a map (key: value)"],
  },
  {
    role: "uploader",
    name: "a list",
    change: { host: "- host", dropZone: null, signingKey: null, encrypt: null, spool: null },
    faults: ["1: found a list, expected a map (key: value)"],
  },
  {
    role: "uploader",
    name: "several faults at once",
    change: { host: "host: WEB1", spool: "spol: /x" },
    faults: [
      "1: host: found \"WEB1\", expected a host's name: 1 to 63 of a-z, 0-9, '.', '_' and '-', with a letter or digit first",
      "1: spool: missing, expected an absolute path",
      "5: spol: unknown key, did you mean spool?",
    ],
  },
  {
    role: "uploader",
    name: "a key that nobody knows",
    change: { colour: "colour: blue" },
    faults: [
      "6: colour: unknown key, expected host, dropZone, signingKey, encrypt, compress, bandwidth, spool, spoolLimit, memory, timeZone, jitter, sets or notify",
    ],
  },
  {
    role: "uploader",
    name: "a key twice",
    change: { more: "host: web2" },
    faults: ["6: this key stands twice in its map"],
  },
  {
    role: "uploader",
    name: "two documents",
    change: { more: "---\nhost: web2" },
    faults: ["6: found a second document, expected one"],
  },
  {
    role: "uploader",
    name: "a tab",
    change: { more: "sets:\n\tetc: 1" },
    faults: ["7: found a tab, expected spaces: YAML is indented by spaces only"],
  },
  {
    role: "uploader",
    name: "a tag",
    change: { host: "host: !secret web1" },
    faults: ["1: found a tag (a word after !), expected none"],
  },
  {
    role: "uploader",
    name: "a map as a key",
    change: { more: "? { a: b }\n: c" },
    faults: ["6: found a key that is not text, expected a plain or quoted word"],
  },
  {
    role: "uploader",
    name: "a prototype as a key",
    change: { more: "sets:\n  __proto__: { command: [x] }" },
    faults: ["7: found the key __proto__, expected another"],
  },
  {
    role: "uploader",
    name: "a quote that does not end",
    change: { host: 'host: "web1' },
    faults: ['6: not YAML: Missing closing "quote'],
  },
  {
    role: "uploader",
    name: "a relative path",
    change: { signingKey: "signingKey: host.key" },
    faults: ['3: signingKey: found "host.key", expected an absolute path'],
  },
  {
    role: "uploader",
    name: "a store as text",
    change: { dropZone: "dropZone: acme-dropzone" },
    faults: ['2: dropZone: found "acme-dropzone", expected a map (key: value)'],
  },
  {
    role: "uploader",
    name: "secrets inline",
    change: {
      dropZone: store(
        "  credentials:\n    accessKeyId: AKIAEXAMPLE\n    secretAccessKey: hunter2\n    aws_session_token: hunter3",
      ),
    },
    faults: [
      "6: dropZone.credentials.accessKeyId: secrets never stand in the configuration: put it into a file of its own (credentials: { accessKeyIdFile, secretAccessKeyFile }) or name a profile",
      "7: dropZone.credentials.secretAccessKey: secrets never stand in the configuration: put it into a file of its own (credentials: { accessKeyIdFile, secretAccessKeyFile }) or name a profile",
      "8: dropZone.credentials.aws_session_token: secrets never stand in the configuration: put it into a file of its own (credentials: { accessKeyIdFile, secretAccessKeyFile }) or name a profile",
    ],
  },
  {
    role: "uploader",
    name: "a secret instead of credentials",
    change: { dropZone: store("  credentials: hunter2") },
    faults: [
      "5: dropZone.credentials: found a text that is not repeated here, expected { profile } or { accessKeyIdFile, secretAccessKeyFile }; without it, the AWS default chain",
    ],
  },
  {
    role: "uploader",
    name: "a profile and files",
    change: { dropZone: store("  credentials: { profile: x, accessKeyIdFile: /a, secretAccessKeyFile: /b }") },
    faults: [
      "5: dropZone.credentials: found a map, expected { profile } or { accessKeyIdFile, secretAccessKeyFile }; without it, the AWS default chain",
    ],
  },
  {
    role: "uploader",
    name: "half of the files",
    change: { dropZone: store("  credentials: { accessKeyIdFile: /a }") },
    faults: [
      "5: dropZone.credentials: found a map, expected { profile } or { accessKeyIdFile, secretAccessKeyFile }; without it, the AWS default chain",
    ],
  },
  {
    role: "uploader",
    name: "an account that is a number",
    change: { dropZone: store("  expectedBucketOwner: 111122223333") },
    faults: [
      '5: dropZone.expectedBucketOwner: found 111122223333, expected an account number: 12 digits in quotes, such as "111122223333"',
    ],
  },
  {
    role: "uploader",
    name: "an account with too few digits",
    change: { dropZone: store('  expectedBucketOwner: "1111"') },
    faults: [
      '5: dropZone.expectedBucketOwner: found "1111", expected an account number: 12 digits in quotes, such as "111122223333"',
    ],
  },
  {
    role: "uploader",
    name: "a plaintext endpoint",
    change: { dropZone: store("  endpoint: http://s3.example.net") },
    faults: [
      '5: dropZone.endpoint: found "http://s3.example.net", expected https://, or allowPlaintext: true beside endpoint: anyone on the way can read http://',
    ],
  },
  {
    role: "uploader",
    name: "a plaintext endpoint that is not allowed, beside another fault",
    change: { dropZone: store("  endpoint: http://10.0.0.1:9000\n  allowPlaintext: maybe") },
    faults: [
      '5: dropZone.endpoint: found "http://10.0.0.1:9000", expected https://, or allowPlaintext: true beside endpoint: anyone on the way can read http://',
      '6: dropZone.allowPlaintext: found "maybe", expected true or false',
    ],
  },
  {
    role: "uploader",
    name: "an endpoint with a password",
    change: { dropZone: store("  endpoint: https://me:hunter2@s3.example.net") },
    faults: [
      "5: dropZone.endpoint: found a text that is not repeated here, expected an https:// address without a query, such as https://s3.example.net",
    ],
  },
  {
    role: "uploader",
    name: "an endpoint without a scheme",
    change: { dropZone: store("  endpoint: s3.example.net") },
    faults: [
      '5: dropZone.endpoint: found "s3.example.net", expected an https:// address without a query, such as https://s3.example.net',
    ],
  },
  {
    role: "uploader",
    name: "a bucket in capitals, a region with a space, unknown checksums",
    change: { dropZone: "dropZone:\n  bucket: Acme\n  region: eu central\n  checksums: never" },
    faults: [
      "3: dropZone.bucket: found \"Acme\", expected a bucket's name: 3 to 63 of a-z, 0-9, '.' and '-'",
      '4: dropZone.region: found "eu central", expected a region, such as eu-central-1',
      '5: dropZone.checksums: found "never", expected auto or required-only',
    ],
  },
  {
    role: "uploader",
    name: "no word about encryption",
    change: { encrypt: null },
    faults: [
      "1: encrypt: missing, expected { recipients: [age1…] }, or the word none for backups that anyone with the vault can read",
    ],
  },
  {
    role: "uploader",
    name: "zero recipients",
    change: { encrypt: "encrypt: { recipients: [] }" },
    faults: [
      "4: encrypt.recipients: found an empty list, expected at least one age recipient; with none, write encrypt: none",
    ],
  },
  {
    role: "uploader",
    name: "recipients left empty",
    change: { encrypt: "encrypt:\n  recipients:" },
    faults: [
      "5: encrypt.recipients: found nothing, expected at least one age recipient; with none, write encrypt: none",
    ],
  },
  {
    role: "uploader",
    name: "a recipient with a typing error",
    change: { encrypt: `encrypt:\n  recipients:\n    - ${RECIPIENT}\n    - ${RECIPIENT.replace("u87", "u78")}` },
    faults: [
      '7: encrypt.recipients[1]: found "age1u78jlw6znyafvpdhqrzl9n5ryzcpausy8gvpwex329u8vv089qeqvyxrwx", expected an age recipient (age1…), as `airlock keygen` prints it',
    ],
  },
  {
    role: "uploader",
    name: "an identity instead of a recipient",
    change: { encrypt: "encrypt: { recipients: [AGE-SECRET-KEY-1HUNTER2] }" },
    faults: [
      "4: encrypt.recipients[0]: found a text that is not repeated here, expected an age recipient (age1…), as `airlock keygen` prints it",
    ],
  },
  {
    role: "uploader",
    name: "a recipient twice",
    change: { encrypt: `encrypt: { recipients: [${RECIPIENT}, ${RECIPIENT}] }` },
    faults: [
      '4: encrypt.recipients[1]: found "age1u87jlw6znyafvpdhqrzl9n5ryzcpausy8gvpwex329u8vv089qeqvyxrwx", expected each recipient once',
    ],
  },
  {
    role: "uploader",
    name: "a recipient without its list",
    change: { encrypt: `encrypt: ${RECIPIENT}` },
    faults: [
      '4: encrypt: found "age1u87jlw6znyafvpdhqrzl9n5ryzcpausy8gvpwex329u8vv089qeqvyxrwx", expected { recipients: [age1…] }, or the word none for backups that anyone with the vault can read',
    ],
  },
  {
    role: "uploader",
    name: "encrypt: yes",
    change: { encrypt: "encrypt: true" },
    faults: [
      "4: encrypt: found true, expected { recipients: [age1…] }, or the word none for backups that anyone with the vault can read",
    ],
  },
  {
    role: "uploader",
    name: "unknown compression, bandwidth without a unit",
    change: { compress: "compress: gzip", bandwidth: "bandwidth: 20" },
    faults: [
      '6: compress: found "gzip", expected zstd, none, or { zstd: { level: 1 to 19, long: 20 to 27 } }',
      "7: bandwidth: found 20, expected a size with its unit, such as 20MiB or 50GB; at least 1kB",
    ],
  },
  {
    role: "uploader",
    name: "compression beyond what any zstd reads, and misspelt",
    change: { compress: "compress: { zstd: { level: 20, long: 28, window: 27 } }" },
    faults: [
      "6: compress.zstd.level: found 20, expected a whole number from 1 to 19; the default is 3",
      "6: compress.zstd.long: found 28, expected a whole number from 20 to 27: the window is 2 to that power of bytes",
      "6: compress.zstd.window: unknown key, expected level or long",
    ],
  },
  {
    role: "uploader",
    name: "sets of no kind, of two kinds, of no type",
    change: { sets: "sets:\n  a: {}\n  b: { command: [x], paths: [/x] }\n  c: 3" },
    faults: [
      "7: sets.a: found a map, expected exactly one of command, commands, paths and watch",
      "8: sets.b: found a map, expected exactly one of command, commands, paths and watch",
      "9: sets.c: found 3, expected a set: exactly one of command, commands, paths and watch",
    ],
  },
  {
    role: "uploader",
    name: "keys that belong to another kind of set",
    change: {
      sets: 'sets:\n  a: { watch: /x, after: delete, schedule: "@daily" }\n  b: { command: [x], exclude: [y] }\n  c: { watch: /x }',
    },
    faults: [
      '7: sets.a.schedule: found "@daily", expected nothing here: a set with watch takes no schedule',
      "8: sets.b.exclude: found a list, expected nothing here: a set with command takes no exclude",
      "9: sets.c.after: missing, expected delete or keep",
    ],
  },
  {
    role: "uploader",
    name: "commands and paths that are none",
    change: {
      sets: 'sets:\n  a: { command: [] }\n  b: { command: pg_dump shop }\n  c: { paths: [] }\n  d: { paths: [/x, y] }\n  e: { command: [""] }\n  f: { command: [x, 3] }',
    },
    faults: [
      "7: sets.a.command[0]: missing, expected an argument as text",
      "8: sets.b.command: found a text that is not repeated here, expected a list: a program and its arguments, such as [pg_dump, -Fc, shop]",
      "9: sets.c.paths[0]: missing, expected an absolute path",
      '10: sets.d.paths[1]: found "y", expected an absolute path',
      "11: sets.e.command[0]: found a text that is not repeated here, expected a list: a program and its arguments, such as [pg_dump, -Fc, shop]",
      "12: sets.f.command[1]: found 3, expected an argument as text",
    ],
  },
  {
    role: "uploader",
    name: "schedules that are none",
    change: {
      sets: 'sets:\n  a: { command: [x], schedule: "15 2 * *" }\n  b: { command: [x], schedule: daily }\n  c: { command: [x], schedule: "@often" }\n  d: { command: [x], schedule: 5 }',
    },
    faults: [
      '7: sets.a.schedule: found "15 2 * *", expected a schedule: five cron fields ("15 2 * * *") or @hourly, @daily, @weekly, @monthly, @yearly',
      '8: sets.b.schedule: found "daily", expected a schedule: five cron fields ("15 2 * * *") or @hourly, @daily, @weekly, @monthly, @yearly',
      '9: sets.c.schedule: found "@often", expected a schedule: five cron fields ("15 2 * * *") or @hourly, @daily, @weekly, @monthly, @yearly',
      '10: sets.d.schedule: found 5, expected a schedule: five cron fields ("15 2 * * *") or @hourly, @daily, @weekly, @monthly, @yearly',
    ],
  },
  {
    role: "uploader",
    name: "schedules that never come due, and time zones that are none",
    change: {
      timeZone: 'timeZone: "+01:00"',
      sets: 'sets:\n  a: { command: [x], schedule: "61 2 * * *" }\n  b: { command: [x], schedule: "0 0 30 2 *" }\n  c: { command: [x], timeZone: Europe/Bonn }',
    },
    faults: [
      '6: timeZone: found "+01:00", expected a time zone\'s name, such as Europe/Berlin or UTC',
      '8: sets.a.schedule: found "61 2 * * *", expected a schedule that comes due: 61 is a invalid expression for minute',
      '9: sets.b.schedule: found "0 0 30 2 *", expected a schedule that comes due: 30 2 is an impossible day of month for the given month',
      '10: sets.c.timeZone: found "Europe/Bonn", expected a time zone\'s name, such as Europe/Berlin or UTC',
    ],
  },
  {
    role: "uploader",
    name: "limits, durations and commands of sets that are none",
    change: {
      jitter: "jitter: 60",
      memory: "memory: 1MiB",
      sets: "sets:\n  a: { commands: [] }\n  b: { commands: [x] }\n  c: { command: [x], timeLimit: 0s }\n  d: { watch: /x, after: keep, settle: 1ms, timeLimit: 1h }\n  check: { command: [x] }",
    },
    faults: [
      "6: jitter: found 60, expected a duration with its unit, such as 26h, 30s or 200ms; at most 1d",
      '7: memory: found "1MiB", expected a size with its unit, such as 20MiB or 50GB; at least 32MiB',
      "9: sets.a.commands[0]: missing, expected a list: a program and its arguments, such as [pg_dump, -Fc, shop]",
      "10: sets.b.commands[0]: found a text that is not repeated here, expected a list: a program and its arguments, such as [pg_dump, -Fc, shop]",
      '11: sets.c.timeLimit: found "0s", expected a duration with its unit, such as 26h, 30s or 200ms; at least 1s and at most 4w',
      '12: sets.d.settle: found "1ms", expected a duration with its unit, such as 26h, 30s or 200ms; at least 100ms and at most 1d',
      '12: sets.d.timeLimit: found "1h", expected nothing here: a set with watch takes no timeLimit',
      '13: sets.check: found the key "check", expected another name: what `airlock-uploader check` puts lies there',
    ],
  },
  {
    role: "uploader",
    name: "names of sets and files that are none",
    change: {
      sets: "sets:\n  A b: { command: [x] }\n  b: { command: [x], name: a/b }\n  c: { command: [x], name: x.airlock.json }",
    },
    faults: [
      "7: sets.\"A b\": found the key \"A b\", expected a set's name: 1 to 63 of a-z, 0-9, '.', '_' and '-', with a letter or digit first",
      '8: sets.b.name: found "a/b", expected a file\'s name of at most 230 bytes, without a slash',
      '9: sets.c.name: found "x.airlock.json", expected a file\'s name of at most 230 bytes, without a slash',
    ],
  },
  {
    role: "uploader",
    name: "a token in a plaintext address is not repeated",
    change: { notify: "notify:\n  success: http://hooks.example.net/hunter2\n  failure: hunter2" },
    faults: [
      "7: notify.success: found a text that is not repeated here, expected https://, or allowPlaintext: true beside success: anyone on the way can read http://",
      "8: notify.failure: found a text that is not repeated here, expected an https:// address",
    ],
  },
  {
    role: "mover",
    name: "no hosts",
    change: { hosts: "hosts: {}" },
    faults: ["5: hosts: found a map, expected at least one host, such as web1: { publicKeys: [ed25519:…] }"],
  },
  {
    role: "mover",
    name: "hosts as a list",
    change: { hosts: "hosts: [web1]" },
    faults: ["5: hosts: found a list, expected a map (key: value)"],
  },
  {
    role: "mover",
    name: "a host without keys",
    change: { hosts: "hosts:\n  web1: {}\n  web2: { signatures: optional }\n  web3: { signatures: none }" },
    faults: [
      "6: hosts.web1.publicKeys: missing, expected at least one public key, or signatures: none for a host that signs nothing",
      "7: hosts.web2.publicKeys: missing, expected at least one public key, or signatures: none for a host that signs nothing",
    ],
  },
  {
    role: "mover",
    name: "a host's name in capitals",
    change: { hosts: `hosts:\n  WEB1: { publicKeys: ["${KEY}"] }` },
    faults: [
      "6: hosts.WEB1: found the key \"WEB1\", expected a host's name: 1 to 63 of a-z, 0-9, '.', '_' and '-', with a letter or digit first",
    ],
  },
  {
    role: "mover",
    name: "keys that are none",
    change: {
      hosts: `hosts:\n  web1:\n    publicKeys:\n      - ssh-ed25519 AAAA\n      - 5\n      - { key: "ed25519:AAAA" }\n      - { key: "${KEY}", since: 2026-01-01T00:00:00Z }\n      - { key: "${OTHER_KEY}", from: yesterday }\n      - { from: 2026-01-01T00:00:00Z }`,
    },
    faults: [
      '8: hosts.web1.publicKeys[0]: found "ssh-ed25519 AAAA", expected a public key: ed25519:<base64 of its 32 bytes>, as `init` prints it',
      "9: hosts.web1.publicKeys[1]: found 5, expected a public key: ed25519:<base64 of its 32 bytes>, as `init` prints it; or { key, from, until }",
      '10: hosts.web1.publicKeys[2].key: found "ed25519:AAAA", expected a public key: ed25519:<base64 of its 32 bytes>, as `init` prints it',
      "11: hosts.web1.publicKeys[3].since: unknown key, expected key, from or until",
      '12: hosts.web1.publicKeys[4].from: found "yesterday", expected a time such as 2026-11-21T00:00:00Z',
      "13: hosts.web1.publicKeys[5].key: missing, expected a public key: ed25519:<base64 of its 32 bytes>, as `init` prints it",
    ],
  },
  {
    role: "mover",
    name: "a key twice, and one that ends before it begins",
    change: {
      hosts: `hosts:\n  web1:\n    publicKeys: ["${KEY}", "${KEY}"]\n  web2:\n    publicKeys:\n      - { key: "${KEY}", from: 2026-02-01T00:00:00Z, until: 2026-01-01T00:00:00Z }`,
    },
    faults: [
      '7: hosts.web1.publicKeys[1]: found "ed25519:UeMcmRtTWnd3Kve5kaZU2lNUF86CxPZjUfiFYKCkQdQ=", expected each key once',
      '10: hosts.web2.publicKeys[0].until: found "2026-01-01T00:00:00Z", expected a time after `from`',
    ],
  },
  {
    role: "mover",
    name: "a key that is not in its list",
    change: { hosts: `hosts:\n  web1: { publicKeys: "${KEY}" }` },
    faults: [
      '6: hosts.web1.publicKeys: found "ed25519:UeMcmRtTWnd3Kve5kaZU2lNUF86CxPZjUfiFYKCkQdQ=", expected a list of public keys',
    ],
  },
  {
    role: "mover",
    name: "typing errors in a host",
    change: {
      hosts: `hosts:\n  web1:\n    publickeys: ["${KEY}"]\n    signature: required\n    qouta: {}\n    forein: true`,
    },
    faults: [
      "6: hosts.web1.publicKeys: missing, expected at least one public key, or signatures: none for a host that signs nothing",
      "7: hosts.web1.publickeys: unknown key, did you mean publicKeys?",
      "8: hosts.web1.signature: unknown key, did you mean signatures?",
      "9: hosts.web1.qouta: unknown key, did you mean quota?",
      "10: hosts.web1.forein: unknown key, did you mean foreign?",
    ],
  },
  {
    role: "mover",
    name: "quotas and expectations without units",
    change: {
      hosts: `hosts:\n  web1:\n    publicKeys: ["${KEY}"]\n    quota: { bytesPerDay: 50, objectsPerDay: 1.5, objectSize: 0B }\n    expect:\n      postgres: { every: 26, minSize: 1 }\n      etc: {}\n      B: { every: 1h }`,
    },
    faults: [
      "8: hosts.web1.quota.bytesPerDay: found 50, expected a size with its unit, such as 20MiB or 50GB; at least 1B",
      "8: hosts.web1.quota.objectsPerDay: found 1.5, expected a whole number from 1 to 1000000000",
      '8: hosts.web1.quota.objectSize: found "0B", expected a size with its unit, such as 20MiB or 50GB; at least 1B',
      "10: hosts.web1.expect.postgres.every: found 26, expected a duration with its unit, such as 26h, 30s or 200ms; at least 1m and at most 3660d",
      "10: hosts.web1.expect.postgres.minSize: found 1, expected a size with its unit, such as 20MiB or 50GB",
      "11: hosts.web1.expect.etc.every: missing, expected a duration with its unit, such as 26h, 30s or 200ms; at least 1m and at most 3660d",
      "12: hosts.web1.expect.B: found the key \"B\", expected a set's name: 1 to 63 of a-z, 0-9, '.', '_' and '-', with a letter or digit first",
    ],
  },
  {
    role: "mover",
    name: "an unknown policy",
    change: { hosts: `hosts:\n  web1: { publicKeys: ["${KEY}"], signatures: sometimes, foreign: "yes" }` },
    faults: [
      '6: hosts.web1.signatures: found "sometimes", expected required, optional or none',
      '6: hosts.web1.foreign: found "yes", expected true or false',
    ],
  },
  {
    role: "mover",
    name: "both doors lead into one bucket",
    change: { vault: "vault: { bucket: acme-dropzone, region: eu-west-1 }" },
    faults: ['4: vault.bucket: found "acme-dropzone", expected another bucket than the drop-zone\'s'],
  },
  {
    role: "mover",
    name: "read back from where nothing can be read",
    change: {
      vault: "vault:\n  bucket: acme-vault\n  region: eu-west-1\n  verify: readback\n  storageClass: DEEP_ARCHIVE",
    },
    faults: [
      '8: vault.storageClass: found "DEEP_ARCHIVE", expected a class that can be read at once, since verify is readback',
    ],
  },
  {
    role: "mover",
    name: "vault keys that are none",
    change: { vault: "vault:\n  bucket: acme-vault\n  region: eu-west-1\n  verify: always\n  storageClass: cold" },
    faults: [
      '7: vault.verify: found "always", expected checksum or readback',
      '8: vault.storageClass: found "cold", expected a storage class in capitals, such as STANDARD_IA',
    ],
  },
  {
    role: "mover",
    name: "discovery that cannot be",
    change: {
      discover: "discover:\n  poll: 0ms\n  share: 4/3\n  sqs: { queueUrl: http://sqs.example.net/q, sweep: often }",
    },
    faults: [
      '8: discover.poll: found "0ms", expected a duration with its unit, such as 26h, 30s or 200ms; at least 10ms and at most 1d',
      '9: discover.share: found "4/3", expected i/n with i from 1 to n, such as 1/3',
      '10: discover.sqs.sweep: found "often", expected a schedule: five cron fields ("15 2 * * *") or @hourly, @daily, @weekly, @monthly, @yearly',
      '10: discover.sqs.queueUrl: found "http://sqs.example.net/q", expected https://, or allowPlaintext: true beside queueUrl: anyone on the way can read http://',
    ],
  },
  {
    role: "mover",
    name: "shares that are none",
    change: { discover: "discover:\n  share: 0/1" },
    faults: ['8: discover.share: found "0/1", expected i/n with i from 1 to n, such as 1/3'],
  },
  {
    role: "mover",
    name: "amounts out of bounds",
    change: { concurrency: "concurrency: 0", memory: "memory: 1MiB" },
    faults: [
      "7: concurrency: found 0, expected a whole number from 1 to 1024",
      '8: memory: found "1MiB", expected a size with its unit, such as 20MiB or 50GB; at least 64MiB',
    ],
  },
  {
    role: "mover",
    name: "alerts in the clear",
    change: {
      alerts:
        "alerts:\n  webhook:\n    - https://hooks.example.net/a\n    - http://hooks.example.net/hunter2\n  heartbeat: http://hc.example.net/x\n  missingAfter: 60",
    },
    faults: [
      "10: alerts.webhook[1]: found a text that is not repeated here, expected https://, or allowPlaintext: true beside webhook: anyone on the way can read http://",
      "11: alerts.heartbeat: found a text that is not repeated here, expected https://, or allowPlaintext: true beside heartbeat: anyone on the way can read http://",
      "12: alerts.missingAfter: found 60, expected a duration with its unit, such as 26h, 30s or 200ms; at least 1m and at most 365d",
    ],
  },
  {
    role: "mover",
    name: "metrics and report to nowhere",
    change: { metrics: "metrics: {}", report: "report: report.html" },
    faults: [
      "7: metrics.textfile: missing, expected an absolute path",
      '8: report: found "report.html", expected an absolute path',
    ],
  },
  {
    role: "operator",
    name: "no movers, no keys",
    change: { movers: "movers: {}", hosts: "hosts:\n  web1: []" },
    faults: [
      "2: movers: found a map, expected at least one mover, such as mover-a: [ed25519:…]",
      "4: hosts.web1: found an empty list, expected at least one public key",
    ],
  },
  {
    role: "operator",
    name: "a mover's key as text, a key of the mover's configuration",
    change: {
      movers: `movers:\n  mover-a: "${KEY}"`,
      vault: "vault: { bucket: acme-vault, region: eu-west-1, verify: readback }",
    },
    faults: [
      "1: vault.verify: unknown key, expected bucket, region, endpoint, allowPlaintext, forcePathStyle, credentials, expectedBucketOwner or checksums",
      '3: movers.mover-a: found "ed25519:UeMcmRtTWnd3Kve5kaZU2lNUF86CxPZjUfiFYKCkQdQ=", expected a list of public keys',
    ],
  },
];
