// A report or a part of one.
import type { ComponentChildren } from "preact";

export function Card(props: { title: string; hint?: string; children: ComponentChildren }) {
  return (
    <section class="card stack">
      <h2>{props.title}</h2>
      {props.hint && <p class="muted">{props.hint}</p>}
      {props.children}
    </section>
  );
}
