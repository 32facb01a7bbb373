/** Patterns of policies: `*`, `?`, and variables such as `${aws:username}`. Matching is linear, without expressions. */
import type { ConditionValues } from "./conditions.ts";

/* Stand-ins for the wildcards, so that `*` and `?` from a variable's value stay what they are. */
const star = "\u0001";
const question = "\u0002";

export interface Pattern {
  /** As written in the policy. */
  readonly source: string;
  readonly text: string;
  readonly hasVariables: boolean;
}

export function compilePattern(source: string): Pattern {
  const variables = source.includes("${");
  const text = source
    .split(/(\$\{[^}]*\})/)
    .map((piece, index) => {
      if (index % 2 === 0) return piece.replaceAll("*", star).replaceAll("?", question);
      return piece === "${*}" ? "*" : piece === "${?}" ? "?" : piece === "${$}" ? "$" : piece;
    })
    .join("");
  return { source, text, hasVariables: variables && text.includes("${") };
}

/** The pattern with its variables' values; undefined where one has none (then nothing matches). */
export function expandVariables(pattern: Pattern, values: ConditionValues): Pattern | undefined {
  if (!pattern.hasVariables) return pattern;
  let missing = false;
  const text = pattern.text.replace(/\$\{([^},]+)(?:,\s*'([^']*)')?\}/g, (_, name: string, fallback?: string) => {
    const value = values(name.toLowerCase())?.[0] ?? fallback;
    if (value === undefined) missing = true;
    return value ?? "";
  });
  return missing ? undefined : { source: pattern.source, text, hasVariables: false };
}

export function matchPattern({ text: pattern }: Pattern, text: string): boolean {
  let at = 0;
  let patternAt = 0;
  let starAt = -1;
  let resumeAt = 0;
  while (at < text.length) {
    const expected = pattern[patternAt];
    if (expected === star) {
      starAt = patternAt++;
      resumeAt = at;
    } else if (expected !== undefined && (expected === question || expected === text[at])) {
      patternAt++;
      at++;
    } else if (starAt !== -1) {
      patternAt = starAt + 1;
      at = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[patternAt] === star) patternAt++;
  return patternAt === pattern.length;
}
