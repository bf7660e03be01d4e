// The language of the interface, and texts in it. Texts stand beside what shows them (`text.ts` of each page), in both
// languages of one shape. The words for ids (signals, fields, actions…) are the server's: see `lib/vocabulary`.
import { computed, signal } from "@preact/signals";

export type Language = "en" | "ru";

const KEY = "dealstage.language";

function first(): Language {
  const kept = localStorage.getItem(KEY);
  if (kept === "en" || kept === "ru") return kept;
  return navigator.languages.some((tag) => tag.toLowerCase().startsWith("ru")) ? "ru" : "en";
}

export const language = signal<Language>(first());

language.subscribe((now) => {
  document.documentElement.lang = now;
});

export function speak(to: Language): void {
  localStorage.setItem(KEY, to);
  language.value = to;
}

/** Both languages have the same keys, and functions take the same arguments. */
type Same<T> = {
  [K in keyof T]: T[K] extends string
    ? string
    : T[K] extends (...args: infer A) => string
      ? (...args: A) => string
      : Same<T[K]>;
};

/** `const text = texts({ en: {…}, ru: {…} })`; then `text().key` where it is shown. */
export function texts<T extends object>(of: { en: T; ru: Same<T> }): () => T {
  const now = computed(() => of[language.value] as T);
  return () => now.value;
}

const rules = { en: new Intl.PluralRules("en"), ru: new Intl.PluralRules("ru") };

/** `1 call`, `5 calls`; in Russian `1 звонок`, `3 звонка`, `5 звонков`. English takes two forms, Russian three. */
export function count(n: number, ...forms: readonly string[]): string {
  const kind = rules[language.value].select(n);
  const form = kind === "one" ? forms[0] : kind === "few" ? forms[1] : (forms[2] ?? forms[1]);
  return `${new Intl.NumberFormat(language.value).format(n)} ${form ?? ""}`;
}
