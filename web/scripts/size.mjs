// How much script the first page loads, gzipped; fails over the limit.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 150_000;
const folder = new URL("../dist/", import.meta.url);
const page = readFileSync(new URL("index.html", folder), "utf8");
const size = (name) => gzipSync(readFileSync(new URL(name, folder)), { level: 9 }).length;
const first = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((found) => found[1]);
const all = readdirSync(new URL("assets/", folder)).filter((name) => name.endsWith(".js"));
const sum = (names) => names.reduce((total, name) => total + size(name), 0);
const atFirst = sum(first);
console.log(
  `first load ${atFirst} bytes of script gzipped, ${sum(all.map((name) => `assets/${name}`))} in all; limit ${LIMIT}`,
);
if (first.length === 0 || atFirst > LIMIT) process.exit(1);
