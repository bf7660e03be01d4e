// Live calls with real sound: a microphone that plays a file, and a tab that is heard.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { enter, fixture, PATIENCE, startBrowser, startService, until, visit, wav } from "./support.mjs";

const RECORDING = fixture("audio/discovery-en.opus");
/** What the tab of the call is called: the browser picks it by that, as people do by looking. */
const TAB = "The other side";

const microphone = (file) => [
  "--use-fake-device-for-media-stream",
  `--use-file-for-fake-audio-capture=${file}`,
  `--auto-select-tab-capture-source-by-title=${TAB}`,
];

let service;
before(async () => void (service = await startService()));
after(() => service?.close());

const turnsOf = (page) => page.getByRole("list", { name: "Transcript" }).getByRole("listitem");

/** Ends the call and waits for its page; the analysis. */
async function ended(page) {
  await page.getByRole("button", { name: "End the call" }).click();
  await page.waitForURL(/\/calls\/[^/]+/, { timeout: PATIENCE });
  const id = new URL(page.url()).pathname.split("/")[2];
  await service.done(id);
  return service.ask("GET", `/v1/calls/${id}/analysis`);
}

test("what is said into the microphone appears as it is said, and the end is a call with a report", async () => {
  const sound = await wav(RECORDING);
  const browser = await startBrowser(microphone(sound.file));
  const page = await enter(browser, service, "rep", { permissions: ["microphone"] });
  await visit(page, "/live");
  await page.getByRole("radio", { name: "Microphone only" }).check();
  await page.getByRole("checkbox", { name: /agreed/ }).check();
  await page.getByRole("button", { name: "Start the call" }).click();
  await turnsOf(page).first().waitFor({ timeout: PATIENCE });
  await page.getByRole("heading", { name: "Where we are" }).waitFor();
  const { turns } = await ended(page);
  assert.ok(turns.length > 0);
  assert.ok(
    turns
      .map((turn) => turn.text)
      .join(" ")
      .split(/\s+/).length > 5,
    "words were heard",
  );
  await page.leave();
  await browser.close();
  sound.close();
});

/** What the voices of the recording say, in order. */
const SCRIPT = readFileSync(fixture("audio/discovery-en.txt"), "utf8")
  .split("\n")
  .map((line) => /^(left|right): (.*)/.exec(line))
  .filter(Boolean)
  .map(([, side, text]) => ({ role: side === "left" ? "rep" : "buyer", words: wordsOf(text) }));

function wordsOf(text) {
  return new Set(text.toLowerCase().match(/[a-z]+/g) ?? []);
}

/** The line of the script that most of the words are from. */
function lineOf(text) {
  const said = [...wordsOf(text)];
  const shared = SCRIPT.map(({ words }) => said.filter((word) => words.has(word)).length);
  return shared.indexOf(Math.max(...shared));
}

test("microphone and the tab of the call are two sides: their turns come in order, each with whose it is", async () => {
  const [rep, buyer] = await Promise.all([0, 1].map((channel) => wav(RECORDING, { channel })));
  const browser = await startBrowser(microphone(rep.file), { audible: true });
  const page = await enter(browser, service, "rep", { permissions: ["microphone"] });
  const call = await page.context().newPage();
  await call.setContent(`<title>${TAB}</title><audio></audio>`);
  await call.locator("audio").evaluate((player, bytes) => {
    player.src = `data:audio/wav;base64,${bytes}`;
  }, readFileSync(buyer.file).toString("base64"));
  await page.bringToFront();
  await visit(page, "/live");
  await page.getByRole("radio", { name: "Microphone and the sound of the call" }).check();
  await page.getByRole("checkbox", { name: /agreed/ }).check();
  await page.getByRole("button", { name: "Start the call" }).click();
  // From now on the microphone plays, and so does the tab.
  await page.getByText("Sound level", { exact: true }).waitFor();
  await call.locator("audio").evaluate((player) => player.play());
  const turns = await until("six turns are there", async () => {
    const shown = await turnsOf(page).evaluateAll((rows) =>
      rows.map((row) => ({
        who: row.querySelector("strong").textContent,
        text: row.querySelector("p").textContent,
      })),
    );
    return shown.length >= 6 && shown;
  });
  const said = turns.map(({ who, text }) => ({ who, line: lineOf(text), text }));
  for (const { who, line, text } of said) {
    assert.equal(who, SCRIPT[line].role === "rep" ? "You" : "Buyer", text);
  }
  assert.deepEqual(new Set(said.map(({ who }) => who)), new Set(["You", "Buyer"]));
  const lines = said.map(({ line }) => line);
  assert.deepEqual(
    lines,
    lines.toSorted((one, other) => one - other),
    JSON.stringify(turns),
  );
  const analysis = await ended(page);
  assert.equal(analysis.call.channels, 2);
  const kept = analysis.turns.map(({ role, text }) => ({ who: role === "rep" ? "You" : "Buyer", text }));
  assert.deepEqual(kept.slice(0, turns.length), turns, "the report has what was shown");
  await page.leave();
  await browser.close();
  for (const sound of [rep, buyer]) sound.close();
});
