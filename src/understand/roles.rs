//! Who is on the seller's side.
//!
//! Order of belief: the user's word, the file's word, the turn model's log odds summed over all turns of a speaker.
//! Where the voices of a recording on one channel could not be told apart, it has one "speaker" for everybody: there each
//! turn is judged by itself and stays `unknown` where the text does not tell. Where they were told apart, a turn counts for
//! its speaker as far as it is sure to be theirs, and has no side where that is a guess.

use std::collections::BTreeMap;

use crate::domain::{Role, Turn};

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("--rep {wanted}: nobody of that name speaks; the speakers are: {speakers}")]
pub struct NoSuchSpeaker {
    pub wanted: String,
    pub speakers: String,
}

/// One turn can say only so much: an outlier must not outvote the rest.
const MOST_LOG_ODDS: f32 = 3.0;
/// Log odds from which a turn without a speaker of its own gets a role: 4 to 1.
const SURE: f32 = 1.386;
/// A turn that is less sure than this to be its speaker's belongs to no side.
const LEAST_SURE: f32 = 0.8;

/// Sets the role of the turns of speaker (or name) `wanted` to rep and of all others to buyer.
pub fn assign_by_name(turns: &mut [Turn], wanted: &str) -> Result<(), NoSuchSpeaker> {
    let lower = wanted.to_lowercase();
    let is_rep = |turn: &Turn| {
        turn.speaker.to_lowercase() == lower || turn.name.as_ref().is_some_and(|name| name.to_lowercase() == lower)
    };
    if !turns.iter().any(is_rep) {
        let mut speakers: Vec<&str> = turns
            .iter()
            .map(|turn| turn.name.as_deref().unwrap_or(turn.speaker.as_str()))
            .collect();
        speakers.sort_unstable();
        speakers.dedup();
        return Err(NoSuchSpeaker {
            wanted: wanted.to_owned(),
            speakers: speakers.join(", "),
        });
    }
    for turn in turns {
        turn.role = if is_rep(turn) { Role::Rep } else { Role::Buyer };
    }
    Ok(())
}

/// Fills in the roles that are unknown. `log_odds` of being the rep, one for each turn.
pub fn assign(turns: &mut [Turn], log_odds: &[f32]) {
    let mut known: BTreeMap<String, Role> = BTreeMap::new();
    for turn in turns.iter().filter(|turn| turn.role != Role::Unknown) {
        known.entry(turn.speaker.clone()).or_insert(turn.role);
    }
    let mut sums: BTreeMap<String, (f32, usize)> = BTreeMap::new();
    for (turn, odds) in turns.iter().zip(log_odds) {
        if !known.contains_key(&turn.speaker) {
            let sum = sums.entry(turn.speaker.clone()).or_default();
            sum.0 += odds.clamp(-MOST_LOG_ODDS, MOST_LOG_ODDS) * turn.speaker_confidence.unwrap_or(1.0);
            sum.1 += 1;
        }
    }
    if known.is_empty() && sums.len() == 1 {
        for (turn, odds) in turns.iter_mut().zip(log_odds) {
            turn.role = match odds {
                odds if *odds >= SURE => Role::Rep,
                odds if *odds <= -SURE => Role::Buyer,
                _ => Role::Unknown,
            };
        }
        return;
    }
    // Who names both sides and leaves somebody out means neither: a machine, a passer-by.
    let both = [Role::Rep, Role::Buyer]
        .iter()
        .all(|side| known.values().any(|role| role == side));
    let mut decided: BTreeMap<String, Role> = sums
        .iter()
        .filter(|_| !both)
        .map(|(speaker, (sum, _))| (speaker.clone(), if *sum > 0.0 { Role::Rep } else { Role::Buyer }))
        .collect();
    for side in [Role::Rep, Role::Buyer] {
        let taken = known.values().chain(decided.values()).any(|role| *role == side);
        if !taken && let Some(speaker) = most_likely(&sums, side) {
            decided.insert(speaker, side);
        }
    }
    for turn in turns.iter_mut().filter(|turn| turn.role == Role::Unknown) {
        if let Some(role) = known.get(&turn.speaker).or_else(|| decided.get(&turn.speaker)) {
            turn.role = *role;
        }
    }
    for turn in turns {
        if turn.speaker_confidence.is_some_and(|sure| sure < LEAST_SURE) {
            turn.role = Role::Unknown;
        }
    }
}

