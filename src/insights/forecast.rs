//! What the open deals will probably come to, how sure that is, and when (G.7).
//!
//! The chance of a deal is the share of earlier deals that were won after they had come as far, drawn towards one half where
//! few are known (Laplace), and towards the share of all customers for new and existing ones. The day is drawn from
//! the deals that were won after as long a time in that place. Ranges count both what chance does and how little is known of the shares.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use utoipa::ToSchema;

use super::cycle::{days_until, stage_times};
use super::health::{DealHealth, health};
use super::stats::{self, Rate};
use super::story::{State, Stories, Story, certainty};
use super::{Certainty, Deal, Purse, Scope, ScopeInfo, Total, cents, purse, totals};
use crate::domain::{Amount, CustomerKind, Period, StageId};

/// Deals that ended under which there are counts only.
const ENDED_FROM: usize = 30;
/// Deals that were won after as long a time, under which no month is named.
const WON_FROM: usize = 5;
/// How much the share of all customers counts, in deals, for new and for existing ones.
const PRIOR: f64 = 2.0;
/// Draws of the whole pipeline. The ends of a range are then right to about 1 in 100 of the draws.
const DRAWS: usize = 2000;
const SEED: u64 = 7;

/// Open deals as of today. The shares rest on the deals that ended between `from` and `to`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Forecast {
    pub scope: ScopeInfo,
    /// Of all deals.
    pub certainty: Certainty,
    /// Deals that ended, won or lost: what the forecast rests on.
    pub ended: Rate,
    /// Under so many there are counts and no forecast: `plan`, `leads` and each `chance` are null.
    pub ended_needed: usize,
    pub plan: Option<Plan>,
    /// What a target of wins needs; null where none was given.
    pub leads: Option<Leads>,
    /// Open stages in the order of work.
    pub stages: Vec<StageForecast>,
    /// Open deals, those in the worst health first.
    pub deals: Vec<OpenDeal>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Plan {
    /// Of all deals that are open today; none that may still come.
    pub all: MonthForecast,
    /// This month (what is left of it) and the next ones.
    pub months: Vec<MonthForecast>,
    /// After those.
    pub later: MonthForecast,
    /// Nobody can say when: put off, or older than all but a few that were won.
    pub undated: MonthForecast,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MonthForecast {
    /// `2026-04`; null for sums over more than one month.
    pub month: Option<String>,
    pub wins: Wins,
    /// One for each currency and period; deals without a known worth are in none.
    pub amounts: Vec<MoneyForecast>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Wins {
    pub expected: f64,
    /// Between these it will be 8 times in 10.
    pub low: usize,
    pub high: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MoneyForecast {
    /// ISO 4217.
    pub currency: String,
    /// one_off, day, week, month, quarter or year; null where nobody said.
    #[schema(value_type = Option<String>)]
    pub period: Option<Period>,
    /// Nobody entered these sums: each is the only price that the rep named in a call.
    pub heard: bool,
    /// The sums of the deals by their chances; these differ where sums were said as a range.
    pub expected_low: f64,
    pub expected_high: f64,
    /// Between these it will be 8 times in 10.
    pub low: f64,
    pub high: f64,
}

/// How many leads a number of wins needs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Leads {
    pub target_wins: usize,
    /// Won, of the deals that ended.
    pub lead_to_win: Rate,
    /// null where none was won.
    pub needed: Option<usize>,
    /// With the better and the worse end of the share's interval; the worse end is null where it is 0.
    pub needed_low: Option<usize>,
    pub needed_high: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StageForecast {
    #[schema(value_type = String)]
    pub stage: StageId,
    pub open: usize,
    /// Won, of the deals that came to this stage or beyond and ended.
    pub won: Rate,
    /// The same, drawn towards one half as far as they are few.
    pub chance: Option<f64>,
    pub amounts: Vec<Total>,
    pub without_amount: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OpenDeal {
    pub deal: String,
    pub owner: Option<String>,
    #[schema(value_type = String)]
    pub stage: StageId,
    /// The first call that showed this stage.
    pub since: NaiveDate,
    pub on_hold: bool,
    /// null where it is not known.
    pub amount: Option<Total>,
    pub chance: Option<f64>,
    pub health: DealHealth,
}

/// Wins and losses with what they were before anything was seen.
#[derive(Debug, Clone, Copy)]
struct Urn {
    won: f64,
    lost: f64,
}

impl Urn {
    fn chance(self) -> f64 {
        self.won / (self.won + self.lost)
    }
}

/// What the deals that ended teach.
struct Past<'a> {
    /// Deals that ended, with the farthest place of each.
    ended: Vec<(&'a Story<'a>, usize)>,
}

impl Past<'_> {
    /// Of the deals that came to a place: won, and all.
    fn won(&self, place: usize, customer: Option<CustomerKind>) -> (usize, usize) {
        let came = self
            .ended
            .iter()
            .filter(|(story, reached)| *reached >= place && (customer.is_none() || story.customer() == customer));
        (
            came.clone().filter(|(story, _)| story.now() == State::Won).count(),
            came.count(),
        )
    }

    fn urn(&self, place: usize, customer: Option<CustomerKind>) -> Urn {
        let (won, all) = self.won(place, None);
        let pooled = Urn {
            won: won as f64 + 1.0,
            lost: (all - won) as f64 + 1.0,
        };
        if customer.is_none() {
            return pooled;
        }
        let (won, all) = self.won(place, customer);
        Urn {
            won: won as f64 + PRIOR * pooled.chance(),
            lost: (all - won) as f64 + PRIOR * (1.0 - pooled.chance()),
        }
    }

    /// Days from a place to the signature.
    fn days_to_win(&self, place: usize) -> Vec<i64> {
        let won = self.ended.iter().filter(|(story, _)| story.now() == State::Won);
        won.filter_map(|(story, _)| Some((story.since() - story.reached_on(place)?).num_days()))
            .collect()
    }
}

/// Looks ahead so many months, this one included; see [`Forecast`].
pub fn forecast(deals: &[Deal], scope: Scope<'_>, months: usize, target_wins: Option<usize>) -> Forecast {
    let stories = Stories::new(deals, &scope);
    let ladder = &stories.ladder;
    let ended = stories
        .all
        .iter()
        .filter(|story| story.is_closed() && scope.covers(story.since()));
    let past = Past {
        ended: ended.map(|story| (story, story.reached(ladder.open().len()))).collect(),
    };
    let (won, all) = past.won(0, None);
    let enough = all >= ENDED_FROM;
    let open: Vec<(&Story<'_>, usize)> = stories
        .all
        .iter()
        .filter_map(|story| Some((story, story.place()?)))
        .collect();
    let times = stage_times(&stories, &scope);
    let stage = |(place, stage): (usize, &StageId)| {
        let here: Vec<&Story<'_>> = open
            .iter()
            .filter(|(_, at)| *at == place)
            .map(|(story, _)| *story)
            .collect();
        let (won, all) = past.won(place, None);
        StageForecast {
            stage: stage.clone(),
            open: here.len(),
            won: Rate::of(won, all),
            chance: enough.then(|| stats::rounded(past.urn(place, None).chance())),
            amounts: totals(here.iter().filter_map(|story| story.amount())),
            without_amount: here.iter().filter(|story| story.amount().is_none()).count(),
        }
    };
    let mut listed: Vec<OpenDeal> = open
        .iter()
        .map(|(story, place)| OpenDeal {
            deal: story.deal.id.clone(),
            owner: story.deal.owner.clone(),
            stage: ladder.open()[*place].clone(),
            since: story.since(),
            on_hold: is_on_hold(story),
            amount: totals(story.amount()).into_iter().next(),
            chance: enough.then(|| stats::rounded(past.urn(*place, story.customer()).chance())),
            health: health(story, ladder, &times, scope.today),
        })
        .collect();
    // Stable: deals as healthy stay in the order of their ids.
    listed.sort_by_key(|deal| deal.health.score);
    Forecast {
        scope: scope.info(),
        certainty: certainty(&stories.all),
        ended: Rate::of(won, all),
        ended_needed: ENDED_FROM,
        plan: enough.then(|| plan(&open, &past, scope.today, months)),
        leads: target_wins
            .filter(|_| enough)
            .map(|target| leads(target, Rate::of(won, all))),
        stages: ladder.open().iter().enumerate().map(stage).collect(),
        deals: listed,
    }
}

fn is_on_hold(story: &Story<'_>) -> bool {
    story.calls.last().is_some_and(|entry| entry.record.on_hold)
}

fn leads(target_wins: usize, lead_to_win: Rate) -> Leads {
    let needed = |share: Option<f64>| {
        let share = share.filter(|share| *share > 0.0)?;
        Some((target_wins as f64 / share).ceil() as usize)
    };
    let Rate { hits, n, .. } = lead_to_win;
    Leads {
        target_wins,
        needed: (hits > 0).then(|| (target_wins * n).div_ceil(hits)),
        needed_low: needed(lead_to_win.high),
        needed_high: needed(lead_to_win.low),
        lead_to_win,
    }
}

/// An open deal as it is drawn.
struct Chance<'a> {
    /// Place among the urns.
    urn: usize,
    amount: Option<(usize, &'a Amount)>,
    /// Slots, one for each earlier deal that it may follow; never empty.
    slots: Vec<usize>,
}

/// Sums of one slot in each draw.
struct Drawn {
    wins: Vec<usize>,
    /// By purse.
    money: Vec<Vec<(f64, f64)>>,
}

impl Drawn {
    fn new(purses: usize) -> Self {
        Self {
            wins: vec![0; DRAWS],
            money: vec![vec![(0.0, 0.0); DRAWS]; purses],
        }
    }

    fn add(&mut self, draw: usize, amount: Option<(usize, &Amount)>) {
        self.wins[draw] += 1;
        if let Some((purse, amount)) = amount {
            let sum = &mut self.money[purse][draw];
            *sum = (sum.0 + amount.low, sum.1 + amount.high);
        }
    }
}

fn plan(open: &[(&Story<'_>, usize)], past: &Past<'_>, today: NaiveDate, months: usize) -> Plan {
    // Slots: the months, later, undated; then the sum of all.
    let (later, undated, all) = (months, months + 1, months + 2);
    let mut urns: BTreeMap<(usize, Option<CustomerKind>), Urn> = BTreeMap::new();
    let mut purses: BTreeMap<Purse, usize> = BTreeMap::new();
    for (story, place) in open {
        let kind = (*place, story.customer());
        urns.entry(kind).or_insert_with(|| past.urn(kind.0, kind.1));
        if let Some(amount) = story.amount() {
            purses.entry(purse(amount)).or_default();
        }
    }
    for (index, place) in purses.values_mut().enumerate() {
        *place = index;
    }
    let slots = |story: &Story<'_>, place: usize| -> Vec<usize> {
        let age = story.reached_on(place).map_or(0, |day| days_until(day, today));
        let remaining: Vec<i64> = past
            .days_to_win(place)
            .into_iter()
            .filter(|days| *days >= age)
            .collect();
        if is_on_hold(story) || remaining.len() < WON_FROM {
            return vec![undated];
        }
        let slot = |days: i64| month_of(today + chrono::Duration::days(days - age), today).min(later);
        remaining.into_iter().map(slot).collect()
    };
    let kinds: Vec<(usize, Option<CustomerKind>)> = urns.keys().copied().collect();
    let chances: Vec<Chance<'_>> = open
        .iter()
        .map(|(story, place)| Chance {
            urn: kinds
                .iter()
                .position(|kind| *kind == (*place, story.customer()))
                .unwrap_or(0),
            amount: story.amount().map(|amount| (purses[&purse(amount)], amount.0)),
            slots: slots(story, *place),
        })
        .collect();
    let urns: Vec<Urn> = urns.into_values().collect();
    let drawn = draw(&chances, &urns, all + 1, purses.len());
    let names: Vec<Purse> = purses.into_keys().collect();
    let month = |slot: usize, month: Option<String>| {
        // What a deal adds to what is expected: its chance by the share of its slots that are this one.
        let weight = |chance: &Chance<'_>| {
            let here = chance.slots.iter().filter(|at| slot == all || **at == slot).count();
            urns[chance.urn].chance() * here as f64 / chance.slots.len() as f64
        };
        let expected = |purse: usize, of: fn(&Amount) -> f64| {
            let deals = chances.iter().filter_map(|chance| Some((chance, chance.amount?)));
            let here = deals.filter(|(_, (at, _))| *at == purse);
            cents(here.map(|(chance, (_, amount))| weight(chance) * of(amount)).sum())
        };
        let money = |(place, name): (usize, &Purse)| MoneyForecast {
            currency: name.0.clone(),
            period: name.1,
            heard: name.2,
            expected_low: expected(place, |amount| amount.low),
            expected_high: expected(place, |amount| amount.high),
            low: cents(tenth(drawn[slot].money[place].iter().map(|sum| sum.0), false)),
            high: cents(tenth(drawn[slot].money[place].iter().map(|sum| sum.1), true)),
        };
        MonthForecast {
            month,
            wins: Wins {
                expected: stats::rounded(chances.iter().map(weight).sum()),
                low: tenth(drawn[slot].wins.iter().map(|wins| *wins as f64), false) as usize,
                high: tenth(drawn[slot].wins.iter().map(|wins| *wins as f64), true) as usize,
            },
            amounts: names.iter().enumerate().map(money).collect(),
        }
    };
    Plan {
        all: month(all, None),
        months: (0..months)
            .map(|slot| month(slot, Some(month_name(today, slot))))
            .collect(),
        later: month(later, None),
        undated: month(undated, None),
    }
}

/// Draws the pipeline again and again. Each deal that is won makes the next of its kind more likely, and each that is lost less:
/// that is how far the share itself is not known (Pólya's urn).
fn draw(chances: &[Chance<'_>], urns: &[Urn], slots: usize, purses: usize) -> Vec<Drawn> {
    let mut drawn: Vec<Drawn> = (0..slots).map(|_| Drawn::new(purses)).collect();
    let mut random = StdRng::seed_from_u64(SEED);
    for round in 0..DRAWS {
        let mut urns = urns.to_vec();
        for chance in chances {
            let urn = &mut urns[chance.urn];
            if random.random::<f64>() >= urn.chance() {
                urn.lost += 1.0;
                continue;
            }
            urn.won += 1.0;
            let slot = chance.slots[random.random_range(0..chance.slots.len())];
            drawn[slot].add(round, chance.amount);
            drawn[slots - 1].add(round, chance.amount);
        }
    }
    drawn
}

/// The value that a tenth of all lie below, or above; one of them.
fn tenth(values: impl Iterator<Item = f64>, above: bool) -> f64 {
    let sorted = stats::sorted(values);
    let cut = sorted.len() / 10;
    let place = if above {
        sorted.len().saturating_sub(cut + 1)
    } else {
        cut
    };
    sorted.get(place).copied().unwrap_or(0.0)
}

/// Months from one day to a later one.
fn month_of(day: NaiveDate, today: NaiveDate) -> usize {
    let count = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
    usize::try_from(count(day) - count(today)).unwrap_or(0)
}

fn month_name(today: NaiveDate, ahead: usize) -> String {
    let count = i64::from(today.year()) * 12 + i64::from(today.month0()) + ahead as i64;
    format!("{:04}-{:02}", count.div_euclid(12), count.rem_euclid(12) + 1)
}
