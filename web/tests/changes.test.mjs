// What calls change in the CRM: reviewed, approved, rejected, written, taken back, against a small CRM on a real socket.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { enter, fixture, startBrowser, startCrm, startService, until, visit } from "./support.mjs";

let service, browser, crm, call;
before(async () => {
  [service, browser, crm] = await Promise.all([startService(), startBrowser(), startCrm()]);
  await crm.ask("POST", "/api/deals", { id: "d1", name: "Clinic", stage: 1, fields: {} });
  await service.ask("POST", "/v1/endpoints", {
    crm_file: readFileSync(fixture("crm/ledger.toml"), "utf8"),
    settings: {
      url: crm.url,
      token: "ledger",
      stages: ["pain", "power", "vision", "value", "control"].map((ours) => ({
        ours,
        crm: ours === "pain" ? "problem" : ours,
      })),
      fields: [
        { ours: "pain", crm: "problem" },
        { ours: "budget", crm: "budget" },
        { ours: "timeline", crm: "timeline" },
        { ours: "team_size", crm: "team_size" },
      ],
      note: true,
      tasks: true,
    },
  });
  call = await service.upload(fixture("deals/clinic-1.json"), { deal: { name: "Clinic", crm_id: "d1" } });
  await until("a change-set", async () => (await service.ask("GET", "/v1/proposals")).items[0]);
});
after(() => Promise.all([service?.close(), browser?.close(), crm?.close()]));

const notes = async () => (await crm.ask("GET", "/api/deals/d1/notes")).items;
const tasks = async () => (await crm.ask("GET", "/api/deals/d1/tasks")).items;

test("changes are shown with their words; one is approved, one rejected, the rest approved, one taken back", async () => {
  const page = await enter(browser, service, "manager");
  await visit(page, "/changes");
  const set = page.getByRole("region", { name: "Changes: Clinic" });
  await set.waitFor();
  await set.getByText(/changes? waits? for a decision/).waitFor();

  // Every field says where it comes from.
  const field = set
    .getByRole("listitem")
    .filter({ hasText: /^Field:/ })
    .first();
  await field.getByText("In the CRM").waitFor();
  await field.getByText("empty").waitFor();
  const quote = field.locator("blockquote a").first();
  assert.match(await quote.getAttribute("href"), new RegExp(`^/calls/${call}\\?turn=\\d+$`));

  await set.getByRole("button", { name: "Approve: Note" }).click();
  const note = set.getByRole("listitem").filter({ hasText: /^Note/ });
  await note.getByText("written", { exact: true }).waitFor();
  assert.equal((await notes()).length, 1, "the CRM has the note");

  const rejecting = set.getByRole("button", { name: /^Reject: Task:/ }).first();
  const name = (await rejecting.getAttribute("aria-label")).replace("Reject: ", "");
  await rejecting.click();
  await set.getByRole("listitem").filter({ hasText: name }).first().getByText("rejected", { exact: true }).waitFor();

  await set.getByRole("button", { name: "Approve all" }).click();
  await until("all are written", async () => {
    const { changes } = (await service.ask("GET", "/v1/proposals")).items[0];
    return changes.every((change) => ["applied", "rejected"].includes(change.state));
  });
  const { fields } = await crm.ask("GET", "/api/deals/d1");
  assert.ok(Object.keys(fields).length > 0, "the CRM has the fields");
  assert.ok(!(await tasks()).some((made) => name.includes(made.title)), "what was rejected is not written");

  await set.getByRole("button", { name: "Undo: Note" }).click();
  const asked = page.getByRole("dialog", { name: "Undo" });
  await asked.getByText("Note: deleted").waitFor();
  await asked.getByRole("button", { name: "Undo" }).click();
  await note.getByText("taken back", { exact: true }).waitFor();
  assert.equal((await notes()).length, 0, "the CRM has the note no more");
  await page.leave();
});

test("what somebody changed since is not taken back, and that is said", async () => {
  const [{ changes }] = (await service.ask("GET", "/v1/proposals")).items;
  const field = changes.find((change) => change.kind === "field" && change.state === "applied");
  assert.ok(field, "a field was written");
  await crm.ask("PATCH", "/api/deals/d1", { fields: { [field.target]: "by hand" } });
  const page = await enter(browser, service, "manager");
  await visit(page, "/changes?show=all");
  await page.getByRole("button", { name: new RegExp(`^Undo: Field: .*→ ${field.target}$`) }).click();
  await page.getByRole("dialog", { name: "Undo" }).getByRole("button", { name: "Undo" }).click();
  await page.getByText("not taken back: changed meanwhile").waitFor();
  const now = await crm.ask("GET", "/api/deals/d1");
  assert.equal(now.fields[field.target], "by hand", "nothing was written");
  await page.leave();
});

test("all that was written is taken back at once", async () => {
  const page = await enter(browser, service, "manager");
  await visit(page, "/changes?show=all");
  await page.getByRole("button", { name: "Undo all" }).click();
  const asked = page.getByRole("dialog", { name: "Undo" });
  // It says what is written back.
  await asked.getByRole("listitem").nth(1).waitFor();
  await asked.getByRole("button", { name: "Undo" }).click();
  await until("all are taken back", async () => {
    const { changes } = (await service.ask("GET", "/v1/proposals")).items[0];
    return changes.every((change) => ["undone", "rejected", "undo_conflict"].includes(change.state));
  });
  assert.equal((await tasks()).length, 0, "the CRM has no task of ours");
  await page.leave();
});

test("nothing to review is said", async () => {
  const page = await enter(browser, service, "rep");
  await visit(page, "/changes");
  await page.getByText("Nothing waits for a decision.").waitFor();
  await page.leave();
});
