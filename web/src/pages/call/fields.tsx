// What was said about the deal, grouped: the value in words, how sure the talk makes it, and the quote.
import { useState } from "preact/hooks";
import { share } from "../../lib/format.ts";
import { word } from "../../lib/vocabulary.ts";
import { of, words } from "../../lib/words.ts";
import { aboutField, CorrectedMark, FieldMenu, type Kept } from "./corrections.tsx";
import type { Analysis, FieldInfo } from "./document.ts";
import { PastQuote, Quote, QuoteAt } from "./quote.tsx";
import { text } from "./text.ts";
import { bySource, GROUPS, saysQuote, valueWords, type Group } from "./values.ts";

/** More values of one field than these wait behind a button. */
const SHOWN = 4;

/** A sentence need not be bold. */
const LONG = 48;

const TONES: Record<FieldInfo["status"], string> = {
  stated: "call-plain",
  confirmed: "tag good",
  unknown_to_buyer: "tag watch",
  conflict: "tag poor",
  not_stated: "call-plain",
  proposed: "tag watch",
};

/** Values on the same words, and the words: once, and as small as they can be where the value says them itself. */
function Values({ fields }: { fields: readonly FieldInfo[] }) {
  const first = fields[0];
  if (!first) return null;
  const said = fields.map((field) => valueWords(field.field, field.value, field.raw));
  const { turn, quote } = first;
  const short = quote != null && said.some((value) => saysQuote(value, quote));
  return (
    <li>
      {fields.map((field, n) => (
        <div key={n} class="call-field">
          <span class={(said[n] ?? "").length > LONG ? "call-value long" : "call-value"}>{said[n]}</span>{" "}
          <span
            class={TONES[field.status]}
            title={field.decided_by ? of(words().decided, field.decided_by) : undefined}
          >
            {of(words().status, field.status)}
            {field.confidence != null && ` · ${share(field.confidence)}`}
          </span>{" "}
          <CorrectedMark about={aboutField(field)} />
          <span class="call-field-tools">
            {short && n === 0 && turn != null && <QuoteAt turn={turn} quote={quote} />}
            <FieldMenu field={field} />
          </span>
        </div>
      ))}
      {!short && turn != null && quote && <Quote turn={turn} quote={quote} />}
    </li>
  );
}

function FieldRow({ field, fields }: { field: FieldInfo["field"]; fields: readonly FieldInfo[] }) {
  const [all, setAll] = useState(false);
  // A value that a person took away has no place of its own any more; the way back is at the name.
  const isGone = (one: Kept) =>
    one.about === "field" && one.field === field && !fields.some((shown) => aboutField(shown)(one));
  const values = bySource(fields);
  const shown = all ? values : values.slice(0, SHOWN);
  return (
    <div>
      <dt>
        {word("fields", field)} <CorrectedMark about={isGone} />
      </dt>
      <dd>
        <ul class="call-values">
          {shown.map((fields, n) => (
            <Values key={n} fields={fields} />
          ))}
        </ul>
        {shown.length < values.length && (
          <button class="plain small" onClick={() => setAll(true)}>
            {text().moreValues(values.length - shown.length)}
          </button>
        )}
      </dd>
    </div>
  );
}

export function Fields({ analysis }: { analysis: Analysis }) {
  const { fields } = analysis.qualification;
  const absent = fields.filter((field) => field.status === "not_stated");
  const earlier = analysis.deal.earlier_facts;
  return (
    <>
      {(Object.keys(GROUPS) as Group[]).map((group) => {
        const rows = GROUPS[group]
          .map(
            (name) => [name, fields.filter((field) => field.field === name && field.status !== "not_stated")] as const,
          )
          .filter(([, values]) => values.length > 0);
        if (rows.length === 0) return null;
        return (
          <div key={group}>
            <h3>{text().groups[group]}</h3>
            <dl class="call-fields">
              {rows.map(([name, values]) => (
                <FieldRow key={name} field={name} fields={values} />
              ))}
            </dl>
          </div>
        );
      })}
      {earlier.length > 0 && (
        <details>
          <summary>{text().earlierFacts(earlier.length)}</summary>
          <dl class="call-fields">
            {earlier.map((fact, n) => (
              <div key={n}>
                <dt>{word("fields", fact.field)}</dt>
                <dd>
                  <span class="call-value">{valueWords(fact.field, fact.value, fact.quote)}</span>
                  <PastQuote of={fact} />
                </dd>
              </div>
            ))}
          </dl>
        </details>
      )}
      {absent.length > 0 && (
        <details>
          <summary>{text().notStated(absent.length)}</summary>
          <ul class="call-absent">
            {absent.map((field) => (
              <li key={field.field}>
                {word("fields", field.field)} <CorrectedMark about={aboutField(field)} />
                <FieldMenu field={field} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}
