// The door: an account, or at the first start the key that the server printed.
import { useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { asProblem, ProblemError } from "../api/problem.ts";
import { addFirstPerson, signIn } from "../api/session.ts";
import { Preferences } from "../app.tsx";
import { texts } from "../lib/i18n.ts";
import { Field, PageHead, ProblemBox } from "../ui/basics.tsx";
import { useForm } from "../ui/form.tsx";

const text = texts({
  en: {
    signIn: "Sign in",
    email: "E-mail",
    password: "Password",
    first: "First start? Make the first account",
    back: "I have an account",
    title: "The first account",
    key: "Key",
    keyHint: "The server printed it when it started for the first time. It begins with dsk_.",
    name: "Name",
    passwordHint: "12 characters or more",
    make: "Make the account",
    wrongKey:
      "The server does not know this key. Look for “admin key” in what it printed when it first started, or start it anew with a key of your own in DEALSTAGE_ADMIN_KEY.",
    wrongPassword: "E-mail address or password is wrong.",
  },
  ru: {
    signIn: "Вход",
    email: "Почта",
    password: "Пароль",
    first: "Первый запуск? Создать первую учётную запись",
    back: "У меня есть учётная запись",
    title: "Первая учётная запись",
    key: "Ключ",
    keyHint: "Сервер напечатал его при первом запуске. Он начинается с dsk_.",
    name: "Имя",
    passwordHint: "Не короче 12 знаков",
    make: "Создать",
    wrongKey:
      "Сервер не знает такого ключа. Найдите строку «admin key» в том, что он напечатал при первом запуске, или запустите его со своим ключом в DEALSTAGE_ADMIN_KEY.",
    wrongPassword: "Неверная почта или пароль.",
  },
});

export function SignIn() {
  const [first, setFirst] = useState(false);
  const { busy, problem, run } = useForm();
  const { route } = useLocation();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const said = new FormData(event.currentTarget as HTMLFormElement);
    const of = (name: string) => String(said.get(name) ?? "");
    const person = { name: of("name"), email: of("email"), password: of("password") };
    run(async () => {
      try {
        if (first) await addFirstPerson(of("key"), person);
        else await signIn(person.email, person.password);
      } catch (error) {
        // The server answers programs; here one of two things was typed wrong.
        if (asProblem(error).status !== 401) throw error;
        const detail = first ? text().wrongKey : text().wrongPassword;
        throw new ProblemError({ status: 401, title: "", detail, problems: [] });
      }
      if (first) route("/welcome");
    });
  };
  return (
    <main class="door stack">
      <PageHead title={first ? text().title : text().signIn} />
      {problem && <ProblemBox problem={problem} />}
      <form class="card stack" onSubmit={submit}>
        {first && (
          <Field label={text().key} hint={text().keyHint}>
            {(id) => <input id={id} name="key" type="password" autocomplete="off" required />}
          </Field>
        )}
        {first && (
          <Field label={text().name}>{(id) => <input id={id} name="name" autocomplete="name" required />}</Field>
        )}
        <Field label={text().email}>
          {(id) => <input id={id} name="email" type="email" autocomplete="username" required />}
        </Field>
        <Field label={text().password} {...(first ? { hint: text().passwordHint } : {})}>
          {(id) => (
            <input
              id={id}
              name="password"
              type="password"
              autocomplete={first ? "new-password" : "current-password"}
              minLength={first ? 12 : 1}
              required
            />
          )}
        </Field>
        <button class="primary" disabled={busy}>
          {first ? text().make : text().signIn}
        </button>
      </form>
      <button class="plain" onClick={() => setFirst(!first)}>
        {first ? text().back : text().first}
      </button>
      <div class="row">
        <Preferences />
      </div>
    </main>
  );
}