/// The speaker who, turn for turn, is most like `side`.
fn most_likely(sums: &BTreeMap<String, (f32, usize)>, side: Role) -> Option<String> {
    let sign = if side == Role::Rep { 1.0 } else { -1.0 };
    let mean = |(sum, turns): &(f32, usize)| sign * sum / *turns as f32;
    sums.iter()
        .max_by(|a, b| mean(a.1).total_cmp(&mean(b.1)))
        .map(|(speaker, _)| speaker.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(speakers: &[(&str, Role)]) -> Vec<Turn> {
        speakers
            .iter()
            .enumerate()
            .map(|(at, (speaker, role))| Turn {
                speaker: (*speaker).to_owned(),
                ..crate::domain::sample::turn(at as u32 + 1, *role, "")
            })
            .collect()
    }

    fn roles(turns: &[Turn]) -> Vec<Role> {
        turns.iter().map(|turn| turn.role).collect()
    }

    const U: Role = Role::Unknown;

    #[test]
    fn two_speakers_are_two_sides_even_if_both_sound_like_reps() {
        let mut call = turns(&[("A", U), ("B", U), ("A", U), ("B", U)]);
        assign(&mut call, &[2.0, 0.5, 1.0, 0.2]);
        assert_eq!(roles(&call), [Role::Rep, Role::Buyer, Role::Rep, Role::Buyer]);
    }

    #[test]
    fn one_loud_turn_does_not_outvote_the_rest() {
        let mut call = turns(&[("A", U), ("B", U), ("A", U), ("B", U), ("A", U)]);
        assign(&mut call, &[-50.0, -1.0, 2.5, -1.0, 2.5]);
        assert_eq!(roles(&call)[0], Role::Rep);
    }

    #[test]
    fn the_word_of_the_file_stands() {
        let mut call = turns(&[("A", Role::Buyer), ("B", U), ("A", U)]);
        assign(&mut call, &[5.0, 5.0, 5.0]);
        assert_eq!(roles(&call), [Role::Buyer, Role::Rep, Role::Buyer]);
    }

    #[test]
    fn a_machine_beside_two_named_sides_is_neither() {
        let mut call = turns(&[("M", U), ("A", Role::Rep), ("B", Role::Buyer), ("A", U)]);
        assign(&mut call, &[5.0, 5.0, -5.0, 5.0]);
        assert_eq!(roles(&call), [U, Role::Rep, Role::Buyer, Role::Rep]);
    }

    #[test]
    fn without_speakers_an_unclear_turn_stays_unknown() {
        let mut call = turns(&[("S1", U), ("S1", U), ("S1", U)]);
        assign(&mut call, &[2.0, 0.3, -2.0]);
        assert_eq!(roles(&call), [Role::Rep, Role::Unknown, Role::Buyer]);
    }

    #[test]
    fn a_turn_that_may_be_anybodys_has_no_side() {
        let mut call = turns(&[("S1", U), ("S2", U), ("S1", U), ("S2", U)]);
        for (turn, sure) in call.iter_mut().zip([0.9, 0.9, 0.7, 0.85]) {
            turn.speaker_confidence = Some(sure);
        }
        // Alone, the third turn would outvote the first.
        assign(&mut call, &[2.4, -2.0, -2.5, -1.0]);
        assert_eq!(roles(&call), [Role::Rep, Role::Buyer, U, Role::Buyer]);
    }

    #[test]
    fn the_user_may_name_the_rep() {
        let mut call = turns(&[("left", U), ("right", Role::Rep)]);
        assign_by_name(&mut call, "Left").expect("speaks");
        assert_eq!(roles(&call), [Role::Rep, Role::Buyer]);
        let error = assign_by_name(&mut call, "Bob").expect_err("nobody");
        assert_eq!(error.speakers, "left, right");
    }
}
