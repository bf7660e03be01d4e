// Pictures of the main pages in web/tests/shots, for people to look at: `make shots`.
import { mkdirSync } from "node:fs";
import { enter, fixture, startBrowser, startReceiver, startService, until, visit } from "./support.mjs";
import { pagesOf } from "./pages.mjs";

const WAYS = [
  { language: "en", theme: "light", width: 1280, height: 800 },
  { language: "ru", theme: "dark", width: 1280, height: 800 },
  { language: "en", theme: "dark", width: 380, height: 800 },
];

const folder = new URL("shots/", import.meta.url);
mkdirSync(folder, { recursive: true });
const [service, browser, receiver] = await Promise.all([startService(), startBrowser(), startReceiver()]);
try {
  await service.ask("POST", "/v1/endpoints", { url: receiver.url });
  for (const name of ["clinic-1", "clinic-2"])
    await service.upload(fixture(`deals/${name}.json`), { deal: { name: "Clinic" } });
  for (const name of ["sklad-1", "sklad-2"])
    await service.upload(fixture(`deals/${name}.json`), { deal: { name: "Склад" } });
  const call = await service.upload(fixture("audio/discovery-en.opus"), {
    deal: { name: "Clinic" },
    call_date: "2025-03-12",
  });
  const { deal_id: deal } = await service.ask("GET", `/v1/calls/${call}`);
  const delivery = await until(
    "a delivery",
    async () => (await service.ask("GET", "/v1/deliveries?state=delivered")).items[0],
  );
  const pages = pagesOf({ call, deal, delivery: delivery.id, endpoint: delivery.endpoint_id });
  for (const way of WAYS) {
    const page = await enter(browser, service, "admin", way);
    for (const [name, path] of Object.entries(pages)) {
      await visit(page, path);
      const file = new URL(`${name}-${way.language}-${way.theme}-${way.width}.png`, folder).pathname;
      await page.screenshot({ path: file, fullPage: true });
      console.log(file);
    }
    await page.leave();
  }
} finally {
  await Promise.all([service.close(), browser.close(), receiver.close()]);
}
