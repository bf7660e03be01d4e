// Many files at once, the list of calls, the first steps, and what comes after a call: letter, next actions, calendar.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { enter, findings, fixture, PATIENCE, startBrowser, startService, until, visit } from "./support.mjs";

let service, browser;
before(async () => {
  [service, browser] = await Promise.all([startService(), startBrowser()]);
});
after(() => Promise.all([service?.close(), browser?.close()]));

const talk = (n) => `Ann: Hello, this is Ann from Brightloop, call ${n}.\nBob: Hi. We miss twelve visits a week.\n`;
const file = (name, text) => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) });
const picker = (page) => page.locator("input[type=file]");
const row = (page, name) =>
  page.getByRole("region", { name: "What you added" }).getByRole("listitem").filter({ hasText: name });
const calls = async (query = "") => (await service.ask("GET", `/v1/calls?limit=200${query}`)).items;

test("fifty files are sent three at a time, each to its analysis", async () => {
  const page = await enter(browser, service, "rep");
  await page.addInitScript(() => {
    const send = XMLHttpRequest.prototype.send;
    let now = 0;
    window.most = 0;
    XMLHttpRequest.prototype.send = function (body) {
      window.most = Math.max(window.most, ++now);
      // Before what the page does when it is done.
      this.addEventListener("readystatechange", () => (now -= this.readyState === XMLHttpRequest.DONE ? 1 : 0));
      send.call(this, body);
    };
  });
  await visit(page, "/");
  await picker(page).setInputFiles(Array.from({ length: 50 }, (_, n) => file(`talk ${n}.txt`, talk(n))));
  await page.getByText("50 of 50 done").waitFor({ timeout: 2 * PATIENCE });
  assert.equal(await page.evaluate(() => window.most), 3);
  const made = await calls();
  assert.equal(made.length, 50);
  assert.ok(made.every((call) => call.status === "done" && call.owner === service.people.rep.id));
  await page.getByRole("button", { name: "Clear what is done" }).click();
  await page.getByRole("region", { name: "What you added" }).waitFor({ state: "detached" });
  assert.equal(await page.locator("tbody tr").count(), 50);

  // By the keyboard alone: to the search, from there into the rows.
  await page.locator("h1").click();
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.type), "search");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), made[1].source);
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/calls/${made[1].id}`);
  await page.leave();
});

test("what goes with the files is sent along, and a broken connection loses and doubles nothing", async () => {
  const page = await enter(browser, service, "manager");
  await visit(page, "/");
  await page.getByText("Deal, date, language and more").click();
  await page.getByRole("combobox", { name: "Deal" }).first().fill("Heating & Sons");
  await page.getByLabel("Day of the call").fill("2026-03-05");
  let broken = 2;
  const keys = [];
  await page.route("**/v1/calls", (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    return broken-- > 0 ? route.abort("connectionreset") : route.continue();
  });
  await picker(page).setInputFiles(file("once.txt", talk("once")));
  await row(page, "once.txt").getByText("done", { exact: true }).waitFor({ timeout: PATIENCE });
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1, "one key for all tries");
  const [call, ...others] = (await calls()).filter((one) => one.source === "once.txt");
  assert.deepEqual(others, []);
  assert.equal(call.call_date, "2026-03-05");
  assert.equal((await service.ask("GET", `/v1/deals/${call.deal_id}`)).name, "Heating & Sons");
  page.broken.splice(0, page.broken.length, ...page.broken.filter((what) => !what.includes("ERR_CONNECTION_RESET")));
  await page.leave();
});

test("a file that is none says what to do; a pasted transcript is one", async () => {
  const page = await enter(browser, service, "rep");
  await visit(page, "/");
  await picker(page).setInputFiles(file("notes.txt", "milk, bread"));
  const { error } = await until("it has failed", async () =>
    (await calls("&status=failed")).find((call) => call.source === "notes.txt"),
  );
  await row(page, "notes.txt").getByText(error.message).waitFor({ timeout: PATIENCE });

  await page.getByRole("button", { name: "Paste a transcript" }).click();
  await page.getByRole("textbox", { name: "What the call is about" }).fill("Pasted talk");
  await page.getByRole("textbox", { name: "Transcript" }).fill(talk("pasted"));
  await page.getByRole("button", { name: "Analyse", exact: true }).click();
  await row(page, "Pasted talk.txt")
    .getByRole("link", { name: "Open: Pasted talk.txt" })
    .waitFor({ timeout: PATIENCE });
  await page.leave();
});

test("a call in the inbox is put to a new deal, and erased when it is asked for", async () => {
  const id = await service.upload(fixture("calls/en-b01.json"), { owner: "rep@example.com" });
  const { source } = await service.ask("GET", `/v1/calls/${id}`);
  const page = await enter(browser, service, "rep");
  await visit(page, "/?deal=inbox");
  await page.getByRole("button", { name: `no deal: choose: ${source}` }).click();
  await page.getByRole("searchbox", { name: "Find a deal" }).fill("Porch and Co");
  await page.getByRole("button", { name: "New deal “Porch and Co”" }).click();
  const deal = await until("it has a deal", async () => (await service.ask("GET", `/v1/calls/${id}`)).deal_id);
  assert.equal((await service.ask("GET", `/v1/deals/${deal}`)).name, "Porch and Co");
  await service.done(id);

  await visit(page, `/?deal=${deal}`);
  await page.getByLabel(`Actions for ${source}`).click();
  await page.getByRole("button", { name: "Erase…" }).click();
  await page.getByRole("dialog").getByText("the recording and the transcript").waitFor();
  assert.deepEqual(await findings(page), []);
  await page.getByRole("button", { name: "Erase for good" }).click();
  await page.getByText("No call matches.").waitFor();
  assert.ok(!(await calls()).some((call) => call.id === id));
  await page.leave();
});

test("what was searched for is marked in the quote, which leads to its turn; filters live in the address", async () => {
  const page = await enter(browser, service, "manager");
  const asked = [];
  await page.route(/\/v1\/calls\?/, async (route) => {
    const url = new URL(route.request().url());
    asked.push(Object.fromEntries(url.searchParams));
    const searched = url.searchParams.has("q");
    url.searchParams.delete("q");
    const answer = await route.fetch({ url: url.href });
    const body = await answer.json();
    const found = searched ? { turn: 7, quote: "Потом договор подписывает Пётр." } : null;
    await route.fulfill({ response: answer, json: { ...body, items: body.items.map((call) => ({ ...call, found })) } });
  });
  await visit(page, "/?status=done");
  await page.getByRole("searchbox", { name: "Search in calls" }).fill("договора");
  const quote = page.getByRole("link", { name: /Потом договор/ }).first();
  await quote.waitFor();
  assert.deepEqual(await quote.locator("mark").allInnerTexts(), ["договор"]);
  assert.match(await quote.getAttribute("href"), /^\/calls\/call_\w+\?turn=7$/);
  assert.deepEqual(asked.at(-1), { q: "договора", status: "done", limit: "50" });
  await page.reload();
  assert.equal(await page.getByRole("searchbox", { name: "Search in calls" }).inputValue(), "договора");
  await page.leave();
});

for (const [language, go, report] of [
  ["en", "Analyse the sample", "See the report"],
  ["ru", "Разобрать пример", "Открыть отчёт"],
]) {
  test(`the first steps end with an analysed sample in under a minute (${language})`, async () => {
    const page = await enter(browser, service, "admin", { language, width: 380 });
    await visit(page, "/welcome");
    const began = Date.now();
    await page.getByRole("button", { name: go }).click();
    const link = page.getByRole("link", { name: report });
    await link.waitFor({ timeout: PATIENCE });
    const took = Date.now() - began;
    console.log(`sample call (${language}): ${took} ms`);
    assert.ok(took < 60_000);
    assert.deepEqual(await findings(page), []);
    const id = (await link.getAttribute("href")).slice("/calls/".length);
    const made = await service.ask("GET", `/v1/calls/${id}/analysis`);
    assert.equal(made.call.language, language);
    assert.ok(made.deal.elements.some((element) => element.score > 1 && element.evidence.length > 0));
    assert.ok(made.follow_up && made.next_actions.length > 0);
    await page.leave();
  });
}

/** A call with a letter, and its page of the letter. */
async function letterOf(who) {
  const id = await service.upload(fixture("deals/clinic-1.json"), { owner: "rep@example.com" });
  const page = await enter(browser, service, who);
  await visit(page, `/calls/${id}/follow-up`);
  const body = page.getByRole("textbox", { name: "Text", exact: true });
  await body.waitFor();
  return { id, page, body };
}

test("a letter that somebody else changed meanwhile is shown beside one's own, and edits outlive the page", async () => {
  const { id, page, body } = await letterOf("rep");
  const mine = `${await body.inputValue()}\nSee you on [day].`;
  await body.fill(mine);
  await page.getByRole("button", { name: "[day]" }).click();
  assert.equal(await body.evaluate((field) => field.value.slice(field.selectionStart, field.selectionEnd)), "[day]");
  await page.getByRole("navigation").getByRole("link", { name: "Calls" }).click();
  await page.getByRole("heading", { name: "Calls", level: 1 }).waitFor();
  await page.goBack();
  await body.waitFor();
  assert.equal(await body.inputValue(), mine);

  await service.ask("PUT", `/v1/calls/${id}/follow-up`, { subject: "Theirs", body: "Their text." });
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Their text.").waitFor();
  assert.equal((await service.ask("GET", `/v1/calls/${id}/follow-up`)).body, "Their text.");
  assert.deepEqual(await findings(page), []);
  await page.getByRole("button", { name: "Keep mine" }).click();
  await until("it is kept", async () => (await service.ask("GET", `/v1/calls/${id}/follow-up`)).body === mine);
  await page.leave();
});

test("next actions go into a calendar file", async () => {
  const { id, page } = await letterOf("rep");
  const { next_actions: actions, next_contact: contact } = await service.ask("GET", `/v1/calls/${id}/analysis`);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "All to the calendar (.ics)" }).click();
  const ics = readFileSync(await (await download).path(), "utf8");
  const unfolded = ics.replaceAll("\r\n ", "");
  const days = [...unfolded.matchAll(/^DTSTART;VALUE=DATE:(\d+)\r$/gm)].map(([, day]) => day);
  const expected = [...actions.map((action) => action.due), contact?.date].filter(Boolean);
  assert.deepEqual(
    days,
    expected.map((day) => day.replaceAll("-", "")),
  );
  const uids = [...unfolded.matchAll(/^UID:(.+)\r$/gm)].map(([, uid]) => uid);
  assert.equal(new Set(uids).size, days.length);
  await page.leave();
});

test("a next action that was ticked stays ticked", async () => {
  const { id, page } = await letterOf("rep");
  const { next_actions: actions } = await service.ask("GET", `/v1/calls/${id}/analysis`);
  const ticks = page.getByRole("checkbox");
  await ticks.first().check();
  const done = await until("it is kept", async () => (await service.ask("GET", `/v1/calls/${id}/actions`))[0]);
  const [{ id: action, evidence }] = actions;
  assert.equal(done.id, evidence[0] ? `${action}.${evidence[0].turn}` : action);
  await page.reload();
  await until("it is ticked", () => ticks.first().isChecked());
  await page.leave();
});
