// Shares with their intervals, days with their spread, and sums: as words and as bars that say nothing more than the words.
import type { Schemas } from "../../api/client.ts";
import { figure, money, share } from "../../lib/format.ts";
import { of, words } from "../../lib/words.ts";
import { text } from "./text.ts";

type Rate = Schemas["Rate"];
type Days = Schemas["Days"];
type Total = Schemas["Total"];

/** Under so many a share is shown, and said to be no more than a hint. */
const FEW = 10;
/** Under so many the outer quantiles say little. */
const FEW_DAYS = 20;

const percent = (value: number) => `${(value * 100).toFixed(1)}%`;

export function RateBar(props: { of: Rate }) {
  const { hits, n, share: part, low, high } = props.of;
  if (n === 0 || part == null) return <span class="muted">{text().none}</span>;
  return (
    <div class="in-rate">
      <span>
        <strong>{share(part)}</strong> <span class="muted">{text().of(hits, n)}</span>{" "}
        {n < FEW && (
          <span class="tag watch" title={text().fewHint}>
            {text().few}
          </span>
        )}
      </span>
      <span class="in-track" aria-hidden="true">
        <i class="in-fill" style={{ width: percent(part) }} />
        {low != null && high != null && (
          <i class="in-interval" style={{ insetInlineStart: percent(low), width: percent(high - low) }} />
        )}
      </span>
      {low != null && high != null && <span class="muted in-small">{text().interval(share(low), share(high))}</span>}
    </div>
  );
}

/** `most`: days at the right end of the bar; those of one table share it. */
export function DaysCells(props: { of: Days; most: number }) {
  const { n, median, median_low: low, median_high: high, p25, p75, p90 } = props.of;
  const few = n > 0 && (low == null || high == null);
  return (
    <>
      <td class="in-number">{n}</td>
      <td>
        {n === 0 ? (
          <span class="muted">{text().none}</span>
        ) : (
          <>
            <strong>{text().days(figure(median, 0))}</strong>{" "}
            {few ? (
              <span class="tag watch">{text().few}</span>
            ) : (
              <span class="muted in-small">{text().interval(figure(low, 0), figure(high, 0))}</span>
            )}
          </>
        )}
      </td>
      <td>
        {p25 != null && p75 != null && (
          <>
            {text().between(figure(p25, 0), figure(p75, 0))}
            <span class="in-track" aria-hidden="true">
              <i
                class="in-fill"
                style={{
                  insetInlineStart: percent(p25 / props.most),
                  width: percent(Math.max(0.01, (p75 - p25) / props.most)),
                }}
              />
            </span>
          </>
        )}
      </td>
      <td>{n >= FEW_DAYS ? text().days(figure(p90, 0)) : <span class="muted">{n > 0 ? text().few : ""}</span>}</td>
    </>
  );
}

export function mostDays(all: readonly Days[]): number {
  return Math.max(1, ...all.map((days) => days.p75 ?? 0));
}

function sum(low: number, high: number, currency: string, period: string | null | undefined): string {
  const said = low === high ? money(low, currency) : `${money(low, currency)} – ${money(high, currency)}`;
  return period ? `${said} ${of(words().period, period)}` : said;
}

export function Totals(props: { of: readonly Total[]; without?: number }) {
  return (
    <>
      {props.of.map((total, n) => (
        <div key={n}>
          {sum(total.low, total.high, total.currency, total.period)}{" "}
          {total.heard && <span class="muted in-small">{text().heard}</span>}
        </div>
      ))}
      {props.without ? <span class="muted in-small">{text().withoutWorth(props.without)}</span> : null}
      {props.of.length === 0 && !props.without && "–"}
    </>
  );
}

export function MoneyRange(props: { of: Schemas["MoneyForecast"] }) {
  const { of } = props;
  return (
    <div>
      {sum(of.expected_low, of.expected_high, of.currency, of.period)}{" "}
      <span class="muted in-small">
        {text().range}: {text().between(money(of.low, of.currency), money(of.high, of.currency))}
        {of.heard && `, ${text().heard}`}
      </span>
    </div>
  );
}

/** A count as a bar of the most there are, for funnels. */
export function CountBar(props: { n: number; most: number }) {
  return (
    <div class="in-count">
      <span class="in-number">{props.n}</span>
      <span class="in-track" aria-hidden="true">
        <i class="in-fill" style={{ width: percent(props.most > 0 ? props.n / props.most : 0) }} />
      </span>
    </div>
  );
}
