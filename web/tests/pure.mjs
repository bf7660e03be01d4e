// Modules of the page that stand alone, for tests without a browser.
import { readFile } from "node:fs/promises";
import { transformWithOxc } from "vite";

/** `path` from `src/`. The module imports nothing but types. */
export async function pure(path) {
  const file = new URL(`../src/${path}`, import.meta.url);
  const { code } = await transformWithOxc(await readFile(file, "utf8"), file.pathname);
  return import(`data:text/javascript,${encodeURIComponent(code)}`);
}
