export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of a page that say what they are (`sh`, `yaml`), in order, as they stand there. */
export function codeBlocks(page: string): readonly CodeBlock[] {
  return Array.from(page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm), ([, language = "", text = ""]) => ({
    language,
    text,
  }));
}
