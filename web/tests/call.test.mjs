// The call: hear it, see why, correct it; a long one is quick.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { enter, findings, fixture, overflow, PEOPLE, startBrowser, startService, until, visit } from "./support.mjs";

let service, browser, recorded, later;
before(async () => {
  [service, browser] = await Promise.all([
    startService(),
    startBrowser(["--autoplay-policy=no-user-gesture-required"]),
  ]);
  const owner = PEOPLE.rep.email;
  await service.upload(fixture("deals/clinic-1.json"), { owner, deal: { name: "Clinic" } });
  later = await service.upload(fixture("deals/clinic-2.json"), { owner, deal: { name: "Clinic" } });
  const meta = { owner, call_date: "2025-03-12", deal: { name: "Northland" } };
  recorded = await service.upload(fixture("audio/discovery-en.opus"), meta);
});
after(() => Promise.all([service?.close(), browser?.close()]));

const analysis = (id) => service.ask("GET", `/v1/calls/${id}/analysis`);
const turnOf = (page, said) => page.locator(".call-turn", { hasText: said });

/** Seconds that the player shows. */
async function shown(page) {
  const [now] = (await page.locator(".call-clock").textContent()).split("/");
  return now
    .trim()
    .split(":")
    .reduce((sum, part) => sum * 60 + Number(part), 0);
}

test("evidence plays from its second and marks the exact words; the transcript follows; keys and words move the sound", async () => {
  const { deal, turns } = await analysis(recorded);
  const { turn, quote } = deal.elements.find((element) => element.evidence.length > 0).evidence[0];
  const said = turns.find(({ i }) => i === turn);
  const page = await enter(browser, service, "rep");
  await visit(page, `/calls/${recorded}`);
  await page.getByRole("heading", { name: "Northland" }).waitFor();

  await page.locator(".call-list .call-quote", { hasText: quote }).first().click();
  await page.locator("mark.quote").waitFor();
  assert.equal(await page.locator("mark.quote").textContent(), quote);
  await page.getByRole("button", { name: "Pause" }).waitFor();
  // The first word of the quote, less a breath.
  const first = said.text.slice(0, said.text.indexOf(quote)).split(" ").length - 1;
  assert.equal(said.words.map((word) => word.text).join(" "), said.text);
  const second = said.words[first].start_s;
  const at = await shown(page);
  assert.ok(at >= Math.floor(second) - 1 && at <= second + 1, `it plays at ${at}, the words are at ${second}`);
  const next = turns.find(({ i }) => i === turn + 1);
  await until("the next turn is heard", async () =>
    (await page.locator(".call-turn.current").textContent()).includes(next.text),
  );

  await page.locator("body").press("Space");
  await page.getByRole("button", { name: "Play", exact: true }).waitFor();
  const before = await shown(page);
  await page.locator("body").press("ArrowRight");
  assert.equal(await shown(page), before + 5);

  // A word in the middle of a turn is about in the middle of its time.
  const words = turnOf(page, said.text).locator(".call-words");
  const box = await words.boundingBox();
  await words.click({ position: { x: box.width / 2, y: box.height / 2 } });
  const heard = await until("a word is heard", async () => (await shown(page)) || undefined);
  assert.ok(heard >= Math.floor(said.start_s) && heard <= said.end_s + 1, `${heard} is in the turn`);
  await page.leave();
});

