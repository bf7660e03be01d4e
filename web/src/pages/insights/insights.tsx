// Figures of all deals and calls, for managers. What is asked stands in the address, so that a report can be passed on.
import { useLocation } from "preact-iso";
import { api, ask, type Schemas } from "../../api/client.ts";
import { atLeast } from "../../api/session.ts";
import { people } from "../../lib/people.ts";
import { useResource } from "../../lib/resource.ts";
import { Empty, Field, Loaded, PageHead } from "../../ui/basics.tsx";
import { inForce } from "../../lib/process.ts";
import { Coaching } from "./coaching.tsx";
import { Cycle, Forecast, Funnel, ProcessMap } from "./reports.tsx";
import { text } from "./text.ts";
import "./insights.css";

const REPORTS = ["funnel", "cycle", "forecast", "coaching", "process"] as const;
type Report = (typeof REPORTS)[number];
const SPLITS = ["", "owner", "source", "customer", "month"] as const;
type Split = Schemas["Split"];

interface About {
  from?: string;
  to?: string;
  owner?: string;
}

export function Insights() {
  const { query, path, route } = useLocation();
  inForce.value;
  if (!atLeast("manager")) {
    return (
      <>
        <PageHead title={text().title} />
        <Empty>{text().managers}</Empty>
      </>
    );
  }
  const report = REPORTS.find((one) => one === query.report) ?? "funnel";
  const split = SPLITS.find((one) => one === query.by) ?? "";
  const target = Number(query.target);
  const more: More = { ...(split ? { by: split } : {}), ...(target >= 1 ? { target_wins: target } : {}) };
  const to = (changes: Record<string, string>) => {
    const said = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...query, ...changes })) if (value) said.set(name, value);
    return `${path}?${said}`;
  };
  const asked: About = {};
  for (const name of ["from", "to", "owner"] as const) if (query[name]) asked[name] = query[name];
  const ask = (changes: Record<string, string>) => route(to(changes), true);
  const dayField = (name: "from" | "to") => (
    <Field label={text()[name]}>
      {(id) => (
        <input
          id={id}
          type="date"
          value={query[name] ?? ""}
          onChange={(event) => ask({ [name]: event.currentTarget.value })}
        />
      )}
    </Field>
  );
  return (
    <>
      <PageHead title={text().title} />
      <nav class="in-reports" aria-label={text().reports}>
        <ul>
          {REPORTS.map((one) => (
            <li key={one}>
              <a href={to({ report: one })} aria-current={one === report ? "page" : undefined}>
                {text()[one]}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="in-filters">
        {dayField("from")}
        {dayField("to")}
        <Field label={text().owner}>
          {(id) => (
            <select id={id} value={query.owner ?? ""} onChange={(event) => ask({ owner: event.currentTarget.value })}>
              <option value="">{text().team}</option>
              {people.value.map((user) => (
                <option key={user.id} value={user.id}>
                  {user.name}
                </option>
              ))}
            </select>
          )}
        </Field>
        {report === "forecast" && (
          <Field label={text().target}>
            {(id) => (
              <input
                id={id}
                type="number"
                min={1}
                max={1000000}
                value={query.target ?? ""}
                onChange={(event) => ask({ target: event.currentTarget.value })}
              />
            )}
          </Field>
        )}
        {report === "funnel" && (
          <Field label={text().split}>
            {(id) => (
              <select id={id} value={split} onChange={(event) => ask({ by: event.currentTarget.value })}>
                {SPLITS.map((one) => (
                  <option key={one} value={one}>
                    {text().splits[one]}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
      </div>
      <p class="muted in-what">{text().what[report]}</p>
      <div class="stack">
        <Shown key={report} report={report} asked={asked} more={more} />
      </div>
    </>
  );
}

/** What only one of the reports takes. */
interface More {
  by?: Split;
  target_wins?: number;
}

type Found =
  | { report: "funnel"; of: Schemas["Funnel"] }
  | { report: "cycle"; of: Schemas["Cycle"] }
  | { report: "forecast"; of: Schemas["Forecast"]; names: Map<string, string> }
  | { report: "coaching"; of: Schemas["Coaching"] }
  | { report: "process"; of: Schemas["ProcessMap"] };

async function load(report: Report, about: About, more: More, signal: AbortSignal): Promise<Found> {
  const params = { query: about };
  switch (report) {
    case "funnel": {
      const query = { ...about, ...(more.by ? { by: more.by } : {}) };
      return { report, of: await ask(api.GET("/v1/insights/funnel", { params: { query }, signal })) };
    }
    case "cycle":
      return { report, of: await ask(api.GET("/v1/insights/cycle", { params, signal })) };
    case "forecast": {
      const query = { ...about, ...(more.target_wins ? { target_wins: more.target_wins } : {}) };
      const [of, deals] = await Promise.all([
        ask(api.GET("/v1/insights/forecast", { params: { query }, signal })),
        ask(api.GET("/v1/deals", { params: { query: { limit: 200 } }, signal })),
      ]);
      return { report, of, names: new Map(deals.items.map((deal) => [deal.id, deal.name])) };
    }
    case "coaching":
      return { report, of: await ask(api.GET("/v1/insights/coaching", { params, signal })) };
    case "process":
      return { report, of: await ask(api.GET("/v1/insights/process", { params, signal })) };
  }
}

function Shown(props: { report: Report; asked: About; more: More }) {
  const { report, asked, more } = props;
  const found = useResource((signal) => load(report, asked, more, signal), [report, asked, more]);
  return (
    <Loaded of={found}>
      {(data) => {
        switch (data.report) {
          case "funnel":
            return <Funnel of={data.of} />;
          case "cycle":
            return <Cycle of={data.of} />;
          case "forecast":
            return <Forecast of={data.of} names={data.names} />;
          case "coaching":
            return <Coaching of={data.of} />;
          case "process":
            return <ProcessMap of={data.of} />;
        }
      }}
    </Loaded>
  );
}
