//! The heads' forward pass as it is used: a call is read turn by turn, and what was read is not read again.
//!
//! Owns the heads' weights as they are used, and what is kept of the turns that later ones look back on. What comes of a turn depends on
//! it and the turns before it alone, bit for bit: it does not matter how many are read at once. Heads with gradients are *not* here:
//! see `heads`.

use std::collections::VecDeque;

use candle_core::Tensor;

use super::Vector;
use super::heads::{
    ATTENTION_HEADS, BLOCK, EPSILON, INNER, LAYERS, Network, WINDOW, at, one_of_three, place, role_index,
};
use super::layer::WIDTH;
use crate::domain::{Role, Turn};
use crate::matrix::{Linear, Norm, Products, gelu, softmax};

/// Width of one attention head.
const HEAD: usize = INNER / ATTENTION_HEADS;

/// The heads.
pub struct Reader {
    norm: Norm,
    input: Linear,
    /// Rows of [`INNER`]: what is added for the speaker's role, and for whether it is that of the turn before.
    role: Vec<f32>,
    same: Vec<f32>,
    place: Linear,
    layers: Vec<Layer>,
    hidden: Linear,
    stage: Linear,
    signal: Linear,
    cue: Linear,
    /// For the turn, and for the one before it.
    side: Vec<f32>,
    side_bias: f32,
}

struct Layer {
    attention_norm: Norm,
    qkv: Linear,
    /// heads × turns back
    distance: Vec<f32>,
    attention_out: Linear,
    norm: Norm,
    up: Linear,
    down: Linear,
}

/// Logits of a turn, in the order of stages, signals and cues.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnLogits {
    pub stages: Vec<f32>,
    pub signals: Vec<f32>,
    pub cues: Vec<f32>,
}

/// A call as far as it has been read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Read {
    logits: Vec<TurnLogits>,
    /// Who spoke, as it was read: a call of which that is known otherwise now is read anew.
    roles: Vec<Role>,
    /// Of each layer key and value of the last turns, beside each other.
    seen: [VecDeque<Box<[f32]>>; LAYERS],
}

impl Reader {
    pub fn new(network: &Network) -> candle_core::Result<Self> {
        let products = Products::default();
        let weights = network.weights();
        let numbers = |at: usize| weights[at].flatten_all()?.to_vec1::<f32>();
        let linear = |at: usize| {
            let (inputs, outputs) = Tensor::dims2(&weights[at])?;
            candle_core::Result::Ok(Linear::packed(
                &products,
                [inputs, outputs],
                &numbers(at)?,
                numbers(at + 1)?,
            ))
        };
        let norm = |at: usize| candle_core::Result::Ok(Norm::new(numbers(at)?, numbers(at + 1)?, EPSILON as f32));
        let layer = |index: usize| {
            let at = at::LAYERS + index * at::LAYER;
            candle_core::Result::Ok(Layer {
                attention_norm: norm(at)?,
                qkv: linear(at + 2)?,
                distance: numbers(at + 4)?,
                attention_out: linear(at + 5)?,
                norm: norm(at + 7)?,
                up: linear(at + 9)?,
                down: linear(at + 11)?,
            })
        };
        Ok(Self {
            norm: norm(at::NORM)?,
            input: linear(at::INPUT)?,
            role: numbers(at::ROLE)?,
            same: numbers(at::SAME)?,
            place: linear(at::PLACE)?,
            layers: (0..LAYERS).map(layer).collect::<candle_core::Result<_>>()?,
            hidden: linear(at::HIDDEN)?,
            stage: linear(at::STAGE)?,
            signal: linear(at::SIGNAL)?,
            cue: linear(at::CUE)?,
            side: numbers(at::SIDE)?,
            side_bias: numbers(at::SIDE + 1)?[0],
        })
    }

    /// The log odds that each speaker is on the seller's side: told from the turn and the one before it, without any role.
    pub fn sides(&self, vectors: &[Vector]) -> Vec<f32> {
        let normed = self.normed(vectors);
        let (own, before) = self.side.split_at(WIDTH);
        let rows = normed.chunks_exact(WIDTH);
        let befores = std::iter::once(None).chain(rows.clone().map(Some));
        rows.zip(befores)
            .map(|(row, last)| self.side_bias + dot(row, own) + last.map_or(0.0, |last| dot(last, before)))
            .collect()
    }

