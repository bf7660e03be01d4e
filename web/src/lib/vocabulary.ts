// Words for ids (stages, signals, fields, actions, metrics…), as the reports print them: the server's one table, so that
// the page keeps no second list.
import { effect, signal } from "@preact/signals";
import { api, ask, type Schemas } from "../api/client.ts";
import { me } from "../api/session.ts";
import { language } from "./i18n.ts";

type Vocabulary = Schemas["Vocabulary"];
type Kind = Exclude<keyof Vocabulary, "language">;

const words = signal<Vocabulary | undefined>(undefined);

effect(() => {
  const wanted = language.value;
  if (!me.value) return;
  void ask(api.GET("/v1/vocabulary", { params: { query: { language: wanted } } }))
    .then((found) => (words.value = found))
    // Without it ids are shown, which is still readable.
    .catch(() => undefined);
});

/** The word for an id; the id itself where there is none, nothing for nothing. */
export function word(kind: Kind, id: string | null | undefined): string {
  if (id == null) return "";
  return words.value?.[kind]?.[id] ?? id.replaceAll("_", " ");
}

/** All ids of a kind with their words, for lists to choose from. */
export function allWords(kind: Kind): [id: string, word: string][] {
  return Object.entries(words.value?.[kind] ?? {});
}
