//! From what each turn looks like alone to one sequence of stages for the whole call.
//!
//! A chain over the turns: the probability of a stage after another was counted on the training calls, and two rules
//! of the domain specification (B.2) are walls: `opening` does not return once another stage has begun, and `other`
//! before that (an announcement, a wrong line) does not end it.

use crate::domain::Stage;

/// The stages, and `other` once more for "before the talk proper has begun".
const STATES: usize = Stage::ALL.len() + 1;
const OTHER_BEFORE: usize = Stage::ALL.len();

fn stage_of(state: usize) -> usize {
    if state == OTHER_BEFORE {
        Stage::Other.index()
    } else {
        state
    }
}

/// Nothing but `opening` and `other` has been heard so far.
fn before_the_talk(state: usize) -> bool {
    state == Stage::Opening.index() || state == OTHER_BEFORE
}

fn allowed(from: usize, to: usize) -> bool {
    // `other` counts as "before" only while nothing else was; after that it is plain `other`.
    if before_the_talk(from) {
        to != Stage::Other.index()
    } else {
        !before_the_talk(to)
    }
}

fn may_start(state: usize) -> bool {
    state != Stage::Other.index()
}

fn log_sum(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        top
    } else {
        top + values.map(|value| (value - top).exp()).sum::<f64>().ln()
    }
}

/// For each turn the probability of every stage, given the whole call.
///
/// `emissions` are natural logs of each stage's probability from the turn alone (up to a constant for each turn);
/// `transitions` natural logs, `[from][to]`; `weight` scales the transitions (0: turns are independent).
pub fn posteriors(emissions: &[Vec<f32>], transitions: &[Vec<f32>], weight: f32) -> Vec<Vec<f32>> {
    let turns = emissions.len();
    if turns == 0 {
        return Vec::new();
    }
    let emission = |at: usize, state: usize| f64::from(emissions[at][stage_of(state)]);
    let step = |from: usize, to: usize| {
        if allowed(from, to) {
            f64::from(weight) * f64::from(transitions[stage_of(from)][stage_of(to)])
        } else {
            f64::NEG_INFINITY
        }
    };
    let mut forward = vec![[f64::NEG_INFINITY; STATES]; turns];
    for state in (0..STATES).filter(|&state| may_start(state)) {
        forward[0][state] = emission(0, state);
    }
    for at in 1..turns {
        for to in 0..STATES {
            let previous = forward[at - 1];
            forward[at][to] = emission(at, to) + log_sum((0..STATES).map(|from| previous[from] + step(from, to)));
        }
    }
    let mut backward = vec![[0.0_f64; STATES]; turns];
    for at in (0..turns - 1).rev() {
        for from in 0..STATES {
            let next = backward[at + 1];
            backward[at][from] = log_sum((0..STATES).map(|to| step(from, to) + emission(at + 1, to) + next[to]));
        }
    }
    (0..turns)
        .map(|at| {
            let total = log_sum((0..STATES).map(|state| forward[at][state] + backward[at][state]));
            let mut stages = vec![0.0_f32; Stage::ALL.len()];
            for state in 0..STATES {
                stages[stage_of(state)] += (forward[at][state] + backward[at][state] - total).exp() as f32;
            }
            stages
        })
        .collect()
}

/// The likeliest whole sequence of stages. (The likeliest stage of each turn by itself could break the walls.)
pub fn best_path(emissions: &[Vec<f32>], transitions: &[Vec<f32>], weight: f32) -> Vec<Stage> {
    let turns = emissions.len();
    if turns == 0 {
        return Vec::new();
    }
    let mut score = [f64::NEG_INFINITY; STATES];
    for state in (0..STATES).filter(|&state| may_start(state)) {
        score[state] = f64::from(emissions[0][stage_of(state)]);
    }
    let mut came_from = Vec::with_capacity(turns);
    for emission in &emissions[1..] {
        let mut next = [f64::NEG_INFINITY; STATES];
        let mut origin = [0; STATES];
        for to in 0..STATES {
            for from in (0..STATES).filter(|&from| allowed(from, to)) {
                let reached = score[from] + f64::from(weight) * f64::from(transitions[stage_of(from)][stage_of(to)]);
                if reached > next[to] {
                    next[to] = reached;
                    origin[to] = from;
                }
            }
            next[to] += f64::from(emission[stage_of(to)]);
        }
        came_from.push(origin);
        score = next;
    }
    let mut state = (0..STATES).fold(0, |best, state| if score[state] > score[best] { state } else { best });
    let mut path = vec![Stage::ALL[stage_of(state)]];
    for origin in came_from.iter().rev() {
        state = origin[state];
        path.push(Stage::ALL[stage_of(state)]);
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flat() -> Vec<Vec<f32>> {
        vec![vec![-(Stage::ALL.len() as f32).ln(); Stage::ALL.len()]; Stage::ALL.len()]
    }

    fn sure(stage: Stage) -> Vec<f32> {
        let mut emission = vec![-5.0; Stage::ALL.len()];
        emission[stage.index()] = -0.05;
        emission
    }

    #[test]
    fn opening_does_not_return() {
        let heard = [
            Stage::Opening,
            Stage::Discovery,
            Stage::Discovery,
            Stage::Discovery,
            Stage::Opening,
        ];
        let emissions: Vec<_> = heard.iter().map(|&stage| sure(stage)).collect();
        let path = best_path(&emissions, &flat(), 1.0);
        assert_eq!(path[..4], heard[..4]);
        assert_ne!(path[4], Stage::Opening);
        assert!(posteriors(&emissions, &flat(), 1.0)[4][Stage::Opening.index()] < 0.01);
    }

    #[test]
    fn an_announcement_does_not_end_the_opening() {
        let heard = [Stage::Other, Stage::Opening, Stage::Discovery, Stage::Other];
        let emissions: Vec<_> = heard.iter().map(|&stage| sure(stage)).collect();
        assert_eq!(best_path(&emissions, &flat(), 1.0), heard);
    }

    #[test]
    fn transitions_carry_an_unclear_turn() {
        let mut transitions = flat();
        transitions[Stage::Discovery.index()][Stage::Discovery.index()] = -0.1;
        let unclear = vec![-2.0; Stage::ALL.len()];
        let emissions = [sure(Stage::Discovery), unclear, sure(Stage::Discovery)];
        assert_eq!(best_path(&emissions, &transitions, 1.0), [Stage::Discovery; 3]);
    }

    proptest! {
        #[test]
        fn probabilities_sum_to_one_and_the_walls_hold(
            rows in proptest::collection::vec(proptest::collection::vec(-8.0f32..0.0, Stage::ALL.len()), 0..30),
            weight in 0.0f32..2.0,
        ) {
            for row in posteriors(&rows, &flat(), weight) {
                prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-3);
            }
            let path = best_path(&rows, &flat(), weight);
            prop_assert_eq!(path.len(), rows.len());
            let begun = path.iter().position(|stage| !matches!(stage, Stage::Opening | Stage::Other));
            if let Some(begun) = begun {
                prop_assert!(path[begun..].iter().all(|&stage| stage != Stage::Opening));
            }
        }
    }
}
