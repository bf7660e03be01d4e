// Deals to choose from.
import { computed, signal } from "@preact/signals";
import { api, ask, type Schemas } from "../../api/client.ts";

type Deal = Schemas["Deal"];

export async function findDeals(query: string, limit = 50): Promise<Deal[]> {
  const q = query.trim();
  const page = await ask(api.GET("/v1/deals", { params: { query: { limit, ...(q ? { q } : {}) } } }));
  return page.items as Deal[];
}

const found = signal<Deal[]>([]);

/** For lists of suggestions under a field. */
export const dealNames = computed(() => [...new Set(found.value.map((deal) => deal.name))]);

let timer: ReturnType<typeof setTimeout> | undefined;

/** Looks for deals when the person has stopped typing. */
export function loadDeals(query: string): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    void findDeals(query)
      .then((deals) => (found.value = deals))
      // Without suggestions a name can still be written.
      .catch(() => undefined);
  }, 200);
}
