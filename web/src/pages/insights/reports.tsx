// The reports on deals: funnel, cycle, forecast, and the map of the process.
import type { Schemas } from "../../api/client.ts";
import { day, figure, share } from "../../lib/format.ts";
import { nameOf } from "../../lib/people.ts";
import { word } from "../../lib/vocabulary.ts";
import { tone } from "../deals/board.ts";
import { stageName } from "../../lib/process.ts";
import { CountBar, DaysCells, MoneyRange, mostDays, RateBar, Totals } from "./figures.tsx";
import { Table } from "../../ui/table.tsx";
import { Card } from "./card.tsx";
import { text } from "./text.ts";

type Part = Schemas["FunnelPart"];

/** What all of them rest on. */
function Ground(props: { certainty: Schemas["Certainty"]; withoutStage?: number }) {
  const { certainty, withoutStage } = props;
  return (
    <p class="muted in-small">
      {certainty.right != null && text().certainty(share(certainty.right), certainty.calls)}{" "}
      {withoutStage ? text().withoutStage(withoutStage) : ""}
    </p>
  );
}

export function Funnel(props: { of: Schemas["Funnel"] }) {
  const { all, parts, split } = props.of;
  const partName = (part: Part): string => {
    if (part.key == null) return text().unknown;
    if (split === "owner") return nameOf(part.key);
    return part.key.replaceAll("_", " ");
  };
  return (
    <>
      <Ground certainty={props.of.certainty} withoutStage={props.of.without_stage} />
      <Card title={text().deals(all.deals)}>
        <div class="in-figures">
          <div>
            <h3>{text().leadToWin}</h3>
            <RateBar of={all.lead_to_win} />
          </div>
          <div>
            <h3>{text().winOfEnded}</h3>
            <RateBar of={all.win_of_ended} />
          </div>
          <div>
            <h3>{text().won}</h3>
            {all.won} {all.won_amounts.length > 0 && <Totals of={all.won_amounts} />}
          </div>
        </div>
        <Table class="in-table" label={text().stage} columns={[text().stage, text().reached, text().now, text().worth]}>
          {all.stages.map((stage) => (
            <tr key={stage.stage}>
              <th scope="row">{stageName(stage.stage)}</th>
              <td class="in-wide">
                <CountBar n={stage.reached} most={all.deals} />
              </td>
              <td class="in-number">{stage.now}</td>
              <td>
                <Totals of={stage.amounts} without={stage.without_amount} />
              </td>
            </tr>
          ))}
        </Table>
        <Table
          class="in-table"
          captioned
          label={text().step}
          columns={[text().step, text().movedOn, text().decided, text().lost, text().open]}
        >
          {all.steps.map((step) => (
            <tr key={step.from}>
              <th scope="row">
                {stageName(step.from)} → {stageName(step.to)}
              </th>
              <td class="in-wide">
                <RateBar of={step.moved_on} />
              </td>
              <td>
                <RateBar of={step.moved_on_of_decided} />
              </td>
              <td class="in-number">{step.lost}</td>
              <td class="in-number">{step.open}</td>
            </tr>
          ))}
        </Table>
      </Card>
      {split && (
        <Card title={`${text().split}: ${text().splits[split] ?? split}`}>
          <Table
            class="in-table"
            label={text().splits[split] ?? split}
            columns={[
              text().part,
              text().all,
              text().open,
              text().won,
              text().lost,
              text().leadToWin,
              text().winOfEnded,
            ]}
          >
            {parts.map((part) => (
              <tr key={part.key}>
                <th scope="row">{partName(part)}</th>
                <td class="in-number">{part.deals}</td>
                <td class="in-number">{part.open}</td>
                <td class="in-number">{part.won}</td>
                <td class="in-number">{part.lost}</td>
                <td>
                  <RateBar of={part.lead_to_win} />
                </td>
                <td>
                  <RateBar of={part.win_of_ended} />
                </td>
              </tr>
            ))}
          </Table>
        </Card>
      )}
    </>
  );
}

const DAYS_HEADS = () => [text().count, text().median, text().middle, text().p90];