    /// Reads the turns that have not been read, and gives the logits of all. `vectors`: of all turns. `read`: of the same call.
    pub fn go_on<'r>(&self, read: &'r mut Read, vectors: &[Vector], turns: &[Turn]) -> &'r [TurnLogits] {
        let roles = turns.iter().map(|turn| turn.role);
        if read.roles.len() > turns.len() || roles.zip(&read.roles).any(|(now, then)| now != *then) {
            *read = Read::default();
        }
        let mut products = Products::default();
        while read.logits.len() < turns.len() {
            let begin = read.logits.len();
            let end = turns.len().min(begin + BLOCK);
            self.read(&mut products, read, &vectors[begin..end], &turns[..end]);
        }
        &read.logits
    }

    fn normed(&self, vectors: &[Vector]) -> Vec<f32> {
        let mut rows: Vec<f32> = vectors.iter().flat_map(|vector| vector.0.iter().copied()).collect();
        self.norm.apply(&mut rows);
        rows
    }

    /// Reads the last of the turns, those of these vectors.
    fn read(&self, products: &mut Products, read: &mut Read, vectors: &[Vector], turns: &[Turn]) {
        let count = vectors.len();
        let begin = turns.len() - count;
        let vectors = self.normed(vectors);
        let mut rows = vec![0.0; count * INNER];
        self.input.set(products, &vectors, &mut rows);
        let places: Vec<f32> = (begin..turns.len()).flat_map(place).collect();
        self.place.add(products, &places, &mut rows);
        for (row, at) in rows.chunks_exact_mut(INNER).zip(begin..) {
            let role = turns[at].role;
            let same = usize::from(at > 0 && role == turns[at - 1].role);
            add(row, &self.role[role_index(role) as usize * INNER..]);
            add(row, &self.same[same * INNER..]);
        }
        for (layer, seen) in self.layers.iter().zip(&mut read.seen) {
            layer.forward(products, &mut rows, seen);
        }
        let mut all = Vec::with_capacity(count * (INNER + WIDTH + one_of_three(Role::Unknown).len()));
        let each = rows.chunks_exact(INNER).zip(vectors.chunks_exact(WIDTH));
        for ((row, vector), turn) in each.zip(&turns[begin..]) {
            all.extend_from_slice(row);
            all.extend_from_slice(vector);
            all.extend_from_slice(&one_of_three(turn.role));
        }
        let mut out = |linear: &Linear, from: &[f32]| {
            let mut to = vec![0.0; count * linear.outputs()];
            linear.set(products, from, &mut to);
            to
        };
        let mut hidden = out(&self.hidden, &all);
        gelu(&mut hidden);
        let [stages, signals, cues] = [&self.stage, &self.signal, &self.cue].map(|linear| out(linear, &hidden));
        let rows = stages
            .chunks_exact(self.stage.outputs())
            .zip(signals.chunks_exact(self.signal.outputs()))
            .zip(cues.chunks_exact(self.cue.outputs()));
        read.logits.extend(rows.map(|((stages, signals), cues)| TurnLogits {
            stages: stages.to_vec(),
            signals: signals.to_vec(),
            cues: cues.to_vec(),
        }));
        read.roles.extend(turns[begin..].iter().map(|turn| turn.role));
    }
}

impl Layer {
    fn forward(&self, products: &mut Products, rows: &mut [f32], seen: &mut VecDeque<Box<[f32]>>) {
        let mut normed = rows.to_vec();
        self.attention_norm.apply(&mut normed);
        let mut qkv = vec![0.0; 3 * rows.len()];
        self.qkv.set(products, &normed, &mut qkv);
        for (row, attended) in qkv.chunks_exact(3 * INNER).zip(normed.chunks_exact_mut(INNER)) {
            let (query, key_and_value) = row.split_at(INNER);
            if seen.len() == WINDOW {
                seen.pop_front();
            }
            seen.push_back(key_and_value.into());
            self.attend(query, seen, attended);
        }
        self.attention_out.add(products, &normed, rows);
        normed.copy_from_slice(rows);
        self.norm.apply(&mut normed);
        let mut wide = vec![0.0; 2 * rows.len()];
        self.up.set(products, &normed, &mut wide);
        gelu(&mut wide);
        self.down.add(products, &wide, rows);
    }

