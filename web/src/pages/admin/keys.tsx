// Keys for programs: made, shown once, revoked.
import { useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { ago, day, moment } from "../../lib/format.ts";
import { Field, PageHead } from "../../ui/basics.tsx";
import { FormDialog } from "../../ui/form.tsx";
import { tell } from "../../ui/toast.tsx";
import { Confirm, Listed, More, Secret, usePages } from "./parts.tsx";
import { ROLES, text } from "./people-text.ts";
import { useUsers } from "./users.tsx";

type Key = Schemas["Key"];
type Role = Schemas["PersonRole"];

/** What a scope can be about. */
const RESOURCES = [
  "calls",
  "deals",
  "proposals",
  "events",
  "insights",
  "process",
  "deliveries",
  "endpoints",
  "users",
  "keys",
  "audit",
  "settings",
  "workspaces",
] as const;

function State(props: { of: Key }) {
  const { revoked_at: revoked, expires_at: expires } = props.of;
  if (revoked) return <span class="tag">{text().keys.revoked}</span>;
  if (expires && new Date(expires) < new Date()) return <span class="tag">{text().keys.expired}</span>;
  return <span class="tag good">{text().keys.active}</span>;
}

export function Keys() {
  const [adding, setAdding] = useState(false);
  const [fresh, setFresh] = useState<Schemas["FreshKey"]>();
  const [revoking, setRevoking] = useState<Key>();
  const users = useUsers();
  const list = usePages(
    (cursor, signal) =>
      ask(api.GET("/v1/keys", { params: { query: { limit: 50, ...(cursor ? { cursor } : {}) } }, signal })),
    [],
  );
  const words = text().keys;
  const whose = (key: Key) =>
    key.user_id ? (users.data?.items.find((user) => user.id === key.user_id)?.name ?? key.user_id) : words.workspace;
  const revoke = async (key: Key) => {
    await ask(api.DELETE("/v1/keys/{id}", { params: { path: { id: key.id } } }));
    tell(words.revokedNow);
    list.reload();
  };
  return (
    <>
      <PageHead title={words.title}>
        <button class="primary" onClick={() => setAdding(true)}>
          {words.add}
        </button>
      </PageHead>
      <div class="stack">
        <p class="muted">{words.about}</p>
        <Listed
          of={list}
          none={words.none}
          label={words.title}
          columns={[
            text().name,
            text().state,
            words.prefix,
            text().role,
            words.scopes,
            words.of,
            words.used,
            words.expires,
            words.revoke,
          ]}
          row={(key) => (
            <tr key={key.id}>
              <th scope="row">{key.name}</th>
              <td>
                <State of={key} />
              </td>
              <td>
                <code class="admin-id">{key.prefix}…</code>
              </td>
              <td>{text().roles[key.role]}</td>
              <td>{key.scopes.includes("*") ? words.all : key.scopes.join(", ")}</td>
              <td>{whose(key)}</td>
              <td class="admin-nowrap">{key.last_used_at ? ago(key.last_used_at) : words.notUsed}</td>
              <td class="admin-nowrap" title={key.expires_at ? moment(key.expires_at) : undefined}>
                {key.expires_at ? day(key.expires_at) : words.never}
              </td>
              <td>
                {!key.revoked_at && (
                  <button
                    class="small danger"
                    aria-label={`${words.revoke}: ${key.name}`}
                    onClick={() => setRevoking(key)}
                  >
                    {words.revoke}
                  </button>
                )}
              </td>
            </tr>
          )}
        />
        <More of={list} />
      </div>
      {adding && (
        <Add
          users={users.data?.items ?? []}
          onClose={() => setAdding(false)}
          onAdded={(key) => {
            setAdding(false);
            setFresh(key);
            list.reload();
          }}
        />
      )}
      {fresh && (
        <Secret title={`${words.made}: ${fresh.name}`} secret={fresh.key} onClose={() => setFresh(undefined)} />
      )}
      {revoking && (
        <Confirm
          title={`${words.revoke}: ${revoking.name}`}
          label={words.revoke}
          danger
          onClose={() => setRevoking(undefined)}
          onYes={() => revoke(revoking)}
        >
          <p>{words.revokeAsk}</p>
        </Confirm>
      )}
    </>
  );
}

function Add(props: {
  users: readonly Schemas["User"][];
  onClose: () => void;
  onAdded: (key: Schemas["FreshKey"]) => void;
}) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("manager");
  const [user, setUser] = useState("");
  const [expires, setExpires] = useState("");
  const [scopes, setScopes] = useState<string[] | null>(null);
  const words = text().keys;
  const send = async () => {
    const body = {
      name,
      role,
      scopes: scopes ?? ["*"],
      ...(user ? { user_id: user } : {}),
      ...(expires ? { expires_at: new Date(`${expires}T23:59:59`).toISOString() } : {}),
    };
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    props.onAdded(await ask(api.POST("/v1/keys", { body, headers })));
  };
  const toggle = (scope: string, on: boolean) =>
    setScopes(on ? [...(scopes ?? []), scope] : (scopes ?? []).filter((other) => other !== scope));
  return (
    <FormDialog title={words.add} label={words.add} onClose={props.onClose} send={send}>
      <Field label={text().name} hint={words.nameHint}>
        {(id) => (
          <input
            id={id}
            required
            maxLength={100}
            autocomplete="off"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        )}
      </Field>
      <Field label={text().role} hint={text().roleHints[role]}>
        {(id) => (
          <select id={id} value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}>
            {ROLES.map((one) => (
              <option key={one} value={one}>
                {text().roles[one]}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={words.of} {...(role === "rep" ? { hint: words.repNeeds } : {})}>
        {(id) => (
          <select
            id={id}
            value={user}
            required={role === "rep"}
            onChange={(event) => setUser(event.currentTarget.value)}
          >
            <option value="">{words.workspace}</option>
            {props.users
              .filter((one) => !one.disabled_at)
              .map((one) => (
                <option key={one.id} value={one.id}>
                  {one.name}
                </option>
              ))}
          </select>
        )}
      </Field>
      <fieldset class="admin-choices">
        <legend>{words.scopes}</legend>
        <label>
          <input type="radio" name="scopes" checked={scopes === null} onChange={() => setScopes(null)} />
          {words.all}
        </label>
        <label>
          <input type="radio" name="scopes" checked={scopes !== null} onChange={() => setScopes([])} />
          {words.some}
        </label>
      </fieldset>
      {scopes && (
        <div class="admin-choices" role="group" aria-label={words.some}>
          {RESOURCES.flatMap((resource) =>
            (["read", "write"] as const).map((what) => {
              const scope = `${resource}:${what}`;
              return (
                <label key={scope}>
                  <input
                    type="checkbox"
                    checked={scopes.includes(scope)}
                    onChange={(event) => toggle(scope, event.currentTarget.checked)}
                  />
                  <span>
                    {resource}: {words[what]}
                  </span>
                </label>
              );
            }),
          )}
        </div>
      )}
      <Field label={words.expires}>
        {(id) => (
          <input
            id={id}
            type="date"
            min={new Date().toISOString().slice(0, 10)}
            value={expires}
            onInput={(event) => setExpires(event.currentTarget.value)}
          />
        )}
      </Field>
    </FormDialog>
  );
}
