// What the tests of the page share: a service with a data folder of its own, people, a browser that notices what no page may
// do, a receiver of webhooks and a CRM. Not here: what any page shows.
//
//   DEALSTAGE   the program; by default ../target/debug/dealstage
//   CHROMIUM    the browser; by default the first of the usual names
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { Webhook } from "standardwebhooks";

export const ROOT = new URL("../../", import.meta.url).pathname;
const PROGRAM = process.env.DEALSTAGE ?? join(ROOT, "target/debug/dealstage");
const KEY = "dsk_test-key-of-the-page-0123456789abcdef0123456789";
export const PASSWORD = "correct horse battery staple";
/** Nothing takes longer on a busy machine. */
export const PATIENCE = 300_000;

export const PEOPLE = {
  admin: { name: "Ada Admin", email: "admin@example.com", role: "admin" },
  manager: { name: "Maria Manager", email: "manager@example.com", role: "manager" },
  rep: { name: "Rob Rep", email: "rep@example.com", role: "rep" },
};

export const fixture = (path) => join(ROOT, "fixtures", path);

/** Tries until there is an answer that is not undefined. */
export async function until(what, probe, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false && found !== null) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${patience / 1000} s`);
    await new Promise((done) => setTimeout(done, 150));
  }
}

/** Waits for a line of a program that begins so; what follows it. */
function line(child, start) {
  return new Promise((found, failed) => {
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (said) => said.startsWith(start) && found(said.slice(start.length).trim()));
    child.on("error", failed);
    child.on("exit", (code) => failed(new Error(`it ended with ${code} before it said “${start}”`)));
  });
}

/** Programs that run; none outlives the tests, however these end. */
const running = new Set();
process.once("SIGTERM", () => process.exit(143));
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

function run(program, args, options) {
  const child = spawn(program, args, options);
  running.add(child);
  child.on("exit", () => running.delete(child));
  return child;
}

async function stopped(child) {
  if (child.exitCode !== null) return;
  const gone = new Promise((done) => child.on("exit", done));
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), 5000);
  await gone;
  clearTimeout(late);
}

/** A running service: `url`, `ask` for its API with the first key, and `close`. */
export async function startService() {
  const data = mkdtempSync(join(tmpdir(), "dealstage-page-"));
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("DEALSTAGE") || name === "DEALSTAGE_MODELS",
  );
  const env = { ...Object.fromEntries(kept), DEALSTAGE_ADMIN_KEY: KEY, DEALSTAGE_ALLOW_PRIVATE: "127.0.0.0/8" };
  const args = ["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--data", data];
  const child = run(PROGRAM, args, { env, cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (bytes) => (log = (log + bytes).slice(-20_000)));
  const url = await line(child, "listening on ").catch((error) => {
    throw new Error(`${PROGRAM}: ${error.message}\n${log}`);
  });
  const service = {
    url,
    /** JSON in, JSON out; anything but success fails. */
    async ask(method, path, body) {
      const headers = { authorization: `Bearer ${KEY}`, ...(body ? { "content-type": "application/json" } : {}) };
      const answer = await fetch(url + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
      const text = await answer.text();
      assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
      return text === "" ? undefined : JSON.parse(text);
    },
    /** Uploads a file and waits until it is analysed; the id of the call. */
    async upload(path, meta = {}) {
      const form = new FormData();
      form.set("file", new Blob([readFileSync(path)]), basename(path));
      form.set("meta", JSON.stringify(meta));
      const headers = { authorization: `Bearer ${KEY}` };
      const answer = await fetch(`${url}/v1/calls`, { method: "POST", headers, body: form });
      const said = await answer.json();
      assert.equal(answer.status, 202, JSON.stringify(said));
      await service.done(said.id);
      return said.id;
    },
    async done(id) {
      const call = await until(`call ${id} is analysed`, async () => {
        const now = await service.ask("GET", `/v1/calls/${id}`);
        return ["done", "failed"].includes(now.status) && now;
      });
      assert.equal(call.status, "done", JSON.stringify(call));
    },
    async close() {
      await stopped(child);
      rmSync(data, { recursive: true, force: true });
    },
  };
  service.people = {};
  for (const [who, person] of Object.entries(PEOPLE)) {
    service.people[who] = await service.ask("POST", "/v1/users", { ...person, password: PASSWORD });
  }
  return service;
}

const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** `audible`: its tabs can be listened to (by other tabs; no machine of tests has a loudspeaker). */
export function startBrowser(args = [], { audible = false } = {}) {
  const executablePath = process.env.CHROMIUM ?? BROWSERS.find(existsSync);
  assert.ok(executablePath, "no Chromium: .ci/setup installs it, or CHROMIUM names one");
  // Its sandbox needs rights that containers lack; it sees our own pages only.
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-dev-shm-usage", ...args],
    ...(audible ? { ignoreDefaultArgs: ["--mute-audio"] } : {}),
  });
}

/**
 * A page of a person who has signed in. `page.broken` lists what no page may do: errors, requests to other hosts, violations of
 * the content security policy. `leave` checks that there is none, and closes.
 */
export async function enter(browser, service, who, options = {}) {
  const { language = "en", theme = "light", width = 1280, height = 800, permissions = [] } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    locale: language === "en" ? "en-GB" : "ru-RU",
    baseURL: service.url,
    permissions,
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(20_000);
  const broken = [];
  await context.exposeBinding("violated", (_, what) => void broken.push(`content security policy: ${what}`));
  await context.addInitScript((kept) => {
    // The empty page before the first has no storage.
    if (location.protocol.startsWith("http")) localStorage.setItem("dealstage.language", kept);
    addEventListener("securitypolicyviolation", (event) =>
      window.violated(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ""}:${event.lineNumber}`),
    );
  }, language);
  context.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (!["data:", "blob:"].includes(protocol) && origin !== service.url)
      broken.push(`asks another host: ${request.url()}`);
  });
  context.on("response", (response) => {
    if (response.status() >= 500) broken.push(`${response.status()} ${response.url()}`);
  });
  context.on("weberror", (error) => broken.push(`error: ${error.error().stack ?? error.error().message}`));
  context.on("console", (message) => {
    // Answers of the API such as 404 are looked at by the page itself.
    const isAnswer = message.text().startsWith("Failed to load resource") && message.location().url.includes("/v1/");
    if (message.type() === "error" && !isAnswer) broken.push(`console: ${message.text()}`);
  });
  if (who) {
    const { email } = PEOPLE[who];
    const answer = await context.request.post("/v1/session", { data: { email, password: PASSWORD } });
    assert.equal(answer.status(), 201, `${who} signs in`);
  }
  const page = await context.newPage();
  page.broken = broken;
  page.leave = async () => {
    await context.close();
    assert.deepEqual(broken, [], "what no page may do");
  };
  return page;
}

