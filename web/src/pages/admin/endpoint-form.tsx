// What an endpoint must be told: a receiver its address and events, a connection to a CRM its settings.
import { TYPES } from "../../api/events.ts";
import { useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { allStages } from "../../lib/process.ts";
import { useResource } from "../../lib/resource.ts";
import { allWords } from "../../lib/vocabulary.ts";
import { Field, Loaded } from "../../ui/basics.tsx";
import { FormDialog } from "../../ui/form.tsx";
import { typeWord } from "./delivery-text.ts";
import { text } from "./endpoint-text.ts";
import { DECIDED, FIRST_MAPPING, POLICIES, settingsOf, type Mapping, type Pair, type Policy } from "./settings.ts";

type Crm = Schemas["Crm"];
type Fresh = Schemas["FreshEndpoint"];

/** Kinds that can be added here; each has a form. */
const KINDS = ["webhook", "crm"] as const;
type Kind = (typeof KINDS)[number];

const OWN = "";

export function Types(props: { chosen: readonly string[]; onChange: (chosen: string[]) => void }) {
  const { chosen } = props;
  return (
    <fieldset class="admin-choices">
      <legend>{text().types}</legend>
      {TYPES.map((type) => (
        <label key={type}>
          <input
            type="checkbox"
            checked={chosen.includes(type)}
            onChange={(event) =>
              props.onChange(event.currentTarget.checked ? [...chosen, type] : chosen.filter((other) => other !== type))
            }
          />
          {typeWord(type)}
        </label>
      ))}
    </fieldset>
  );
}

function Pairs(props: {
  pairs: Pair[];
  labels: { name: string; value: string; add: string };
  choices?: [string, string][];
  onChange: (pairs: Pair[]) => void;
}) {
  const set = (at: number, pair: Pair) => props.onChange(props.pairs.map((old, i) => (i === at ? pair : old)));
  return (
    <div class="stack">
      {props.pairs.map((pair, at) => (
        <div key={at} class="admin-pair">
          <Field label={props.labels.name}>
            {(id) =>
              props.choices ? (
                <select
                  id={id}
                  value={pair.name}
                  onChange={(event) => set(at, { ...pair, name: event.currentTarget.value })}
                >
                  <option value="" />
                  {props.choices.map(([value, word]) => (
                    <option key={value} value={value}>
                      {word}
                    </option>
                  ))}
                </select>
              ) : (
                <input
                  id={id}
                  value={pair.name}
                  autocomplete="off"
                  spellcheck={false}
                  onInput={(event) => set(at, { ...pair, name: event.currentTarget.value })}
                />
              )
            }
          </Field>
          <Field label={props.labels.value}>
            {(id) => (
              <input
                id={id}
                value={pair.value}
                autocomplete="off"
                spellcheck={false}
                onInput={(event) => set(at, { ...pair, value: event.currentTarget.value })}
              />
            )}
          </Field>
          <button type="button" onClick={() => props.onChange(props.pairs.filter((_, i) => i !== at))}>
            {text().removeSetting}
          </button>
        </div>
      ))}
      <div>
        <button type="button" class="small" onClick={() => props.onChange([...props.pairs, { name: "", value: "" }])}>
          {props.labels.add}
        </button>
      </div>
    </div>
  );
}

function MappingFields(props: { mapping: Mapping; onChange: (mapping: Mapping) => void }) {
  const { mapping } = props;
  const stages = allStages();
  const set = (part: Partial<Mapping>) => props.onChange({ ...mapping, ...part });
  const theirs = (stage: string) => mapping.stages.find((pair) => pair.name === stage)?.value ?? "";
  const setStage = (stage: string, crm: string) => {
    const all = stages;
    set({ stages: all.map(([id]) => ({ name: id, value: id === stage ? crm : theirs(id) })) });
  };
  return (
    <fieldset class="card stack">
      <legend>{text().mapping}</legend>
      {stages.length > 0 && (
        <div class="stack">
          <h3>{text().stages}</h3>
          <p class="muted">{text().stagesHint}</p>
          <div class="admin-filters">
            {stages.map(([id, name]) => (
              <Field key={id} label={name}>
                {(input) => (
                  <input
                    id={input}
                    value={theirs(id)}
                    autocomplete="off"
                    onInput={(event) => setStage(id, event.currentTarget.value)}
                  />
                )}
              </Field>
            ))}
          </div>
          <Field label={text().closed} hint={text().closedHint}>
            {(id) => (
              <input
                id={id}
                value={mapping.closed}
                autocomplete="off"
                onInput={(event) => set({ closed: event.currentTarget.value })}
              />
            )}
          </Field>
        </div>
      )}
      <div class="stack">
        <h3>{text().fields}</h3>
        <Pairs
          pairs={mapping.fields}
          labels={{ name: text().ourField, value: text().theirField, add: text().addField }}
          choices={allWords("fields")}
          onChange={(fields) => set({ fields })}
        />
      </div>
      <div class="admin-choices">
        {(["note", "tasks", "overwrite"] as const).map((name) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={mapping[name]}
              onChange={(event) => set({ [name]: event.currentTarget.checked })}
            />
            {text()[name]}
          </label>
        ))}
      </div>
      <div class="admin-filters">
        {DECIDED.map((part) => (
          <Field key={part} label={text().who[part]}>
            {(id) => (
              <select
                id={id}
                value={mapping.policy[part]}
                onChange={(event) =>
                  set({ policy: { ...mapping.policy, [part]: event.currentTarget.value as Policy } })
                }
              >
                {POLICIES.map((policy) => (
                  <option key={policy} value={policy}>
                    {text().policies[policy]}
                  </option>
                ))}
              </select>
            )}
          </Field>
        ))}
      </div>
    </fieldset>
  );
}

