// The administration: receivers of webhooks, deliveries, keys, people, the audit log; and who may not see it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  enter,
  fixture,
  PASSWORD,
  PEOPLE,
  startBrowser,
  startReceiver,
  startService,
  until,
  visit,
} from "./support.mjs";

let service, browser, receiver;
before(async () => {
  [service, browser, receiver] = await Promise.all([startService(), startBrowser(), startReceiver()]);
});
after(() => Promise.all([service?.close(), browser?.close(), receiver?.close()]));

test("a receiver is added, tested, given a new secret, and its deliveries are sent again", async () => {
  const page = await enter(browser, service, "admin");
  await visit(page, "/endpoints");
  await page.getByRole("button", { name: "Add an endpoint" }).click();
  const adding = page.getByRole("dialog", { name: "Add an endpoint" });
  await adding.getByLabel("Address").fill(receiver.url);
  await adding.getByRole("checkbox", { name: "Call analysed" }).check();
  await adding.getByRole("button", { name: "Add an endpoint" }).click();
  const shown = page.getByRole("dialog", { name: "The secret that signs what it is told" });
  const secret = await shown.locator("code").innerText();
  assert.match(secret, /^whsec_/);
  await shown.getByRole("button", { name: "I have kept it" }).click();
  assert.ok(!(await page.content()).includes(secret), "it is shown once");

  await page.getByRole("link", { name: receiver.url.replace("http://", "") }).click();
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await page.getByText(/^It answered in .* ms: 200/).waitFor();
  const [told] = receiver.verified(secret);
  assert.equal(told.type, "endpoint.test");

  await page.getByRole("button", { name: "New secret" }).click();
  await page.getByRole("dialog", { name: "New secret" }).getByRole("button", { name: "New secret" }).click();
  const other = await page.getByRole("dialog", { name: "The secret that signs" }).locator("code").innerText();
  assert.notEqual(other, secret);
  await page.getByRole("button", { name: "I have kept it" }).click();
  receiver.heard.length = 0;
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await until("the second test arrives", () => receiver.heard.length > 0);
  receiver.verified(secret);
  receiver.verified(other);

  await page.getByRole("link", { name: "The delivery" }).click();
  await page.getByRole("heading", { name: "Delivery: Test" }).waitFor();
  await page.getByRole("row", { name: /200.*thank you/ }).waitFor();
  const id = await page.locator(".admin-id").last().innerText();
  receiver.heard.length = 0;
  await page.getByRole("button", { name: "Send again" }).click();
  await until("it is sent again", () => receiver.heard.length > 0);
  assert.equal(receiver.heard[0].headers["webhook-id"], id);

  await visit(page, "/deliveries?state=failed");
  await page.getByText("No delivery fits these filters.").waitFor();
  await page.getByLabel("State").selectOption("delivered");
  await page.getByRole("row", { name: /Test/ }).first().waitFor();
  assert.match(page.url(), /state=delivered/);

  await visit(page, "/endpoints");
  await page.getByRole("link", { name: receiver.url.replace("http://", "") }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("There is no endpoint yet").waitFor();
  await page.leave();
});

test("what the server says of a wrong connection is shown", async () => {
  const page = await enter(browser, service, "admin");
  await visit(page, "/endpoints");
  await page.getByRole("button", { name: "Add an endpoint" }).click();
  const adding = page.getByRole("dialog", { name: "Add an endpoint" });
  await adding.getByRole("radio", { name: "CRM" }).check();
  await adding.getByRole("combobox", { name: "CRM", exact: true }).selectOption("Salesforce");
  await adding.getByLabel("client_secret").waitFor();
  await adding.getByRole("combobox", { name: "CRM", exact: true }).selectOption({ label: "Another one, by its file" });
  await adding.getByLabel("Connection file (TOML)").fill('version = 1\nname = "x"\n');
  await adding.getByRole("button", { name: "Add an endpoint" }).click();
  const problem = adding.getByRole("alert");
  await problem.waitFor();
  assert.match(await problem.innerText(), /the connection file has \d+ problem/);
  assert.ok((await problem.getByRole("listitem").count()) > 0, "each problem is listed");
  await page.leave();
});

test("a key is made, shown once, works, and is revoked", async () => {
  const page = await enter(browser, service, "admin");
  await visit(page, "/keys");
  await page.getByRole("button", { name: "Make a key" }).click();
  const making = page.getByRole("dialog", { name: "Make a key" });
  await making.getByLabel("Name").fill("telephone system");
  await making.getByRole("radio", { name: "only this" }).check();
  await making.getByRole("checkbox", { name: "calls: read" }).check();
  await making.getByRole("button", { name: "Make a key" }).click();
  const key = await page
    .getByRole("dialog", { name: /The new key/ })
    .locator("code")
    .innerText();
  await page.getByRole("button", { name: "I have kept it" }).click();
  const asked = (path) => fetch(service.url + path, { headers: { authorization: `Bearer ${key}` } });
  assert.equal((await asked("/v1/calls")).status, 200);
  assert.equal((await asked("/v1/deals")).status, 403);
  await page.getByRole("button", { name: "Revoke: telephone system" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("The key was revoked.").waitFor();
  await page.getByRole("row", { name: /telephone system.*revoked/ }).waitFor();
  assert.equal((await asked("/v1/calls")).status, 401);
  await page.leave();
});

test("a person is added, signs in, is disabled", async () => {
  const page = await enter(browser, service, "admin");
  await visit(page, "/users");
  await page.getByRole("button", { name: "Add a person" }).click();
  const adding = page.getByRole("dialog", { name: "Add a person" });
  await adding.getByLabel("Name").fill("New Person");
  await adding.getByLabel("E-mail").fill("new@example.com");
  await adding.getByLabel("Password").fill(PASSWORD);
  await adding.getByRole("button", { name: "Add a person" }).click();
  await page.getByRole("row", { name: /New Person.*rep.*active/ }).waitFor();

  const theirs = await enter(browser, service, null);
  await theirs.goto("/");
  await theirs.getByLabel("E-mail").fill("new@example.com");
  await theirs.getByLabel("Password").fill("not the password");
  await theirs.getByRole("button", { name: "Sign in" }).click();
  await theirs.getByRole("alert").waitFor();
  await theirs.getByLabel("Password").fill(PASSWORD);
  await theirs.getByRole("button", { name: "Sign in" }).click();
  await theirs.getByRole("link", { name: "New Person" }).waitFor();

  await page.getByRole("button", { name: "Disable: New Person" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await page.getByRole("row", { name: /New Person.*disabled/ }).waitFor();
  await theirs.goto("/users");
  await theirs.getByRole("heading", { name: "Sign in" }).waitFor();
  await theirs.leave();
  await page.leave();
});

test("the audit log is shown and verified; shortening what is kept is asked about", async () => {
  const page = await enter(browser, service, "admin");
  await visit(page, "/audit");
  await page
    .getByRole("row", { name: /Ada Admin/ })
    .first()
    .waitFor();
  await page.getByRole("button", { name: "Verify the log" }).click();
  await page.getByText(/^Intact: lines 1 to \d+/).waitFor();
  await page.getByLabel("Recordings").fill("30");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Save and erase what is older" }).click();
  await until("it is kept", async () => (await service.ask("GET", "/v1/settings/retention")).recording_days === 30);
  await page.leave();
});

test("each role sees what it may", async () => {
  const links = async (who) => {
    const page = await enter(browser, service, who);
    await visit(page, "/users");
    const all = await page.getByRole("navigation", { name: "Main" }).getByRole("link").allInnerTexts();
    assert.ok(all.includes("Calls"), "there are links");
    return { page, all };
  };
  const rep = await links("rep");
  for (const hidden of ["Endpoints", "Keys", "Users", "Audit and retention", "Insights"]) {
    assert.ok(!rep.all.includes(hidden), `a rep sees no ${hidden}`);
  }
  await rep.page.getByRole("heading", { name: "Your password" }).waitFor();
  assert.equal(await rep.page.getByText(PEOPLE.admin.email).count(), 0, "a rep sees no other people");
  // Whoever types the address is told, and sees nothing.
  await visit(rep.page, "/keys");
  await rep.page.getByRole("alert").filter({ hasText: "a rep may not do this" }).first().waitFor();
  await rep.page.leave();

  const manager = await links("manager");
  assert.ok(manager.all.includes("Insights") && manager.all.includes("Users"));
  assert.ok(!manager.all.includes("Keys") && !manager.all.includes("Endpoints"));
  await manager.page.getByText(PEOPLE.rep.email).waitFor();
  assert.equal(await manager.page.getByRole("button", { name: "Add a person" }).count(), 0);
  await manager.page.leave();

  const admin = await links("admin");
  for (const shown of ["Endpoints", "Keys", "Users", "Audit and retention", "Models", "Deliveries"]) {
    assert.ok(admin.all.includes(shown), `an admin sees ${shown}`);
  }
  await admin.page.leave();
});

test("a rep sees no call of another", async () => {
  const id = await service.upload(fixture("deals/clinic-1.json"), { owner: PEOPLE.manager.email });
  const page = await enter(browser, service, "rep");
  const answer = await page.request.get(`/v1/calls/${id}`);
  assert.equal(answer.status(), 404);
  await page.leave();
});