function Stays(props: { stages: readonly Schemas["StageTime"][]; bottleneck: string | null | undefined }) {
  const most = mostDays(props.stages.map((stage) => stage.finished));
  return (
    <Card title={text().stays}>
      {props.bottleneck ? (
        <p>
          <span class="tag watch">{text().bottleneck}</span> <strong>{stageName(props.bottleneck)}</strong>.{" "}
          {text().bottleneckWhy}
        </p>
      ) : (
        <p class="muted">{text().noBottleneck}</p>
      )}
      <Table
        class="in-table"
        captioned
        label={text().finished}
        columns={[text().stage, ...DAYS_HEADS(), text().halfBy, text().shareOfTime, text().running]}
      >
        {props.stages.map((stage) => (
          <tr key={stage.stage}>
            <th scope="row">
              {stageName(stage.stage)}
              {stage.p75_before != null && stage.p75_recent != null && (
                <div class="in-small">{text().slower(figure(stage.p75_before, 0), figure(stage.p75_recent, 0))}</div>
              )}
            </th>
            <DaysCells of={stage.finished} most={most} />
            <td>{stage.half_done_by != null ? text().days(figure(stage.half_done_by, 0)) : "–"}</td>
            <td>{share(stage.share_of_time)}</td>
            <td>
              {stage.running.n}
              {stage.running.median != null && (
                <span class="muted in-small"> ({text().days(figure(stage.running.median, 0))})</span>
              )}
            </td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}

export function Cycle(props: { of: Schemas["Cycle"] }) {
  const { of } = props;
  const rows: [string, Schemas["CycleColumn"]][] = [
    [text().wonAll, of.won],
    [text().wonNew, of.won_new],
    [text().wonExisting, of.won_existing],
    [text().wonUnknown, of.won_unknown],
    [text().stillOpen, of.open],
  ];
  const most = mostDays(rows.map(([, column]) => column.days));
  const deals = Math.max(1, ...[of.won, of.open].flatMap((column) => column.buckets.map((bucket) => bucket.deals)));
  return (
    <>
      <Ground certainty={of.certainty} />
      <Card title={text().wonDays}>
        <Table class="in-table" label={text().wonDays} columns={[text().kind, ...DAYS_HEADS()]}>
          {rows.map(([name, column]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <DaysCells of={column.days} most={most} />
            </tr>
          ))}
        </Table>
        <Table class="in-table" captioned label={text().ages} columns={[text().ages, text().won, text().open]}>
          {of.won.buckets.map((bucket, n) => (
            <tr key={bucket.from_days}>
              <th scope="row">{text().months(bucket.from_days, bucket.below_days ?? null)}</th>
              <td class="in-wide">
                <CountBar n={bucket.deals} most={deals} />
              </td>
              <td class="in-wide">
                <CountBar n={of.open.buckets[n]?.deals ?? 0} most={deals} />
              </td>
            </tr>
          ))}
        </Table>
      </Card>
      <Stays stages={of.stages} bottleneck={of.bottleneck} />
    </>
  );
}

function PlanRow(props: { name: string; of: Schemas["MonthForecast"] }) {
  const { wins, amounts } = props.of;
  return (
    <tr>
      <th scope="row">{props.name}</th>
      <td>
        <strong>{text().expected(figure(wins.expected))}</strong>{" "}
        <span class="muted in-small">
          {text().range}: {text().between(figure(wins.low, 0), figure(wins.high, 0))}
        </span>
      </td>
      <td>{amounts.length > 0 ? amounts.map((amount, n) => <MoneyRange key={n} of={amount} />) : "–"}</td>
    </tr>
  );
}

export function Forecast(props: { of: Schemas["Forecast"]; names: Map<string, string> }) {
  const { of } = props;
  return (
    <>
      <Ground certainty={of.certainty} />
      <Card title={text().plan}>
        <div class="in-figures">
          <div>
            <h3>{text().ended}</h3>
            <RateBar of={of.ended} />
          </div>
          {of.leads && (
            <div>
              <h3>
                {text().leads} ({of.leads.target_wins})
              </h3>
              {of.leads.needed != null ? (
                <>
                  <strong>{text().leadsNeeded(figure(of.leads.needed, 0))}</strong>{" "}
                  <span class="muted in-small">
                    {text().leadsBetween(
                      figure(of.leads.needed_low, 0),
                      of.leads.needed_high == null ? "∞" : figure(of.leads.needed_high, 0),
                    )}
                  </span>
                </>
              ) : (
                <span class="muted">{text().leadsNone}</span>
              )}
            </div>
          )}
        </div>
        {of.plan ? (
          <Table class="in-table" label={text().plan} columns={[text().month, text().wins, text().worth]}>
            {of.plan.months.map((month) => (
              <PlanRow key={month.month} name={month.month ?? ""} of={month} />
            ))}
            <PlanRow name={text().later} of={of.plan.later} />
            <PlanRow name={text().undated} of={of.plan.undated} />
            <PlanRow name={text().openAll} of={of.plan.all} />
          </Table>
        ) : (
          <p class="tag watch in-note">{text().needed(of.ended_needed, of.ended.n)}</p>
        )}
      </Card>
      <Card title={text().byStage}>
        <Table
          class="in-table"
          label={text().byStage}
          columns={[text().stage, text().open, text().chance, text().winOfEnded, text().worth]}
        >
          {of.stages.map((stage) => (
            <tr key={stage.stage}>
              <th scope="row">{stageName(stage.stage)}</th>
              <td class="in-number">{stage.open}</td>
              <td>{stage.chance != null ? share(stage.chance) : <span class="muted">{text().few}</span>}</td>
              <td>
                <RateBar of={stage.won} />
              </td>
              <td>
                <Totals of={stage.amounts} without={stage.without_amount} />
              </td>
            </tr>
          ))}
        </Table>
      </Card>
      <Card title={text().worst}>
        {of.deals.length === 0 ? (
          <p class="muted">{text().none}</p>
        ) : (
          <Table
            class="in-table"
            label={text().worst}
            columns={[
              text().deal,
              text().stage,
              text().since,
              text().health,
              text().chance,
              text().worth,
              text().owner,
            ]}
          >
            {of.deals.map((deal) => (
              <tr key={deal.deal}>
                <th scope="row">
                  <a href={`/deals/${deal.deal}`}>{props.names.get(deal.deal) ?? `…${deal.deal.slice(-6)}`}</a>
                </th>
                <td>
                  {stageName(deal.stage)} {deal.on_hold && <span class="tag watch">{text().onHold}</span>}
                </td>
                <td>{day(deal.since)}</td>
                <td>
                  <span class={`tag ${tone(deal.health.score)}`}>{deal.health.score}</span>{" "}
                  <span class="muted in-small">
                    {deal.health.reasons.map((reason) => word("health", reason)).join("; ")}
                  </span>
                </td>
                <td>{deal.chance != null ? share(deal.chance) : <span class="muted">{text().few}</span>}</td>
                <td>
                  <Totals of={deal.amount ? [deal.amount] : []} />
                </td>
                <td>{nameOf(deal.owner)}</td>
              </tr>
            ))}
          </Table>
        )}
      </Card>
    </>
  );
}

export function ProcessMap(props: { of: Schemas["ProcessMap"] }) {
  const { of } = props;
  const most = mostDays(of.transitions.map((way) => way.days));
  return (
    <>
      <Ground certainty={of.certainty} withoutStage={of.without_stage} />
      <Card title={text().deals(of.deals)}>
        <div class="in-figures">
          <div>
            <h3>{text().conformance}</h3>
            <RateBar of={of.conformance} />
          </div>
          <div>
            <h3>{text().rework}</h3>
            <RateBar of={of.rework} />
          </div>
        </div>
      </Card>
      <Card title={text().transitions}>
        <Table
          class="in-table"
          label={text().transitions}
          columns={[text().way, text().kind, text().taken, ...DAYS_HEADS().map((head) => `${text().took}: ${head}`)]}
        >
          {of.transitions.map((way) => (
            <tr key={`${way.from}-${way.to}`}>
              <th scope="row">
                {way.from ? stageName(way.from) : text().begin} → {stageName(way.to)}
              </th>
              <td>
                <span class={way.kind === "back" || way.kind === "lost" ? "tag watch" : "tag"}>
                  {text().kinds[way.kind] ?? way.kind}
                </span>
              </td>
              <td class="in-wide">
                <RateBar of={way.taken} />
              </td>
              <DaysCells of={way.days} most={most} />
            </tr>
          ))}
        </Table>
      </Card>
      <Stays stages={of.stages} bottleneck={of.bottleneck} />
      <Card title={text().variants}>
        <Table class="in-table" label={text().variants} columns={[text().variants, text().taken, text().ended2]}>
          {of.variants.map((variant) => (
            <tr key={variant.path.join()}>
              <th scope="row">{variant.path.map(stageName).join(" → ")}</th>
              <td class="in-wide">
                <RateBar of={variant.deals} />
              </td>
              <td>{text().variant(variant.won, variant.lost, variant.open)}</td>
            </tr>
          ))}
        </Table>
        {of.other_variants > 0 && <p class="muted">{text().otherVariants(of.other_variants)}</p>}
      </Card>
      <Card title={text().loops}>
        {of.loops.length === 0 ? (
          <p class="muted">{text().noLoops}</p>
        ) : (
          <ul class="in-lines">
            {of.loops.map((loop) => (
              <li key={`${loop.from}-${loop.to}`}>
                {stageName(loop.from)} → {stageName(loop.to)}: {text().times(loop.times)},{" "}
                {loop.deals.slice(0, 5).map((deal, n) => (
                  <span key={deal}>
                    {n > 0 && ", "}
                    <a href={`/deals/${deal}`}>…{deal.slice(-6)}</a>
                  </span>
                ))}
              </li>
            ))}
          </ul>
        )}
      </Card>
      <Card title={text().skipped} hint={text().skippedHint}>
        {of.skipped.length === 0 ? (
          <p class="muted">{text().none}</p>
        ) : (
          <Table class="in-table" label={text().skipped} columns={[text().stage, text().taken]}>
            {of.skipped.map((one) => (
              <tr key={one.stage}>
                <th scope="row">{stageName(one.stage)}</th>
                <td class="in-wide">
                  <RateBar of={one.deals} />
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Card>
      <Card title={text().goesWith} hint={text().goesWithHint}>
        {of.goes_with_moving_on.length === 0 ? (
          <p class="muted">{text().goesNone}</p>
        ) : (
          <Table
            class="in-table"
            label={text().goesWith}
            columns={[text().signal, text().stage, text().lift, text().moved, text().without]}
          >
            {of.goes_with_moving_on.map((one) => (
              <tr key={`${one.stage}-${one.signal}`}>
                <th scope="row">{word("signals", one.signal)}</th>
                <td>{stageName(one.stage)}</td>
                <td>
                  <strong>{figure(one.lift)}</strong>{" "}
                  <span class="muted in-small">{text().interval(figure(one.low), figure(one.high))}</span>
                </td>
                <td>
                  <RateBar of={one.with} />
                </td>
                <td>
                  <RateBar of={one.without} />
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Card>
    </>
  );
}