export interface Said {
  pairs: Pair[];
  mapping: Mapping;
  more: string;
}

export const NOTHING_SAID: Said = { pairs: [], mapping: FIRST_MAPPING, more: "" };

const neededFirst = (a: Schemas["CrmSetting"], b: Schemas["CrmSetting"]) => Number(a.optional) - Number(b.optional);

/** Settings of a connection; `crm`: one that comes along, whose settings are known. */
export function SettingsFields(props: { crm: Crm | undefined; said: Said; onChange: (said: Said) => void }) {
  const { crm, said } = props;
  const set = (part: Partial<Said>) => props.onChange({ ...said, ...part });
  const valueOf = (name: string) => said.pairs.find((pair) => pair.name === name)?.value ?? "";
  const setValue = (name: string, value: string) =>
    set({ pairs: [...said.pairs.filter((pair) => pair.name !== name), { name, value }] });
  return (
    <>
      <fieldset class="card stack">
        <legend>{text().settings}</legend>
        <p class="muted">{text().settingsHint}</p>
        {crm ? (
          [...crm.settings].sort(neededFirst).map((setting) => {
            const needed = !setting.optional;
            const standard = setting.default == null ? "" : text().standard(String(setting.default));
            const hint = [setting.title, standard].filter((part) => part !== "").join(". ");
            return (
              <Field
                key={setting.name}
                label={needed ? setting.name : `${setting.name} (${text().optional})`}
                hint={hint}
              >
                {(id) => (
                  <input
                    id={id}
                    type={(setting.secret ? "password" : "text") as "text"}
                    autocomplete="off"
                    spellcheck={false}
                    required={needed}
                    value={valueOf(setting.name)}
                    onInput={(event) => setValue(setting.name, event.currentTarget.value)}
                  />
                )}
              </Field>
            );
          })
        ) : (
          <Pairs
            pairs={said.pairs}
            labels={{ name: text().name, value: text().value, add: text().addSetting }}
            onChange={(pairs) => set({ pairs })}
          />
        )}
      </fieldset>
      <MappingFields mapping={said.mapping} onChange={(mapping) => set({ mapping })} />
      <details>
        <summary>{text().more}</summary>
        <Field label={text().more} hint={text().moreHint}>
          {(id) => (
            <textarea
              id={id}
              class="admin-code"
              rows={5}
              spellcheck={false}
              value={said.more}
              onInput={(event) => set({ more: event.currentTarget.value })}
            />
          )}
        </Field>
      </details>
    </>
  );
}

const fromForm = (said: Said) => settingsOf(said.pairs, said.mapping, said.more);

function notJson(): Promise<never> {
  return Promise.reject(new Error(text().badMore));
}

export function loadCrms(signal: AbortSignal) {
  return ask(api.GET("/v1/crms", { signal }));
}

