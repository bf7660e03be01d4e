// Deals over several calls, the process file, and the figures of managers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { enter, findings, fixture, overflow, startBrowser, startService, until, visit } from "./support.mjs";

let service, browser, deal;
before(async () => {
  [service, browser] = await Promise.all([startService(), startBrowser()]);
  for (const n of [1, 2]) {
    const meta = { deal: { name: "Harbour Clinic" }, owner: service.people.rep.id };
    await service.upload(fixture(`deals/clinic-${n}.json`), meta);
  }
  [deal] = (await service.ask("GET", "/v1/deals")).items;
});
after(async () => {
  await Promise.all([service?.close(), browser?.close()]);
});

test("a deal stands on the board and in the list, and its page holds both sides of what contradicts itself", async () => {
  const page = await enter(browser, service, "rep");
  await visit(page, "/deals");
  await page.getByRole("article").getByRole("link", { name: "Harbour Clinic" }).waitFor();
  await page.getByRole("searchbox").fill("no such deal");
  await page.getByText("No deal fits.").waitFor();
  await page.getByRole("searchbox").fill("CLINIC harbour");
  await page.getByRole("button", { name: "List" }).click();
  await page.getByRole("rowheader").getByRole("link", { name: "Harbour Clinic" }).click();
  await page.waitForURL(`**/deals/${deal.id}`);
  const { known } = await service.ask("GET", `/v1/deals/${deal.id}`);
  const section = page.getByRole("region", { name: "Contradictions" });
  for (const { earlier, latest } of known.deal.contradictions) {
    await section.getByText(earlier.quote).first().waitFor();
    await section.getByText(latest.quote).first().waitFor();
  }
  assert.ok(known.deal.contradictions.length > 0);
  const [{ earlier }] = known.deal.contradictions;
  const link = section.getByRole("listitem").first().getByRole("link").first();
  assert.equal(await link.getAttribute("href"), `/calls/${earlier.call}?turn=${earlier.turn}`);
  assert.deepEqual(await findings(page), []);
  await page.leave();
});

test("the slider shows what was known after the first call, and its address shows it to others", async () => {
  const page = await enter(browser, service, "rep");
  await visit(page, `/deals/${deal.id}`);
  const { records } = await service.ask("GET", `/v1/deals/${deal.id}/history`);
  const scores = (record) => record.known.deal.elements.map((element) => `${element.score} of 3`);
  const shown = () => page.getByRole("region", { name: "Elements" }).locator(".el-score").allInnerTexts();
  assert.notDeepEqual(scores(records[0]), scores(records[1]));
  assert.deepEqual(await shown(), scores(records[1]));
  await page.getByRole("slider").focus();
  await page.keyboard.press("ArrowLeft");
  await page.getByText("This is what was known then").waitFor();
  assert.deepEqual(await shown(), scores(records[0]));
  const address = page.url();
  await page.goto("about:blank");
  await visit(page, address);
  assert.deepEqual(await shown(), scores(records[0]));
  await page.getByRole("button", { name: "Back to now" }).click();
  await page.getByText("Move it to see").waitFor();
  assert.deepEqual(await shown(), scores(records[1]));
  await page.leave();
});

test("a deal is added by hand; a manager deletes it after being asked, a rep cannot", async () => {
  const page = await enter(browser, service, "rep");
  await visit(page, "/deals");
  await page.getByRole("button", { name: "Add a deal" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Short Lived");
  await page.getByRole("dialog").getByRole("button", { name: "Add a deal" }).click();
  await page.getByRole("heading", { name: "Short Lived" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Delete" }).count(), 0);
  const address = page.url();
  await page.leave();
  const manager = await enter(browser, service, "manager");
  await visit(manager, address);
  await manager.getByRole("button", { name: "Delete" }).click();
  await manager.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  assert.equal((await service.ask("GET", "/v1/deals")).items.length, 2);
  await manager.getByRole("button", { name: "Delete" }).click();
  await manager.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await manager.waitForURL("**/deals");
  assert.deepEqual(
    (await service.ask("GET", "/v1/deals")).items.map((left) => left.id),
    [deal.id],
  );
  await manager.leave();
});

test("the process is read as cards; an admin's file is checked by line and column, used, and taken back", async () => {
  const rep = await enter(browser, service, "rep", { language: "ru", width: 380 });
  await visit(rep, "/process/pain");
  await rep.getByText("Что сейчас мешает?").waitFor();
  assert.equal(await overflow(rep), 0);
  assert.equal(await rep.getByRole("button", { name: "Изменить файл" }).count(), 0);
  await rep.leave();

  const page = await enter(browser, service, "admin");
  await visit(page, "/process");
  await page.getByRole("button", { name: "Edit the file" }).click();
  const text = readFileSync(new URL("../../src/process/ppvvc.toml", import.meta.url), "utf8");
  const own = text.replace(
    'name = { en = "Lead", ru = "Лид" }',
    'name = { en = "First talk", ru = "Первый разговор" }',
  );
  assert.notEqual(own, text);
  const box = page.getByRole("textbox", { name: /Text of the file/ });
  // It begins with the file in force, here the server's.
  await until("the file is there", async () => (await box.inputValue()) === text);
  assert.ok(await page.getByRole("button", { name: "Use this file" }).isDisabled());
  await box.fill(own.replace('until = "pain >= 2"', 'until = "pian >= 2"'));
  const line = own.slice(0, own.indexOf('until = "pain >= 2"')).split("\n").length;
  await page.getByRole("button", { name: new RegExp(`Line ${line}, column`) }).click();
  const chosen = await box.evaluate((area) => area.value.slice(0, area.selectionStart).split("\n").length);
  assert.equal(chosen, line);
  assert.ok(await page.getByRole("button", { name: "Use this file" }).isDisabled());
  await box.fill(own);
  await page.getByText("The file is sound.").waitFor();
  await page.getByRole("button", { name: "Use this file" }).click();
  await page.getByRole("navigation", { name: "Process" }).getByRole("link", { name: "First talk" }).waitFor();
  assert.deepEqual(await findings(page), []);
  await page.getByRole("button", { name: "Back to the server's" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Back to the server's" }).click();
  await page.getByRole("navigation", { name: "Process" }).getByRole("link", { name: "Lead" }).waitFor();
  assert.equal(await box.inputValue(), text);
  await page.leave();
});

test("figures that rest on few say so, and reps see none", async () => {
  const page = await enter(browser, service, "manager");
  await visit(page, "/insights");
  await page.getByText("too few to say").first().waitFor();
  for (const report of ["Cycle", "Forecast", "Coaching", "Process map"]) {
    await page.getByRole("navigation", { name: "Reports" }).getByRole("link", { name: report }).click();
    await page.getByRole("heading", { level: 2 }).first().waitFor();
    assert.deepEqual(await findings(page), [], report);
  }
  await page.getByRole("navigation", { name: "Reports" }).getByRole("link", { name: "Forecast" }).click();
  await page.getByText("Too few deals have ended for a forecast").waitFor();
  await page.leave();
  const rep = await enter(browser, service, "rep");
  await visit(rep, "/insights");
  await rep.getByText("These figures are for managers.").waitFor();
  await rep.leave();
});
