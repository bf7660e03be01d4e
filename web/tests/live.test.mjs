// A live call with a microphone that plays a file.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { enter, fixture, PATIENCE, startBrowser, startService, visit, wav } from "./support.mjs";

let service, browser, sound;
before(async () => {
  sound = await wav(fixture("audio/discovery-en.opus"));
  const microphone = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    `--use-file-for-fake-audio-capture=${sound.file}`,
  ];
  [service, browser] = await Promise.all([startService(), startBrowser(microphone)]);
});
after(async () => {
  await Promise.all([service?.close(), browser?.close()]);
  sound?.close();
});

test("what is said into the microphone appears as it is said, and the end is a call with a report", async () => {
  const page = await enter(browser, service, "rep", { permissions: ["microphone"] });
  await visit(page, "/live");
  await page.getByRole("radio", { name: "Microphone only" }).check();
  await page.getByRole("checkbox", { name: /agreed/ }).check();
  await page.getByRole("button", { name: "Start the call" }).click();
  const said = page.getByRole("list", { name: "Transcript" }).getByRole("listitem");
  await said.first().waitFor({ timeout: PATIENCE });
  await page.getByRole("heading", { name: "Where we are" }).waitFor();
  await page.getByRole("button", { name: "End the call" }).click();
  await page.waitForURL(/\/calls\/[^/]+/, { timeout: PATIENCE });
  const id = new URL(page.url()).pathname.split("/")[2];
  await service.done(id);
  const { turns } = await service.ask("GET", `/v1/calls/${id}/analysis`);
  assert.ok(turns.length > 0);
  assert.ok(
    turns
      .map((turn) => turn.text)
      .join(" ")
      .split(/\s+/).length > 5,
    "words were heard",
  );
  await page.leave();
});