/** A page is there when its heading is. */
export async function visit(page, path) {
  await page.goto(path);
  await page.locator("main h1").first().waitFor();
  await settled(page);
}

/** Nothing loads any more. The stream of events never ends, so the network is no sign. */
export async function settled(page) {
  await page.waitForFunction(
    () =>
      ![...document.querySelectorAll("main [role=status]")].some((of) => /^(Loading|Загружается)/.test(of.textContent)),
  );
}

const AXE = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/** Serious and critical findings of axe. */
export async function findings(page) {
  // Through the debugger: the page itself lets no other script in.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations
      .filter((found) => ["serious", "critical"].includes(found.impact))
      .map(
        (found) =>
          `${found.id}: ${found.nodes
            .map((node) => node.target.join(" "))
            .slice(0, 3)
            .join(", ")}`,
      );
  });
}

/** By how many pixels the page is wider than the window. */
export function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** A receiver of webhooks on a real socket: `url`, `heard`, and `verified(secret)`: those that the receivers' library accepts. */
export async function startReceiver() {
  const heard = [];
  const server = createServer((request, answer) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      heard.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
      answer.writeHead(200, { "content-type": "text/plain" }).end("thank you");
    });
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${server.address().port}/hook`,
    heard,
    /** Throws where a signature is wrong. */
    verified: (secret) => heard.map(({ headers, body }) => new Webhook(secret).verify(body, headers)),
    close: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  };
}

/** The CRM of benches/receiver.py, described by fixtures/crm/ledger.toml. */
export async function startCrm() {
  const folder = mkdtempSync(join(tmpdir(), "dealstage-crm-"));
  const program = join(ROOT, "benches/receiver.py");
  const child = run("python3", ["-B", program, "--port", "0", "--folder", folder], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const url = `http${await line(child, "http")}`;
  const crm = {
    url,
    async ask(method, path, body) {
      const headers = { authorization: "Bearer ledger", "content-type": "application/json" };
      const answer = await fetch(url + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
      assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
      return answer.json();
    },
    async close() {
      await stopped(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return crm;
}

/**
 * A WAV (48 kHz, one channel) of a recording, for a microphone that plays it: the browser itself decodes. `channel`: that one
 * alone; else all together.
 */
export async function wav(recording, { seconds = 60, channel } = {}) {
  const browser = await startBrowser();
  const page = await browser.newPage();
  const samples = await page.evaluate(
    async ({ bytes, length, only }) => {
      const coded = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
      const sound = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(coded.buffer);
      const all = Array.from({ length: sound.numberOfChannels }, (_, n) => sound.getChannelData(n));
      const channels = only === undefined ? all : [all[only]];
      const whole = new Int16Array(Math.min(sound.length, length * 48000));
      for (let at = 0; at < whole.length; at++) {
        const sum = channels.reduce((before, channel) => before + channel[at], 0);
        whole[at] = Math.max(-1, Math.min(1, sum)) * 32767;
      }
      const parts = [];
      const raw = new Uint8Array(whole.buffer);
      for (let at = 0; at < raw.length; at += 32768) parts.push(String.fromCharCode(...raw.subarray(at, at + 32768)));
      return btoa(parts.join(""));
    },
    { bytes: readFileSync(recording).toString("base64"), length: seconds, only: channel },
  );
  await browser.close();
  const data = Buffer.from(samples, "base64");
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(48000, 24);
  head.writeUInt32LE(96000, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(data.length, 40);
  const folder = mkdtempSync(join(tmpdir(), "dealstage-wav-"));
  const file = join(folder, "microphone.wav");
  writeFileSync(file, Buffer.concat([head, data]));
  return { file, close: () => rmSync(folder, { recursive: true, force: true }) };
}