export function AddEndpoint(props: { onClose: () => void; onAdded: (endpoint: Fresh) => void }) {
  const [kind, setKind] = useState<Kind>("webhook");
  const [url, setUrl] = useState("");
  const [types, setTypes] = useState<string[]>([]);
  const [crm, setCrm] = useState("hubspot");
  const [file, setFile] = useState("");
  const [said, setSaid] = useState(NOTHING_SAID);
  const crms = useResource(loadCrms, []);
  const post = (body: Schemas["NewEndpoint"]) =>
    ask(api.POST("/v1/endpoints", { body, headers: { "Idempotency-Key": crypto.randomUUID() } })).then(props.onAdded);
  const send = () => {
    if (kind === "webhook") return post({ url, ...(types.length > 0 ? { types } : {}) });
    const settings = fromForm(said);
    if (!settings) return notJson();
    return post(crm === OWN ? { crm_file: file, settings } : { crm, settings });
  };
  return (
    <FormDialog title={text().add} label={text().add} onClose={props.onClose} send={send}>
      <fieldset class="admin-choices">
        <legend>{text().kind}</legend>
        {KINDS.map((name) => (
          <label key={name}>
            <input type="radio" name="kind" checked={kind === name} onChange={() => setKind(name)} />
            {text().kinds[name]}
          </label>
        ))}
      </fieldset>
      {kind === "webhook" ? (
        <>
          <Field label={text().url} hint={text().urlHint}>
            {(id) => (
              <input
                id={id}
                type="url"
                required
                placeholder="https://example.com/dealstage"
                value={url}
                onInput={(event) => setUrl(event.currentTarget.value)}
              />
            )}
          </Field>
          <Types chosen={types} onChange={setTypes} />
          <p class="muted">{text().typesHint}</p>
        </>
      ) : (
        <Loaded of={crms}>
          {(known) => (
            <>
              <Field label={text().crm}>
                {(id) => (
                  <select
                    id={id}
                    value={crm}
                    onChange={(event) => {
                      setCrm(event.currentTarget.value);
                      setSaid({ ...said, pairs: [] });
                    }}
                  >
                    {known.items.map((one) => (
                      <option key={one.name} value={one.name}>
                        {one.title}
                      </option>
                    ))}
                    <option value={OWN}>{text().own}</option>
                  </select>
                )}
              </Field>
              {crm === OWN && (
                <Field label={text().file} hint={text().fileHint}>
                  {(id) => (
                    <textarea
                      id={id}
                      class="admin-code"
                      rows={10}
                      required
                      spellcheck={false}
                      value={file}
                      onInput={(event) => setFile(event.currentTarget.value)}
                    />
                  )}
                </Field>
              )}
              <SettingsFields crm={known.items.find((one) => one.name === crm)} said={said} onChange={setSaid} />
            </>
          )}
        </Loaded>
      )}
    </FormDialog>
  );
}

/** New settings of a connection, in place of all that were there; or other events of a receiver. */
export function ChangeEndpoint(props: { endpoint: Schemas["Endpoint"]; onClose: () => void; onSaved: () => void }) {
  const { endpoint } = props;
  const [types, setTypes] = useState<string[]>(endpoint.types);
  const [said, setSaid] = useState(NOTHING_SAID);
  const crms = useResource(loadCrms, []);
  const patch = (body: Schemas["EndpointChange"]) =>
    ask(api.PATCH("/v1/endpoints/{id}", { params: { path: { id: endpoint.id } }, body })).then(props.onSaved);
  const send = () => {
    if (endpoint.kind === "webhook") return patch({ types });
    const settings = fromForm(said);
    return settings ? patch({ settings }) : notJson();
  };
  return (
    <FormDialog title={text().change} label={text().save} onClose={props.onClose} send={send}>
      {endpoint.kind === "webhook" ? (
        <>
          <Types chosen={types} onChange={setTypes} />
          <p class="muted">{text().typesHint}</p>
        </>
      ) : (
        <Loaded of={crms}>
          {(known) => (
            <SettingsFields
              crm={endpoint.own_file ? undefined : known.items.find((one) => one.name === endpoint.crm)}
              said={said}
              onChange={setSaid}
            />
          )}
        </Loaded>
      )}
    </FormDialog>
  );
}
