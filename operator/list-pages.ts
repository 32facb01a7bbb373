import type { ListPage, VaultReader } from "../shared/stores.ts";

/** A page is a request; more would not be asked for at once. */
const PAGE = 1000;

/** Everything below the prefix, page by page: versions and delete markers. */
export async function* listPages(
  reader: VaultReader,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<ListPage, void, undefined> {
  let cursor: string | null = null;
  do {
    const page: ListPage = await reader.listPage({ prefix, cursor, limit: PAGE, signal });
    yield page;
    cursor = page.next;
  } while (cursor !== null);
}
