// The people of the workspace, for managers and admins; and everybody's own password.
import { useState } from "preact/hooks";
import { api, ask, type Schemas } from "../../api/client.ts";
import { atLeast, loadMe, me } from "../../api/session.ts";
import { day } from "../../lib/format.ts";
import { loadPeople } from "../../lib/people.ts";
import { Field, PageHead, ProblemBox } from "../../ui/basics.tsx";
import { FormDialog, useForm } from "../../ui/form.tsx";
import { tell } from "../../ui/toast.tsx";
import { Confirm, Listed, More, usePages, useWork, type Pages } from "./parts.tsx";
import { ROLES, text } from "./people-text.ts";

type User = Schemas["User"];
type Role = Schemas["PersonRole"];

export function Users() {
  return (
    <>
      {atLeast("manager") ? <People /> : <PageHead title={text().users.title} />}
      {me.value?.user && <OwnPassword />}
    </>
  );
}

function RoleChoice(props: { value: Role; onChange: (role: Role) => void }) {
  return (
    <fieldset class="admin-choices">
      <legend>{text().role}</legend>
      {ROLES.map((role) => (
        <label key={role}>
          <input type="radio" name="role" checked={props.value === role} onChange={() => props.onChange(role)} />
          <span>
            {text().roles[role]} <span class="muted">– {text().roleHints[role]}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function NewPassword(props: {
  label: string;
  hint: string;
  value: string;
  onInput: (password: string) => void;
  required?: boolean;
}) {
  return (
    <Field label={props.label} hint={props.hint}>
      {(id) => (
        <input
          id={id}
          type="password"
          autocomplete="new-password"
          minLength={12}
          required={props.required ?? false}
          value={props.value}
          onInput={(event) => props.onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

function Add(props: { onClose: () => void; onAdded: () => void }) {
  const [said, setSaid] = useState({ name: "", email: "", password: "" });
  const [role, setRole] = useState<Role>("rep");
  const words = text().users;
  const send = async () => {
    const { password, ...rest } = said;
    const body = { ...rest, role, ...(password ? { password } : {}) };
    await ask(api.POST("/v1/users", { body, headers: { "Idempotency-Key": crypto.randomUUID() } }));
    props.onAdded();
  };
  return (
    <FormDialog title={words.add} label={words.add} onClose={props.onClose} send={send}>
      <Field label={text().name}>
        {(id) => (
          <input
            id={id}
            required
            autocomplete="off"
            value={said.name}
            onInput={(event) => setSaid({ ...said, name: event.currentTarget.value })}
          />
        )}
      </Field>
      <Field label={words.email}>
        {(id) => (
          <input
            id={id}
            type="email"
            required
            autocomplete="off"
            value={said.email}
            onInput={(event) => setSaid({ ...said, email: event.currentTarget.value })}
          />
        )}
      </Field>
      <RoleChoice value={role} onChange={setRole} />
      <NewPassword
        label={words.password}
        hint={words.passwordHint}
        value={said.password}
        onInput={(password) => setSaid({ ...said, password })}
      />
    </FormDialog>
  );
}

function Change(props: { user: User; onClose: () => void; onSaved: () => void }) {
  const { user } = props;
  const [name, setName] = useState(user.name);
  const [role, setRole] = useState<Role>(user.role);
  const [password, setPassword] = useState("");
  const words = text().users;
  const send = async () => {
    // What stays is not sent: a new password would end the sessions.
    const body = {
      ...(name !== user.name ? { name } : {}),
      ...(role !== user.role ? { role } : {}),
      ...(password ? { password } : {}),
    };
    await ask(api.PATCH("/v1/users/{id}", { params: { path: { id: user.id } }, body }));
    props.onSaved();
  };
  return (
    <FormDialog title={`${words.change}: ${user.name}`} label={words.change} onClose={props.onClose} send={send}>
      <Field label={text().name}>
        {(id) => <input id={id} required value={name} onInput={(event) => setName(event.currentTarget.value)} />}
      </Field>
      <RoleChoice value={role} onChange={setRole} />
      <NewPassword label={words.newPassword} hint={words.newPasswordHint} value={password} onInput={setPassword} />
    </FormDialog>
  );
}

function Row(props: { user: User; onChange: () => void; onDisable: () => void; onEnable: () => void }) {
  const { user } = props;
  const words = text().users;
  const isMe = user.id === me.value?.user?.id;
  return (
    <tr>
      <th scope="row">
        {user.name} {isMe && <span class="tag accent">{words.you}</span>}
      </th>
      <td>{user.email}</td>
      <td>{text().roles[user.role]}</td>
      <td>
        {user.disabled_at ? (
          <span class="tag poor">{words.disabled}</span>
        ) : (
          <span class="tag good">{words.active}</span>
        )}{" "}
        {!user.has_password && <span class="tag">{words.noPassword}</span>}
      </td>
      <td class="admin-nowrap">{day(user.created_at)}</td>
      {atLeast("admin") && (
        <td>
          <span class="row">
            <button class="small" aria-label={`${words.change}: ${user.name}`} onClick={props.onChange}>
              {words.change}
            </button>
            {user.disabled_at ? (
              <button class="small" aria-label={`${words.enable}: ${user.name}`} onClick={props.onEnable}>
                {words.enable}
              </button>
            ) : (
              !isMe && (
                <button class="small danger" aria-label={`${words.disable}: ${user.name}`} onClick={props.onDisable}>
                  {words.disable}
                </button>
              )
            )}
          </span>
        </td>
      )}
    </tr>
  );
}

type Open = { what: "add" } | { what: "change" | "disable"; user: User };

export function useUsers(): Pages<User> {
  return usePages(
    (cursor, signal) =>
      ask(api.GET("/v1/users", { params: { query: { limit: 100, ...(cursor ? { cursor } : {}) } }, signal })),
    [],
  );
}

function People() {
  const [open, setOpen] = useState<Open>();
  const { work } = useWork();
  const list = useUsers();
  const words = text().users;
  const close = () => setOpen(undefined);
  const done = (said: string) => {
    close();
    tell(said);
    list.reload();
    loadPeople();
  };
  const turn = (user: User, disabled: boolean) =>
    ask(api.PATCH("/v1/users/{id}", { params: { path: { id: user.id } }, body: { disabled } })).then(() =>
      done(text().saved),
    );
  return (
    <>
      <PageHead title={words.title}>
        {atLeast("admin") && (
          <button class="primary" onClick={() => setOpen({ what: "add" })}>
            {words.add}
          </button>
        )}
      </PageHead>
      <div class="stack">
        <Listed
          of={list}
          none={words.none}
          label={words.title}
          columns={[
            text().name,
            words.email,
            text().role,
            text().state,
            text().created,
            ...(atLeast("admin") ? [words.actions] : []),
          ]}
          row={(user) => (
            <Row
              key={user.id}
              user={user}
              onChange={() => setOpen({ what: "change", user })}
              onDisable={() => setOpen({ what: "disable", user })}
              onEnable={() => void work(() => turn(user, false))}
            />
          )}
        />
        <More of={list} />
      </div>
      {open?.what === "add" && <Add onClose={close} onAdded={() => done(words.added)} />}
      {open?.what === "change" && <Change user={open.user} onClose={close} onSaved={() => done(text().saved)} />}
      {open?.what === "disable" && (
        <Confirm
          title={`${words.disable}: ${open.user.name}`}
          label={words.disable}
          danger
          onClose={close}
          onYes={() => turn(open.user, true)}
        >
          <p>{words.disableAsk}</p>
        </Confirm>
      )}
    </>
  );
}

function OwnPassword() {
  const [said, setSaid] = useState({ current: "", new: "" });
  const { busy, problem, run } = useForm();
  const words = text().users;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    run(async () => {
      await ask(api.PUT("/v1/me/password", { body: said }));
      tell(text().saved);
      // The session has ended: the door opens.
      await loadMe();
    });
  };
  return (
    <section class="card stack admin-narrow admin-apart">
      <h2>{words.own}</h2>
      <form class="stack" onSubmit={submit}>
        <input hidden autocomplete="username" readOnly value={me.value?.user?.email ?? ""} />
        <Field label={words.current}>
          {(id) => (
            <input
              id={id}
              type="password"
              required
              autocomplete="current-password"
              value={said.current}
              onInput={(event) => setSaid({ ...said, current: event.currentTarget.value })}
            />
          )}
        </Field>
        <NewPassword
          label={words.newPassword}
          hint={words.ownHint}
          required
          value={said.new}
          onInput={(password) => setSaid({ ...said, new: password })}
        />
        {problem && <ProblemBox problem={problem} />}
        <div>
          <button class="primary" disabled={busy}>
            {words.changeOwn}
          </button>
        </div>
      </form>
    </section>
  );
}
