//! What a decoder's layer attends to: keys and values of places, in 16 bits.

use rten_simd::ops::{BitOps, Extend, NumOps};
use rten_simd::{Isa, SimdOp, f16};
use rten_vecmath::Softmax;

use super::parts::HEAD;

/// Places of a tile: as many as a head has numbers, so that scores and sums are one and the same operation.
const TILE: usize = HEAD;

/// Places grow one by one. All heads lie one behind the other.
#[derive(Clone)]
pub struct Memory {
    /// In tiles of numbers × places.
    keys: Vec<f16>,
    /// Places × numbers.
    values: Vec<f16>,
    /// Places that there is room for: whole tiles.
    room: usize,
    count: usize,
}

impl Memory {
    pub fn new(heads: usize, room: usize) -> Self {
        let room = room.next_multiple_of(TILE);
        let empty = vec![f16::default(); heads * room * HEAD];
        Self {
            keys: empty.clone(),
            values: empty,
            room,
            count: 0,
        }
    }

    /// Places that it holds.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// One more place: keys and values of all heads.
    pub fn push(&mut self, keys: &[f32], values: &[f32]) {
        let (tile, inside) = (self.count / TILE * TILE, self.count % TILE);
        let heads = keys.chunks_exact(HEAD).zip(values.chunks_exact(HEAD));
        for (head, (keys, values)) in heads.enumerate() {
            let to = &mut self.keys[(head * self.room + tile) * HEAD..];
            for (to, key) in to[inside..].iter_mut().step_by(TILE).zip(keys) {
                *to = f16::from_f32(*key);
            }
            let to = &mut self.values[(head * self.room + self.count) * HEAD..];
            for (to, value) in to.iter_mut().zip(values) {
                *to = f16::from_f32(*value);
            }
        }
        self.count += 1;
    }

    /// What a query of a head, scaled already, gets from the first `count` places; `shares` becomes how much of each.
    pub fn attend(&self, head: usize, query: &[f32], count: usize, shares: &mut Vec<f32>, to: &mut [f32]) {
        let head = head * self.room * HEAD..(head + 1) * self.room * HEAD;
        shares.resize(count.next_multiple_of(TILE), 0.0);
        for (to, rows) in shares
            .chunks_exact_mut(TILE)
            .zip(self.keys[head.clone()].chunks_exact(TILE * HEAD))
        {
            Weighed {
                weights: query,
                rows,
                to,
            }
            .dispatch();
        }
        shares.truncate(count);
        Softmax::new_mut(shares).dispatch();
        Weighed {
            weights: shares,
            rows: &self.values[head],
            to,
        }
        .dispatch();
    }
}

/// The sum of rows, each so many times.
struct Weighed<'a> {
    weights: &'a [f32],
    /// Of [`HEAD`] numbers each.
    rows: &'a [f16],
    to: &'a mut [f32],
}

impl SimdOp for Weighed<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        // As many columns at once as the processor's registers hold well: two vectors of 16 bits.
        let columns = 2 * isa.f16().len();
        if HEAD.is_multiple_of(columns) {
            for from in (0..HEAD).step_by(columns) {
                self.columns::<I, 2>(isa, from);
            }
        } else {
            for from in (0..HEAD).step_by(columns / 2) {
                self.columns::<I, 1>(isa, from);
            }
        }
    }
}

impl Weighed<'_> {
    /// The columns of `N` vectors of 16 bits, from this one on.
    #[inline(always)]
    fn columns<I: Isa, const N: usize>(&mut self, isa: I, from: usize) {
        let (floats, halves) = (isa.f32(), isa.f16());
        let lanes = floats.len();
        let mut sums = [[floats.zero(); 2]; N];
        for (weight, row) in self.weights.iter().zip(self.rows.chunks_exact(HEAD)) {
            let weight = floats.splat(*weight);
            for (at, [low, high]) in sums.iter_mut().enumerate() {
                let numbers = halves.load(&row[from + at * 2 * lanes..]);
                *low = floats.mul_add(halves.extend_low(numbers), weight, *low);
                *high = floats.mul_add(halves.extend_high(numbers), weight, *high);
            }
        }
        for (sums, to) in sums.iter().zip(self.to[from..].chunks_exact_mut(2 * lanes)) {
            floats.store(sums[0], &mut to[..lanes]);
            floats.store(sums[1], &mut to[lanes..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_attended_to_by_their_keys() {
        let mut memory = Memory::new(2, 100);
        for at in 0..100 {
            // The second head's key points the way of place 70; its value is its place.
            let key = |number: usize| if at == 70 && number == HEAD + 3 { 50.0 } else { 0.0 };
            let keys: Vec<f32> = (0..2 * HEAD).map(key).collect();
            memory.push(&keys, &vec![at as f32; 2 * HEAD]);
        }
        let mut query = vec![0.0; HEAD];
        query[3] = 1.0;
        let (mut shares, mut found) = (Vec::new(), vec![0.0; HEAD]);
        memory.attend(1, &query, memory.count(), &mut shares, &mut found);
        assert!(shares[70] > 0.999 && found.iter().all(|number| (number - 70.0).abs() < 0.01));
        // Places behind the first 70 are not attended to, and those have like keys.
        memory.attend(1, &query, 70, &mut shares, &mut found);
        assert_eq!(shares.len(), 70);
        assert!(found.iter().all(|number| (number - 34.5).abs() < 0.01));
        memory.attend(0, &query, 100, &mut shares, &mut found);
        assert!(found.iter().all(|number| (number - 49.5).abs() < 0.01));
    }
}
