/**
 * Loads up to `width` items at once and yields what was loaded in the items' own order. Leaving the loop early, or a
 * load that fails, cancels the loads that are still under way and waits for them.
 */
export async function* prefetch<Item, Loaded>(
  items: AsyncIterable<Item> | Iterable<Item>,
  width: number,
  load: (item: Item, signal: AbortSignal) => Promise<Loaded>,
  signal: AbortSignal,
): AsyncGenerator<Loaded, void, undefined> {
  const leaving = new AbortController();
  const either = AbortSignal.any([signal, leaving.signal]);
  const queue: Promise<Loaded>[] = [];
  try {
    for await (const item of items) {
      const loading = load(item, either);
      // Awaited in its turn below; until then its failure must not count as unhandled.
      void Promise.allSettled([loading]);
      queue.push(loading);
      const [first] = queue;
      if (queue.length < width || first === undefined) continue;
      const loaded = await first;
      void queue.shift();
      yield loaded;
    }
    for (let first = queue[0]; first !== undefined; first = queue[0]) {
      const loaded = await first;
      void queue.shift();
      yield loaded;
    }
  } finally {
    leaving.abort();
    await Promise.allSettled(queue);
  }
}
