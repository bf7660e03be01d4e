// Every page, in both languages, light and dark, wide and narrow: it is there, in its language, accessible, and no wider than
// the window.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import {
  enter,
  findings,
  fixture,
  overflow,
  startBrowser,
  startReceiver,
  startService,
  until,
  visit,
} from "./support.mjs";
import { pagesOf } from "./pages.mjs";

let service, browser, receiver, pages;
before(async () => {
  [service, browser, receiver] = await Promise.all([startService(), startBrowser(), startReceiver()]);
  await service.ask("POST", "/v1/endpoints", { url: receiver.url });
  await service.upload(fixture("deals/clinic-1.json"), { deal: { name: "Clinic" } });
  const call = await service.upload(fixture("deals/clinic-2.json"), { deal: { name: "Clinic" } });
  const { deal_id: deal } = await service.ask("GET", `/v1/calls/${call}`);
  const delivery = await until(
    "a delivery",
    async () => (await service.ask("GET", "/v1/deliveries?state=delivered")).items[0],
  );
  pages = pagesOf({ call, deal, delivery: delivery.id, endpoint: delivery.endpoint_id });
});
after(() => Promise.all([service?.close(), browser?.close(), receiver?.close()]));

const WAYS = [
  { language: "en", theme: "light", width: 1280, height: 800 },
  { language: "ru", theme: "dark", width: 1280, height: 800 },
  { language: "en", theme: "dark", width: 380, height: 800 },
  { language: "ru", theme: "light", width: 380, height: 800 },
];

for (const way of WAYS) {
  test(`every page: ${way.language}, ${way.theme}, ${way.width} px`, async () => {
    const page = await enter(browser, service, "admin", way);
    const wrong = [];
    for (const [name, path] of Object.entries(pages)) {
      await visit(page, path);
      // What axe looks at is the same in a narrow window.
      const found = way.width > 380 ? await findings(page) : [];
      if (found.length > 0) wrong.push(`${name} (${path}): ${found.join("; ")}`);
      const over = await overflow(page);
      if (over > 0) wrong.push(`${name} (${path}): ${over} px wider than the window`);
      const { lang, heading } = await page.evaluate(() => ({
        lang: document.documentElement.lang,
        heading: document.querySelector("main h1").innerText,
      }));
      if (lang !== way.language) wrong.push(`${name}: its language is ${lang}`);
      if (heading.trim() === "") wrong.push(`${name}: it has no heading`);
    }
    assert.deepEqual(wrong, []);
    await page.leave();
  });
}

test("the links are in the language of the interface, which can be changed", async () => {
  const page = await enter(browser, service, "admin");
  await visit(page, "/deliveries");
  await page.getByRole("heading", { name: "Deliveries", level: 1 }).waitFor();
  await page.getByRole("combobox", { name: "Language" }).selectOption("ru");
  await page.getByRole("heading", { name: "Доставки", level: 1 }).waitFor();
  const links = await page.getByRole("navigation").getByRole("link").allInnerTexts();
  assert.deepEqual(
    links.filter((word) => !/[а-яё]/i.test(word)),
    [],
  );
  await page.leave();
});

test("the page is usable by keyboard alone", async () => {
  const page = await enter(browser, service, "admin");
  await visit(page, "/endpoints");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content", "the content is one key away");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Add an endpoint" });
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await page.leave();
});

test("the first load is under 150 kB of script", () => {
  console.log(
    execFileSync("node", [new URL("../scripts/size.mjs", import.meta.url).pathname], { encoding: "utf8" }).trim(),
  );
});
