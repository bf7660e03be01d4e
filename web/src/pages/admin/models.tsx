// The weights: which are there, what for, under which licence.
import { api, ask, type Schemas } from "../../api/client.ts";
import { bytes } from "../../lib/format.ts";
import { useResource } from "../../lib/resource.ts";
import { PageHead } from "../../ui/basics.tsx";
import { Listed } from "./parts.tsx";
import { text } from "./people-text.ts";

type Model = Schemas["Model"];

const TONE = { installed: "good", optional: "", missing: "poor", incomplete: "poor" } as const;

/** One that the program does not need is no loss where it is missing. */
function stateOf({ state, needed }: Model): keyof typeof TONE {
  return state === "missing" && !needed ? "optional" : state;
}

export function Models() {
  const list = useResource((signal) => ask(api.GET("/v1/models", { signal })), []);
  const words = text().models;
  return (
    <>
      <PageHead title={words.title} />
      <div class="stack">
        <p class="muted">{words.about}</p>
        <Listed
          of={list}
          none={words.none}
          label={words.title}
          columns={[text().name, text().state, words.size, words.licence, words.purpose, words.origin]}
          row={(model) => (
            <tr key={model.name}>
              <th scope="row">{model.name}</th>
              <td>
                <span class={`tag ${TONE[stateOf(model)]}`}>{words.states[stateOf(model)]}</span>
              </td>
              <td class="admin-nowrap">{bytes(model.size)}</td>
              <td>{model.licence}</td>
              <td>{model.purpose}</td>
              <td class="admin-break">{model.origin}</td>
            </tr>
          )}
        />
      </div>
    </>
  );
}
