// How each rep leads calls: what to work on, with calls that show it and calls to listen to.
import type { Schemas } from "../../api/client.ts";
import { day, figure, share } from "../../lib/format.ts";
import { nameOf } from "../../lib/people.ts";
import { word } from "../../lib/vocabulary.ts";
import { callTurn } from "../deals/elements.tsx";
import { RateBar } from "./figures.tsx";
import { Table } from "../../ui/table.tsx";
import { Card } from "./card.tsx";
import { text } from "./text.ts";

type Rep = Schemas["RepCoaching"];

export function Coaching(props: { of: Schemas["Coaching"] }) {
  const { of } = props;
  return (
    <>
      <p class="muted in-small">{text().judged(of.judged)}</p>
      {of.reps.length === 0 && (
        <section class="card">
          <p class="muted">{text().none}</p>
        </section>
      )}
      {of.reps.map((rep) => (
        <RepCard key={rep.owner} of={rep} name={rep.owner ? nameOf(rep.owner) : text().nobody} />
      ))}
      <Card title={text().works} hint={text().worksHint}>
        <Works of={of.what_works} />
      </Card>
    </>
  );
}

/** A need is about a measure, or about a move that came too early. */
function about(id: string): string {
  return id.startsWith("pm_") ? word("premature", id) : word("metrics", id);
}

function value(said: number | null | undefined, unit: string): string {
  return unit === "share" || unit === "yes_no" ? share(said) : figure(said);
}

function RepCard(props: { of: Rep; name: string }) {
  const { of } = props;
  return (
    <Card title={props.name}>
      {!of.enough && <p class="tag watch in-note">{text().enoughNot}</p>}
      <div class="in-figures">
        <div>
          <h3>{text().overall}</h3>
          <strong>{figure(of.overall.median, 0)}</strong>{" "}
          <span class="muted in-small">
            {of.overall.p25 != null && text().between(figure(of.overall.p25, 0), figure(of.overall.p75, 0))},{" "}
            {text().judged(of.judged)}
          </span>
        </div>
        <div>
          <h3>{text().adherence}</h3>
          <RateBar of={of.adherence} />
        </div>
        {of.strengths.length > 0 && (
          <div>
            <h3>{text().strengths}</h3>
            {of.strengths.map((id) => word("metrics", id)).join(", ")}
          </div>
        )}
      </div>
      <h3>{text().needs}</h3>
      {of.needs.length === 0 ? (
        <p class="muted">{text().noNeeds}</p>
      ) : (
        <ol class="in-needs">
          {of.needs.map((need) => (
            <li key={need.about}>
              <p>
                <strong>{about(need.about)}</strong> <span class="tag watch">{text()[need.kind]}</span>
              </p>
              <div class="in-figures">
                <div>
                  <h4>{text().wentWrong}</h4>
                  <RateBar of={need.poor} />
                </div>
                <div>
                  <h4>{text().teamSame}</h4>
                  <RateBar of={need.team} />
                </div>
              </div>
              <p>
                {text().where}:{" "}
                {need.evidence.slice(0, 6).map((call, n) => (
                  <span key={call.call}>
                    {n > 0 && ", "}
                    <a href={call.turns[0] === undefined ? `/calls/${call.call}` : callTurn(call.call, call.turns[0])}>
                      {day(call.call_date)}
                    </a>
                  </span>
                ))}
              </p>
              {need.listen_to.length > 0 && (
                <p>
                  {text().listen}:{" "}
                  {need.listen_to.slice(0, 4).map((call, n) => (
                    <span key={call}>
                      {n > 0 && ", "}
                      <a href={`/calls/${call}`}>{text().call(n + 1)}</a>
                    </span>
                  ))}
                </p>
              )}
            </li>
          ))}
        </ol>
      )}
      <details>
        <summary>{text().metrics}</summary>
        <Table
          class="in-table"
          label={text().metrics}
          columns={[text().measure, text().type, text().value, text().norm, text().bands, text().trend]}
        >
          {of.metrics.flatMap((metric) =>
            metric.by_type.map((figures, n) => (
              <tr key={`${metric.metric}-${figures.call_type}`}>
                {n === 0 && (
                  <th scope="rowgroup" rowSpan={metric.by_type.length}>
                    {word("metrics", metric.metric)}
                  </th>
                )}
                <td>{text().types[figures.call_type] ?? figures.call_type}</td>
                <td>
                  {value(figures.values.median, metric.unit)}{" "}
                  <span class="muted in-small">{text().calls(figures.values.n)}</span>
                </td>
                <td>{figures.norm || "–"}</td>
                {n === 0 && (
                  <>
                    <td rowSpan={metric.by_type.length}>
                      <span class="tag good">{metric.good}</span> <span class="tag watch">{metric.watch}</span>{" "}
                      <span class="tag poor">{metric.poor}</span>
                    </td>
                    <td rowSpan={metric.by_type.length}>
                      {metric.trend ? text().trends[metric.trend] : <span class="muted">{text().noTrend}</span>}
                    </td>
                  </>
                )}
              </tr>
            )),
          )}
        </Table>
      </details>
    </Card>
  );
}

function Works(props: { of: Schemas["WhatWorks"] }) {
  const { of } = props;
  if (of.won < of.needed || of.lost < of.needed) {
    return <p class="tag watch in-note">{text().worksFew(of.needed, of.won, of.lost)}</p>;
  }
  if (of.signals.length === 0) return <p class="muted">{text().worksNone}</p>;
  return (
    <Table class="in-table" label={text().works} columns={[text().signal, text().inWon, text().inLost]}>
      {of.signals.map((one) => (
        <tr key={one.signal}>
          <th scope="row">{word("signals", one.signal)}</th>
          <td>
            <RateBar of={one.won} />
          </td>
          <td>
            <RateBar of={one.lost} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
