// Tables of the reports: a caption, heads of columns, and room to scroll where it is narrow.
import type { ComponentChildren } from "preact";

export function Table(props: { caption: string; hidden?: boolean; heads: string[]; children: ComponentChildren }) {
  return (
    <div class="table-wrap in-table" tabIndex={0} role="group" aria-label={props.caption}>
      <table>
        <caption class={props.hidden ? "sr-only" : undefined}>{props.caption}</caption>
        <thead>
          <tr>
            {props.heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}

export function Card(props: { title: string; hint?: string; children: ComponentChildren }) {
  return (
    <section class="card stack">
      <h2>{props.title}</h2>
      {props.hint && <p class="muted">{props.hint}</p>}
      {props.children}
    </section>
  );
}
