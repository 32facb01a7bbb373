/** The commands of a page: what stands in its blocks marked `sh`, in order, to be run as it stands there. */
export function shellBlocks(page: string): readonly string[] {
  return Array.from(page.matchAll(/^```sh\n([\s\S]*?)^```$/gm), ([, text = ""]) => text);
}
