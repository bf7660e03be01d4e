// The line of a live call: it breaks, and comes back with everything.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { enter, findings, fixture, PATIENCE, startBrowser, startService, until, visit } from "./support.mjs";

let service, browser;
const { turns } = JSON.parse(readFileSync(fixture("deals/clinic-1.json"), "utf8"));
before(async () => {
  [service, browser] = await Promise.all([startService(), startBrowser()]);
});
after(async () => {
  await Promise.all([service?.close(), browser?.close()]);
});

async function type(page, said) {
  for (const { role, text } of said) {
    await page.getByRole("radio", { name: role === "rep" ? "You" : "Buyer" }).check();
    await page.getByRole("textbox", { name: "What was said" }).fill(text);
    await page.keyboard.press("Enter");
  }
}

test("turns that are typed while the connection is gone arrive when it is back; the end is the same call as from a file", async () => {
  const page = await enter(browser, service, "rep");
  await visit(page, "/live");
  await page.getByRole("radio", { name: "Type what is said" }).check();
  await page.getByRole("combobox", { name: "Deal" }).fill("Harbour Clinic");
  // Nothing begins before people have agreed.
  await page.getByRole("button", { name: "Start the call" }).click();
  assert.equal(await page.getByRole("button", { name: "End the call" }).count(), 0);
  await page.getByRole("checkbox", { name: /agreed/ }).check();
  await page.getByRole("button", { name: "Start the call" }).click();
  const shown = page.getByRole("list", { name: "Transcript" }).getByRole("listitem");
  await type(page, turns.slice(0, 8));
  await until("eight turns", async () => (await shown.count()) === 8);
  assert.deepEqual(await findings(page), []);

  await page.context().setOffline(true);
  await page.getByText("Connection lost").waitFor();
  await type(page, turns.slice(8, 12));
  await page.getByText("4 turns to send").waitFor();
  assert.equal(await shown.count(), 8);
  await page.context().setOffline(false);
  await until("twelve turns", async () => (await shown.count()) === 12);
  // The browser says of each try that it failed.
  page.broken.splice(0, page.broken.length, ...page.broken.filter((what) => !/WebSocket|ERR_INTERNET/.test(what)));

  await page.getByRole("button", { name: "End the call" }).click();
  await page.waitForURL(/\/calls\/[^/]+/, { timeout: PATIENCE });
  const id = new URL(page.url()).pathname.split("/")[2];
  await service.done(id);
  const call = await service.ask("GET", `/v1/calls/${id}`);
  assert.equal(call.consent, "granted");
  const analysis = await service.ask("GET", `/v1/calls/${id}/analysis`);
  assert.deepEqual(
    analysis.turns.map((turn) => [turn.role, turn.text]),
    turns.slice(0, 12).map((turn) => [turn.role, turn.text]),
  );
  await page.leave();
});

test("a page that is loaded anew goes on with its call", async () => {
  const page = await enter(browser, service, "rep");
  await visit(page, "/live");
  await page.getByRole("radio", { name: "Type what is said" }).check();
  await page.getByRole("checkbox", { name: /agreed/ }).check();
  await page.getByRole("button", { name: "Start the call" }).click();
  const shown = page.getByRole("list", { name: "Transcript" }).getByRole("listitem");
  await type(page, turns.slice(0, 3));
  await until("three turns", async () => (await shown.count()) === 3);
  const warned = [];
  page.on("dialog", (dialog) => {
    warned.push(dialog.type());
    void dialog.accept();
  });
  await page.reload();
  await page.getByRole("button", { name: "Go on with it" }).click();
  await until("the turns of before", async () => (await shown.count()) === 3);
  assert.deepEqual(warned, ["beforeunload"]);
  await type(page, turns.slice(3, 5));
  await until("five turns", async () => (await shown.count()) === 5);
  await page.getByRole("button", { name: "End the call" }).click();
  await page.waitForURL(/\/calls\/[^/]+/, { timeout: PATIENCE });
  await page.leave();
});