    /// What a turn gets from itself and those before it.
    fn attend(&self, query: &[f32], seen: &VecDeque<Box<[f32]>>, attended: &mut [f32]) {
        attended.fill(0.0);
        let mut shares = [0.0; WINDOW];
        let shares = &mut shares[..seen.len()];
        for (head, attended) in attended.chunks_exact_mut(HEAD).enumerate() {
            let at = head * HEAD..(head + 1) * HEAD;
            for (back, (share, seen)) in shares.iter_mut().rev().zip(seen.iter().rev()).enumerate() {
                let like = dot(&query[at.clone()], &seen[at.clone()]) / (HEAD as f32).sqrt();
                *share = like + self.distance[head * WINDOW + back];
            }
            softmax(shares);
            for (share, seen) in shares.iter().zip(seen) {
                let value = &seen[INNER..][at.clone()];
                let numbers = attended.iter_mut().zip(value);
                numbers.for_each(|(number, value)| *number += share * value);
            }
        }
    }
}

fn add(row: &mut [f32], other: &[f32]) {
    row.iter_mut().zip(other).for_each(|(number, other)| *number += other);
}

/// The product of two rows, in one order on every processor.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    for (one, other) in one.chunks_exact(LANES).zip(other.chunks_exact(LANES)) {
        for ((sum, one), other) in sums.iter_mut().zip(one).zip(other) {
            *sum += one * other;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::super::Stored;
    use super::*;
    use crate::domain::sample;

    /// A call longer than a block.
    fn call() -> (Vec<Vector>, Vec<Turn>) {
        let mut rng = StdRng::seed_from_u64(1);
        let turns: Vec<Turn> = (1..=BLOCK as u32 + 40)
            .map(|i| {
                let role = [Role::Rep, Role::Buyer, Role::Unknown][rng.random_range(0..3)];
                sample::turn(i, role, "")
            })
            .collect();
        let vector = |_: &Turn| Vector((0..WIDTH).map(|_| rng.random::<f32>() - 0.5).collect());
        (turns.iter().map(vector).collect(), turns)
    }

    fn near(found: &[f32], wanted: &Tensor) {
        let wanted: Vec<f32> = wanted.flatten_all().expect("flat").to_vec1().expect("numbers");
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!((found - wanted).abs() < 1e-3, "{found} {wanted}");
        }
    }

    #[test]
    fn what_is_used_is_what_was_trained() {
        let network = Stored::read(None).expect("the program's own heads").heads.network;
        let reader = Reader::new(&network).expect("packed");
        let (vectors, turns) = call();
        let mut read = Read::default();
        let logits = reader.go_on(&mut read, &vectors, &turns);
        let flat: Vec<f32> = vectors.iter().flat_map(|vector| vector.0.to_vec()).collect();
        let flat = Tensor::from_vec(flat, (turns.len(), WIDTH), &Device::Cpu).expect("a tensor");
        let wanted = network.forward(&flat, &turns, None).expect("logits");
        near(
            &logits.iter().flat_map(|turn| turn.stages.clone()).collect::<Vec<_>>(),
            &wanted.stages,
        );
        near(
            &logits.iter().flat_map(|turn| turn.signals.clone()).collect::<Vec<_>>(),
            &wanted.signals,
        );
        near(
            &logits.iter().flat_map(|turn| turn.cues.clone()).collect::<Vec<_>>(),
            &wanted.cues,
        );
        near(&reader.sides(&vectors), &wanted.sides);
    }

    #[test]
    fn it_does_not_matter_how_many_turns_are_read_at_once() {
        let network = Stored::read(None).expect("the program's own heads").heads.network;
        let reader = Reader::new(&network).expect("packed");
        let (vectors, mut turns) = call();
        let (mut at_once, mut one_by_one) = (Read::default(), Read::default());
        reader.go_on(&mut at_once, &vectors, &turns);
        for count in 1..=turns.len() {
            reader.go_on(&mut one_by_one, &vectors[..count], &turns[..count]);
        }
        assert_eq!(at_once, one_by_one);
        // Who spoke is known otherwise now: it is as if nothing had been read.
        turns[3].role = if turns[3].role == Role::Rep {
            Role::Buyer
        } else {
            Role::Rep
        };
        let mut anew = Read::default();
        reader.go_on(&mut anew, &vectors, &turns);
        reader.go_on(&mut one_by_one, &vectors, &turns);
        assert_eq!(anew, one_by_one);
        assert_ne!(anew, at_once);
        reader.go_on(&mut anew, &vectors[..9], &turns[..9]);
        assert_eq!(anew.logits, one_by_one.logits[..9]);
    }
}
