// A table that scrolls by itself where it is wider than the page.
import type { ComponentChildren } from "preact";

export function Table(props: {
  label: string;
  /** The label is seen above it. */
  captioned?: boolean;
  class?: string;
  columns: readonly string[];
  children: ComponentChildren;
}) {
  return (
    <div class={`table-wrap ${props.class ?? ""}`} role="region" aria-label={props.label} tabIndex={0}>
      <table>
        {props.captioned && <caption>{props.label}</caption>}
        <thead>
          <tr>
            {props.columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}
