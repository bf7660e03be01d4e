// Times, days and figures as people read them, in the language of the interface.
import { language } from "./i18n.ts";

const NONE = "–";

/** Seconds as `m:ss`, from an hour on `h:mm:ss`. */
export function clock(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NONE;
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** A day (`2026-04-16`) or a moment (RFC 3339) as a day: `16 Apr 2026`. A day has no time zone and keeps its date. */
export function day(when: string | null | undefined, options: { weekday?: boolean; year?: boolean } = {}): string {
  if (!when) return NONE;
  const plain = /^\d{4}-\d{2}-\d{2}$/.test(when);
  const date = new Date(plain ? `${when}T00:00:00Z` : when);
  if (Number.isNaN(date.getTime())) return when;
  return new Intl.DateTimeFormat(language.value === "en" ? "en-GB" : "ru-RU", {
    day: "numeric",
    month: "short",
    ...(options.year === false ? {} : { year: "numeric" }),
    ...(options.weekday ? { weekday: "short" } : {}),
    ...(plain ? { timeZone: "UTC" } : {}),
  }).format(date);
}

/** A moment: `16 Apr 2026, 14:05`. */
export function moment(when: string | null | undefined): string {
  if (!when) return NONE;
  return new Intl.DateTimeFormat(language.value === "en" ? "en-GB" : "ru-RU", {
    dateStyle: "medium",
    timeStyle: "short",
  }).format(new Date(when));
}

/** `3 minutes ago`, `in 2 days`. */
export function ago(when: string | null | undefined, now = Date.now()): string {
  if (!when) return NONE;
  const seconds = (new Date(when).getTime() - now) / 1000;
  const format = new Intl.RelativeTimeFormat(language.value, { numeric: "auto" });
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [
    ["day", 86400],
    ["hour", 3600],
    ["minute", 60],
  ];
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) return format.format(Math.round(seconds / size), unit);
  }
  return format.format(Math.round(seconds), "second");
}

/** 0–1 as a percentage. */
export function share(value: number | null | undefined): string {
  if (value == null) return NONE;
  return new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: 0 }).format(value);
}

export function figure(value: number | null | undefined, digits = 1): string {
  if (value == null) return NONE;
  return new Intl.NumberFormat(language.value, { maximumFractionDigits: digits }).format(value);
}

export function money(amount: number, currency: string): string {
  try {
    const format = { style: "currency", currency, maximumFractionDigits: 0 } as const;
    return new Intl.NumberFormat(language.value, format).format(amount);
  } catch {
    return `${figure(amount, 0)} ${currency}`;
  }
}

/** Bytes: `4.2 MB`. */
export function bytes(size: number | null | undefined): string {
  if (size == null) return NONE;
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  const step = Math.min(3, Math.floor(Math.log10(Math.max(size, 1)) / 3));
  const unit = units[step] ?? "byte";
  const format = { style: "unit", unit, maximumFractionDigits: step > 1 ? 1 : 0 } as const;
  return new Intl.NumberFormat(language.value, format).format(size / 1000 ** step);
}