test("the transcript is searched, a link leads to a turn, and a turn says where somebody else speaks too", async () => {
  const page = await enter(browser, service, "rep");
  await visit(page, `/calls/${recorded}?turn=20`);
  await page.locator(".call-turn.shown").waitFor();
  await page.locator("body").press("/");
  await page.keyboard.type("KAREN");
  const count = page.getByRole("search").getByRole("status");
  await count.getByText(/^1 of \d+$/).waitFor();
  await page.keyboard.press("Enter");
  await count.getByText(/^2 of \d+$/).waitFor();
  assert.match(await page.locator("mark.chosen").textContent(), /karen/i);
  await page.keyboard.press("Escape");
  await page.locator("mark").first().waitFor({ state: "detached" });

  // One answers two and a half seconds too early: the bytes of the right channel move forward.
  const recording = readFileSync(fixture("audio/formats/ulaw-8k-stereo.wav"));
  const sound = recording.subarray(recording.indexOf("data") + 8);
  const early = 2.5 * 8000;
  for (let at = 0; at * 2 + 1 < sound.length; at++) {
    const from = (at + early) * 2 + 1;
    sound[at * 2 + 1] = from < sound.length ? sound[from] : 0xff;
  }
  const folder = mkdtempSync(join(tmpdir(), "dealstage-"));
  const file = join(folder, "at-once.wav");
  writeFileSync(file, recording);
  const call = await service.upload(file, { owner: PEOPLE.rep.email });
  rmSync(folder, { recursive: true });
  const { turns } = await analysis(call);
  const { text, overlaps } = turns.find((turn) => turn.overlaps?.length > 0);
  await visit(page, `/calls/${call}`);
  const mark = turnOf(page, text).locator(".call-at-once");
  await mark.waitFor();
  const seconds = [...new Set(overlaps.map(({ start_s }) => `0:0${Math.floor(start_s)}`))];
  assert.equal(await mark.getAttribute("title"), `Somebody else speaks too: ${seconds.join(", ")}`);
  await page.leave();
});

test("what is not sure says so, with what would decide it; words of earlier calls lead to them", async () => {
  const { deal } = await analysis(later);
  const page = await enter(browser, service, "rep");
  await visit(page, `/calls/${later}`);
  const standing = page.getByRole("region", { name: "Deal stage" });
  assert.equal(await standing.getByText("not sure").count(), deal.abstained ? 1 : 0);
  if (deal.abstained) await standing.getByRole("heading", { name: "What would decide it" }).waitFor();
  const earlier = deal.elements.flatMap((element) => element.earlier)[0];
  await page.locator(`a.call-quote[href="/calls/${earlier.call}?turn=${earlier.turn}"]`).first().click();
  await page.locator(".call-turn.shown").waitFor();
  assert.ok((await page.locator(".call-turn.shown .call-words").textContent()).includes(earlier.quote));
  await page.leave();
});

