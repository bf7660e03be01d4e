// Days to remember as a calendar file (RFC 5545): all-day events that take no time of the day, with a reminder at nine.

export interface Entry {
  /** The same for the same thing, so that a calendar that takes the file again has it once. */
  uid: string;
  /** YYYY-MM-DD */
  day: string;
  title: string;
  note: string;
  url: string;
}

const LINE = 75;

/** Long lines go on after CRLF and a space; a line has at most 75 bytes of UTF-8, and no character is cut. */
export function fold(line: string): string {
  const bytes = new TextEncoder();
  const lines: string[] = [];
  let now = "";
  let size = 0;
  for (const character of line) {
    const more = bytes.encode(character).length;
    if (size + more > LINE) {
      lines.push(now);
      now = " ";
      size = 1;
    }
    now += character;
    size += more;
  }
  lines.push(now);
  return lines.join("\r\n");
}

export function escape(text: string): string {
  return text.replace(/[\\;,]/g, "\\$&").replace(/\r\n|\r|\n/g, "\\n");
}

const plain = (day: string) => day.replaceAll("-", "");

function after(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}

function event(entry: Entry, stamp: string): string[] {
  return [
    "BEGIN:VEVENT",
    `UID:${escape(entry.uid)}`,
    `DTSTAMP:${stamp}`,
    `DTSTART;VALUE=DATE:${plain(entry.day)}`,
    `DTEND;VALUE=DATE:${plain(after(entry.day))}`,
    `SUMMARY:${escape(entry.title)}`,
    ...(entry.note ? [`DESCRIPTION:${escape(entry.note)}`] : []),
    `URL:${entry.url}`,
    "TRANSP:TRANSPARENT",
    "BEGIN:VALARM",
    "ACTION:DISPLAY",
    `DESCRIPTION:${escape(entry.title)}`,
    "TRIGGER:PT9H",
    "END:VALARM",
    "END:VEVENT",
  ];
}

export function calendar(entries: readonly Entry[], now: Date): string {
  const stamp = `${now.toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//dealstage//next actions//EN",
    "CALSCALE:GREGORIAN",
    "METHOD:PUBLISH",
    ...entries.flatMap((entry) => event(entry, stamp)),
    "END:VCALENDAR",
  ];
  return lines.map((line) => `${fold(line)}\r\n`).join("");
}
