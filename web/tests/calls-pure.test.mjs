// Search, filters, letters and calendar files, as far as they need no browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pure } from "./pure.mjs";

const found = await pure("pages/calls/found.ts");
const filters = await pure("pages/calls/filters.ts");
const letter = await pure("pages/follow-up/letter.ts");
const ics = await pure("pages/follow-up/ics.ts");

const marked = (quote, query) =>
  found
    .parts(quote, query)
    .filter((part) => part.hit)
    .map((part) => part.text);

test("what was searched for is marked in its forms, and the quote stays whole", () => {
  const quote = "Безопасники проверяют договор; все Договоры подписывает Пётр.";
  assert.deepEqual(marked(quote, "договора петр"), ["договор", "Договоры", "Пётр"]);
  assert.deepEqual(marked("Contracts are signed; contact Karen.", "contract"), ["Contracts"]);
  assert.deepEqual(marked("We are in a car", "car"), ["car"]);
  assert.equal(
    found
      .parts(quote, "договор")
      .map((part) => part.text)
      .join(""),
    quote,
  );
  assert.deepEqual(marked(quote, "…"), []);
});

test("filters go into the address and back", () => {
  const some = { ...filters.NO_FILTERS, q: "цена & срок", deal: "inbox", from: "2026-01-01" };
  const address = filters.address(some);
  assert.deepEqual(filters.read(Object.fromEntries(new URL(address, "http://x").searchParams)), some);
  assert.equal(filters.address(filters.NO_FILTERS), "/");
  assert.deepEqual(filters.asked({ ...some, owner: "me" }, "usr_1"), {
    q: "цена & срок",
    inbox: true,
    owner: "usr_1",
    from: "2026-01-01",
  });
});

test("blanks are found where they are, each once, and a lone bracket is none", () => {
  assert.deepEqual(
    letter.blanks("[name], hello", "By [date] or [date]. [attach: price list] [1", ["[date]", "[gone]"]),
    ["[date]", "[name]", "[attach: price list]"],
  );
  const body = "a [b] [c\n] d";
  assert.equal(
    letter
      .pieces(body)
      .map((piece) => piece.text)
      .join(""),
    body,
  );
});

test("a mail link keeps lines and signs", () => {
  const link = letter.mailLink(["dana@example.com"], "Цена & срок", "one\ntwo?");
  assert.equal(new URL(link).searchParams.get("subject"), "Цена & срок");
  assert.equal(new URL(link).searchParams.get("body"), "one\r\ntwo?");
});

const entry = {
  uid: "call_1.send_recap_email@dealstage",
  day: "2026-12-31",
  title:
    "Пришлите резюме: проблема, цифры; договорённости \\ сроки — и всё это до конца недели, пожалуйста 🙂🙂🙂🙂🙂🙂",
  note: "первая строка\nвторая строка",
  url: "https://calls.example.com/calls/call_1",
};

test("a calendar file has lines of at most 75 bytes that end in CRLF, and no character is cut", () => {
  const file = ics.calendar([entry, entry], new Date("2026-11-26T09:00:00Z"));
  assert.ok(file.endsWith("END:VCALENDAR\r\n"));
  assert.equal(file.replaceAll("\r\n", "").includes("\n"), false);
  for (const line of file.split("\r\n")) {
    assert.ok(Buffer.byteLength(line) <= 75, line);
    assert.equal(line.includes("\uFFFD"), false);
  }
  const unfolded = file.replaceAll("\r\n ", "").split("\r\n");
  const value = (name) => unfolded.find((line) => line.startsWith(`${name}:`) || line.startsWith(`${name};`));
  const plain = value("SUMMARY").slice("SUMMARY:".length).replace(/\\(.)/g, "$1");
  assert.equal(plain, entry.title);
  assert.equal(value("DESCRIPTION"), "DESCRIPTION:первая строка\\nвторая строка");
  assert.equal(value("DTSTART"), "DTSTART;VALUE=DATE:20261231");
  assert.equal(value("DTEND"), "DTEND;VALUE=DATE:20270101");
  assert.equal(value("DTSTAMP"), "DTSTAMP:20261126T090000Z");
  assert.equal(unfolded.filter((line) => line === "BEGIN:VALARM").length, 2);
});

test("the same action has the same id in every calendar file", () => {
  const uid = (when) => ics.calendar([entry], new Date(when)).match(/UID:.*/)[0];
  assert.equal(uid("2026-11-26T09:00:00Z"), uid("2027-01-01T00:00:00Z"));
});