test("a correction is kept with who made it, the call is recomputed, and it can be taken back", async () => {
  const first = (await analysis(later)).turns.find(({ stage }) => stage.id !== "closing");
  const page = await enter(browser, service, "rep");
  await visit(page, `/calls/${later}`);
  const turn = turnOf(page, first.text);
  // Nothing is sent where nothing was changed.
  await turn.getByRole("button", { name: `Correct turn ${first.i}` }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Nothing was changed.").waitFor();
  await turn.getByRole("button", { name: `Correct turn ${first.i}` }).click();
  await page.getByRole("combobox", { name: "Stage" }).selectOption("closing");
  await page.getByRole("button", { name: "Save" }).click();
  await turn.getByText("corrected by you").waitFor();
  const [kept] = await service.ask("GET", `/v1/calls/${later}/corrections`);
  assert.deepEqual([kept.about, kept.turn, kept.stage], ["stage", first.i, "closing"]);
  await service.done(later);
  const stage = async () => (await analysis(later)).turns.find(({ i }) => i === first.i).stage;
  assert.deepEqual([(await stage()).id, (await stage()).decided_by], ["closing", "person"]);
  await turn.locator('.call-stage[title^="closing"]').waitFor({ state: "attached" });

  await turn.getByRole("button", { name: "corrected by you" }).click();
  await page.getByRole("button", { name: "Take it back" }).click();
  await turn.getByRole("button", { name: "corrected by you" }).waitFor({ state: "detached" });
  await service.done(later);
  assert.equal((await stage()).id, first.stage.id);
  await page.leave();
});

test("of two values of a field in one turn each is corrected apart, and colleagues see whose word it is", async () => {
  const id = await service.upload(fixture("deals/clinic-1.json"), { owner: PEOPLE.rep.email });
  const { fields } = (await analysis(id)).qualification;
  const [less, more] = fields.filter(({ field, turn }) => field === "pain_impact" && turn === 8);
  assert.deepEqual([less.value.amount, more.value.amount], [200, 9000]);
  const page = await enter(browser, service, "rep");
  await visit(page, `/calls/${id}`);
  const losses = page.locator(".call-fields > div", { has: page.locator("dt", { hasText: "impact" }) });
  const value = (said) => losses.locator(".call-field", { hasText: said });
  await value("$9,000").getByRole("button", { name: "Correct: impact" }).click();
  await page.getByRole("spinbutton", { name: "Amount" }).fill("900");
  await page.getByRole("button", { name: "Save" }).click();
  await value("$900").getByText("corrected by you").waitFor();
  assert.equal(await value("$200").getByText("corrected by you").count(), 0);
  await service.done(id);
  await value("$200").getByRole("button", { name: "Correct: impact" }).click();
  await page.getByRole("button", { name: "Was not stated" }).click();
  await value("$200").waitFor({ state: "detached" });
  assert.equal(await value("$900").count(), 1);

  // What was taken away has its way back at the name of the field.
  const manager = await enter(browser, service, "manager");
  await visit(manager, `/calls/${id}`);
  await manager.locator(".call-field").getByText("corrected by Rob Rep").waitFor();
  await manager.leave();
  await service.done(id);
  await losses.locator("dt").getByRole("button", { name: "corrected by you" }).click();
  await page.getByRole("button", { name: "Take it back" }).click();
  await value("$200").waitFor();
  await page.leave();
});

test("with keys alone: from the list to a turn, corrected, and the keys are still there", async () => {
  const id = await service.upload(fixture("deals/clinic-1.json"), { owner: PEOPLE.rep.email });
  const { turns } = await analysis(id);
  const page = await enter(browser, service, "rep");
  await visit(page, "/");
  const focused = () =>
    page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
  const tabTo = async (name) => {
    for (let n = 0; (await focused()) !== name; n++) {
      assert.ok(n < 120, `${name} is reached by Tab`);
      await page.keyboard.press("Tab");
    }
  };
  await page.locator(`a[href="/calls/${id}"]`).waitFor();
  await tabTo("clinic-1.json");
  await page.keyboard.press("Enter");
  const pencil = `Correct turn ${turns[0].i}`;
  await page.getByRole("button", { name: pencil, exact: true }).waitFor();
  // The next Tab goes on in the page, not through the menu again.
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "MAIN");
  await tabTo(pencil);
  await page.keyboard.press("Enter");
  await page.getByRole("combobox", { name: "Stage" }).and(page.locator(":focus")).waitFor();
  await page.keyboard.press("ArrowDown");
  await tabTo("Save");
  await page.keyboard.press("Enter");
  await turnOf(page, turns[0].text).getByText("corrected by you").waitFor();
  assert.equal(await focused(), pencil);
  await service.done(id);
  const after = (await analysis(id)).turns[0].stage;
  assert.deepEqual([after.decided_by, after.id !== turns[0].stage.id], ["person", true]);
  await page.leave();
});

test("the scorecard says the norm, the source and where to listen", async () => {
  const { scorecard } = await analysis(recorded);
  const page = await enter(browser, service, "rep");
  await visit(page, `/calls/${recorded}/scorecard`);
  await page.getByText(`${scorecard.overall} of 100`).first().waitFor();
  const metric = scorecard.metrics.find(({ band, turns }) => band !== "n/a" && turns.length > 0);
  const item = page.locator(".call-metric", { hasText: metric.name });
  await item.getByText(metric.source).waitFor();
  await item.getByRole("button").first().click();
  await page.locator(".call-turn.shown").waitFor();
  await page.leave();
});

test("a file that cannot be read says what to do; a call can be erased", async () => {
  const page = await enter(browser, service, "admin");
  await page.goto("/");
  const csrf = await page.evaluate(async () => (await (await fetch("/v1/me")).json()).csrf_token);
  const id = await page.evaluate(
    async ([token, bytes]) => {
      const file = new FormData();
      file.set("file", new Blob([new Uint8Array(bytes)]), "noise.mp3");
      const answer = await fetch("/v1/calls", { method: "POST", headers: { "x-csrf-token": token }, body: file });
      return (await answer.json()).id;
    },
    [csrf, Array(2000).fill(7)],
  );
  await page.goto(`/calls/${id}`);
  await page.getByRole("alert").getByText("Upload it in another format").waitFor();
  await page.getByRole("button", { name: "More" }).click();
  await page.getByRole("button", { name: "Erase the call" }).click();
  await page.getByRole("button", { name: "Erase for good" }).click();
  await page.getByText("Erased.").waitFor();
  await page.leave();
});

