// The process in force, as the server parsed it: stages and elements with their words in both languages.
import { effect, signal } from "@preact/signals";
import { ask, api, type Schemas } from "../api/client.ts";
import { asProblem, type Problem } from "../api/problem.ts";
import { me } from "../api/session.ts";
import { language } from "./i18n.ts";

export type Process = Schemas["ProcessCard"];
export type StageCard = Process["stages"][number];

/** A file may give one text for both languages. */
type Words<T = string> = T | { en: T; ru: T };

export function say(words: Words | undefined): string {
  if (words === undefined) return "";
  return typeof words === "string" ? words : words[language.value];
}

export function sayAll(words: Words<string[]> | undefined): string[] {
  if (words === undefined) return [];
  return Array.isArray(words) ? words : words[language.value];
}

/** Loaded once for all pages of a person; undefined: not there yet. */
export const inForce = signal<Process | undefined>(undefined);
export const processProblem = signal<Problem | undefined>(undefined);
let loadedFor: string | undefined;

export async function loadProcess(): Promise<void> {
  processProblem.value = undefined;
  try {
    const answer = await ask(api.GET("/v1/process", { headers: { accept: "application/json" } }));
    // It could be had as TOML too.
    inForce.value = answer as Process;
  } catch (error) {
    processProblem.value = asProblem(error);
  }
}

effect(() => {
  const who = me.value?.workspace_id;
  if (!who || loadedFor === who) return;
  loadedFor = who;
  void loadProcess();
});

export function isOpen(stage: StageCard): boolean {
  return stage.kind === "open";
}

/** The word for a stage of deals; the id itself where the process in force does not have it. */
export function stageName(id: string): string {
  const stage = inForce.value?.stages.find((stage) => stage.id === id);
  return stage ? say(stage.name) : plain(id);
}

/** Stages of deals with their words, in the order of the process; empty while that is not known. */
export function allStages(): [id: string, name: string][] {
  return (inForce.value?.stages ?? []).map((stage) => [stage.id, say(stage.name)]);
}

export function elementName(id: string): string {
  const element = inForce.value?.elements.find((element) => element.id === id);
  return element ? say(element.name) : plain(id);
}

function plain(id: string): string {
  const words = id.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
