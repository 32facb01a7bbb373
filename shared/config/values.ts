/** The values that several roles' configurations are made of. A schema's message says what was expected there. */
import { isAbsolute, normalize } from "node:path";
import { z } from "zod";
import { AirlockError } from "../errors.ts";
import { isHostName } from "../names.ts";
import { parsePublicKey, type PublicKey } from "../keys.ts";

/** Relative paths would mean something else for a daemon than for the person who wrote them. */
export const absolutePath = z
  .string({ error: "an absolute path" })
  .refine((path) => isAbsolute(path) && !path.includes("\0"), { error: "an absolute path" })
  .transform((path) => normalize(path));

const SEGMENT = "1 to 63 of a-z, 0-9, '.', '_' and '-', with a letter or digit first";
export const hostName = z
  .string({ error: `a host's name: ${SEGMENT}` })
  .refine(isHostName, { error: `a host's name: ${SEGMENT}` });
export const setName = z
  .string({ error: `a set's name: ${SEGMENT}` })
  .refine(isHostName, { error: `a set's name: ${SEGMENT}` });
export const moverId = z
  .string({ error: `a mover's id: ${SEGMENT}` })
  .refine(isHostName, { error: `a mover's id: ${SEGMENT}` });

/** Hosts, sets and movers are looked up in Maps, never as properties: `constructor` is a name like any other. */
export function mapOf<Value extends z.ZodType>(
  key: z.ZodType<string, string>,
  value: Value,
): z.ZodType<ReadonlyMap<string, z.infer<Value>>> {
  return z.record(key, value).transform((record) => new Map(Object.entries(record)));
}

/** `POST` targets that people give: webhooks and heartbeats. Their paths are secrets more often than not. */
export const webAddress = z
  .string({ error: "an https:// address" })
  .refine(isWebAddress, { error: "an https:// address" });

function isWebAddress(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    (url.protocol === "https:" || url.protocol === "http:") &&
    url.username === "" &&
    url.password === ""
  );
}

/** Whether what is sent there can be read on the way. */
function isPlaintextAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.protocol === "http:" && !isLoopback(url.hostname);
}

function isLoopback(hostname: string): boolean {
  // the URL parser has already made 127.1 and 0x7f.1 into four decimals
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** A cross-field check has to see its object even when another field is at fault: all faults are reported together. */
export const always = { when: () => true };

/** Adds a fault for each address under `keys` that needs `allowPlaintext: true` beside it. */
export function checkPlaintext(value: unknown, keys: readonly string[], context: z.RefinementCtx): void {
  if (!isRecord(value) || value.allowPlaintext === true) return;
  for (const key of keys) {
    const given = value[key];
    for (const [index, address] of (Array.isArray(given) ? given : [given]).entries()) {
      if (typeof address !== "string" || !isPlaintextAddress(address)) continue;
      context.addIssue({
        code: "custom",
        path: Array.isArray(given) ? [key, index] : [key],
        message: `https://, or allowPlaintext: true beside ${key}: anyone on the way can read http://`,
      });
    }
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const time = z
  .string({ error: "a time such as 2026-11-21T00:00:00Z" })
  .refine((text) => z.iso.datetime({ offset: true }).safeParse(text).success, {
    error: "a time such as 2026-11-21T00:00:00Z",
  })
  .transform((text) => new Date(text));

const PUBLIC_KEY = "a public key: ed25519:<base64 of its 32 bytes>, as `init` prints it";
const keyText = z.string({ error: PUBLIC_KEY }).transform((text, context) => {
  return parseKey(text, null, null, context, []);
});
const datedKey = z
  .strictObject({ key: z.string({ error: PUBLIC_KEY }), from: time.optional(), until: time.optional() })
  .transform(({ key, from = null, until = null }, context) => {
    if (from !== null && until !== null && from >= until) {
      context.addIssue({ code: "custom", path: ["until"], message: "a time after `from`" });
    }
    return parseKey(key, from, until, context, ["key"]);
  });

function parseKey(
  text: string,
  from: Date | null,
  until: Date | null,
  context: z.RefinementCtx,
  path: string[],
): PublicKey {
  try {
    return parsePublicKey(text, from, until);
  } catch (error) {
    if (!(error instanceof AirlockError)) throw error;
    context.addIssue({ code: "custom", path, message: PUBLIC_KEY });
    return z.NEVER;
  }
}

/** Keys, each as its text or as `{ key, from, until }`; none twice. */
export const publicKeys: z.ZodType<readonly PublicKey[]> = z
  .array(z.union([keyText, datedKey], { error: `${PUBLIC_KEY}; or { key, from, until }` }), {
    error: "a list of public keys",
  })
  .max(100, { error: "at most 100 keys" })
  .superRefine((keys, context) => {
    const first = new Map<string, number>();
    for (const [index, { text }] of keys.entries()) {
      if (first.has(text)) context.addIssue({ code: "custom", path: [index], message: "each key once" });
      else first.set(text, index);
    }
  });

/** Five fields or a nickname, in shape only. */
const CRON_FIELD = /^[0-9A-Za-z*/,\-#?]+$/;
const CRON_NAMES = new Set(["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"]);
export const cronExpression = z
  .string({ error: 'a schedule: five cron fields ("15 2 * * *") or @hourly, @daily, @weekly, @monthly, @yearly' })
  .refine(isCronExpression, {
    error: 'a schedule: five cron fields ("15 2 * * *") or @hourly, @daily, @weekly, @monthly, @yearly',
  });

function isCronExpression(text: string): boolean {
  const fields = text.trim().split(/\s+/);
  return CRON_NAMES.has(text) || (fields.length === 5 && fields.every((field) => CRON_FIELD.test(field)));
}