/** Calls of the corpus one behind the other, a word each fifteenth of a second. */
function longCall(turns) {
  const names = readdirSync(fixture("calls"))
    .filter((name) => /^en-e[1-3].*json$/.test(name))
    .sort();
  const said = names.flatMap((name) => JSON.parse(readFileSync(fixture(`calls/${name}`), "utf8")).turns);
  let at = 0;
  return {
    lang: "en",
    call_date: "2025-07-17",
    turns: said.slice(0, turns).map(({ role, text }, n) => {
      const start_s = at;
      at += Math.max(1.2, text.length / 15) + 0.4;
      return { i: n + 1, role, speaker: role, start_s, end_s: at - 0.4, text };
    }),
  };
}

test("a call of an hour is there within a second after its data; 2,000 turns scroll", async () => {
  const ids = [];
  for (const turns of [700, 2000]) ids.push((await service.ask("POST", "/v1/calls", longCall(turns))).id);
  for (const id of ids) await service.done(id);
  const page = await enter(browser, service, "admin");
  await visit(page, `/calls/${later}/changes`);
  await page.evaluate(() => {
    for (const way of ["text", "json"]) {
      const read = Response.prototype[way];
      Response.prototype[way] = async function () {
        const said = await read.call(this);
        if (this.url.endsWith("/analysis")) window.arrived ??= performance.now();
        return said;
      };
    }
    new MutationObserver(() => {
      if (window.painted || !document.querySelector(".call-turn")) return;
      requestAnimationFrame(() => setTimeout(() => (window.painted ??= performance.now())));
    }).observe(document, { childList: true, subtree: true });
    const link = document.createElement("a");
    document.body.append(link);
    window.follow = (to) => ((link.href = to), link.click());
  });
  await page.evaluate((to) => window.follow(to), `/calls/${ids[0]}`);
  const took = await until("the call is painted", () =>
    page.evaluate(() => window.painted && window.painted - window.arrived),
  );
  console.log(`# an hour's call: painted ${Math.round(took)} ms after its data`);
  assert.ok(took < 1000, `${took} ms`);

  await visit(page, `/calls/${ids[1]}`);
  await page.locator(".call-turn").first().waitFor();
  const blank = await page.evaluate(async () => {
    const pane = document.querySelector(".call-scroller");
    let empty = 0;
    for (let n = 0; n < 200; n++) {
      pane.scrollTop += 200;
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const { top, height } = pane.getBoundingClientRect();
      const rows = [...pane.querySelectorAll("[data-index]")].map((row) => row.getBoundingClientRect());
      if (!rows.some((row) => row.top <= top + height / 2 && row.bottom >= top + height / 2)) empty++;
    }
    return empty;
  });
  assert.equal(blank, 0, "there is always something to read");
  assert.ok((await page.locator(".call-turn").count()) < 60, "only what is seen is in the page");
  await page.leave();
});

test("no serious finding of axe, nothing wider than the window: both languages, light and dark, wide and narrow", async () => {
  for (const [language, theme, width] of [
    ["en", "light", 1280],
    ["ru", "dark", 1280],
    ["ru", "light", 380],
    ["en", "dark", 380],
  ]) {
    const page = await enter(browser, service, "rep", { language, theme, width });
    for (const path of [`/calls/${recorded}`, `/calls/${recorded}/scorecard`, `/calls/${later}`]) {
      await visit(page, path);
      await page.locator(".call-turn").first().waitFor();
      assert.deepEqual(await findings(page), [], `${path} ${language} ${theme} ${width}`);
      assert.equal(await overflow(page), 0, `${path} ${language} ${width}`);
    }
    await page.leave();
  }
});
