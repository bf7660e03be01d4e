//! Which characters are replaced before text is cut into pieces, in SentencePiece's binary form.
//!
//! That form is a double-array trie over the UTF-8 bytes of the characters, whose values are places in a block of
//! zero-ended replacements.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Replacements by character.
#[derive(Debug, Default)]
pub struct CharMap(BTreeMap<char, String>);

impl CharMap {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn insert(&mut self, from: char, to: String) {
        self.0.insert(from, to);
    }

    /// The binary form: length of the trie, trie, replacements.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut replacements = Vec::new();
        let mut places: HashMap<&str, u32> = HashMap::new();
        let mut trie = Trie::default();
        // In order of code points, which is also the order of their UTF-8 bytes.
        for (from, to) in &self.0 {
            let place = *places.entry(to).or_insert_with(|| {
                let place = replacements.len() as u32;
                replacements.extend(to.as_bytes());
                replacements.push(0);
                place
            });
            trie.insert(from.encode_utf8(&mut [0; 4]).as_bytes(), place);
        }
        let units = DoubleArray::of(&trie).units;
        let mut bytes = ((units.len() * 4) as u32).to_le_bytes().to_vec();
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend(replacements);
        bytes
    }

    pub fn to_base64(&self) -> String {
        base64(&self.to_bytes())
    }
}

/// A plain trie, the first step.
#[derive(Debug)]
struct Trie {
    nodes: Vec<(BTreeMap<u8, usize>, Option<u32>)>,
}

impl Default for Trie {
    fn default() -> Self {
        Self {
            nodes: vec![(BTreeMap::new(), None)],
        }
    }
}

impl Trie {
    fn insert(&mut self, key: &[u8], value: u32) {
        let mut node = 0;
        for byte in key {
            let next = self.nodes.len();
            node = *self.nodes[node].0.entry(*byte).or_insert(next);
            if node == next {
                self.nodes.push((BTreeMap::new(), None));
            }
        }
        self.nodes[node].1 = Some(value);
    }
}

/// Bits of a unit: the label below, whether a value hangs under it, the way to its children, or the value itself.
const HAS_VALUE: u32 = 1 << 8;
const FAR: u32 = 1 << 9;
const IS_VALUE: u32 = 1 << 31;
const NEAR_LIMIT: usize = 1 << 21;
/// Children lie within one run of this many units.
const RUN: usize = 256;

#[derive(Debug)]
struct DoubleArray {
    units: Vec<u32>,
    used: Vec<bool>,
    /// Two nodes must not share a base, or the children of one would be taken for those of the other.
    bases: HashSet<usize>,
    first_free: usize,
}

impl DoubleArray {
    fn of(trie: &Trie) -> Self {
        let mut array = Self {
            units: vec![0; RUN],
            used: vec![false; RUN],
            bases: HashSet::new(),
            first_free: 1,
        };
        array.used[0] = true;
        array.place(trie, 0, 0);
        array
    }

    /// Finds room for the children of `node`, whose own unit is at `at`, and goes on into them. Keys are characters
    /// of at most four bytes, so this is never deeper than that.
    fn place(&mut self, trie: &Trie, node: usize, at: usize) {
        let (children, value) = &trie.nodes[node];
        let labels: Vec<usize> = value
            .map(|_| 0)
            .into_iter()
            .chain(children.keys().map(|c| usize::from(*c)))
            .collect();
        if labels.is_empty() {
            return;
        }
        let base = self.base_for(&labels, at);
        self.bases.insert(base);
        for label in &labels {
            self.used[base ^ label] = true;
        }
        while self.used.get(self.first_free) == Some(&true) {
            self.first_free += 1;
        }

        let offset = at ^ base;
        let way = if offset < NEAR_LIMIT {
            (offset as u32) << 10
        } else {
            ((offset as u32) << 2) | FAR
        };
        self.units[at] = (self.units[at] & 0xff) | way | if value.is_some() { HAS_VALUE } else { 0 };
        if let Some(value) = value {
            self.units[base] = value | IS_VALUE;
        }
        for byte in children.keys() {
            self.units[base ^ usize::from(*byte)] = u32::from(*byte);
        }
        for (byte, child) in children {
            self.place(trie, *child, base ^ usize::from(*byte));
        }
    }

    fn base_for(&mut self, labels: &[usize], at: usize) -> usize {
        let mut base = self.first_free;
        loop {
            let end = (base | (RUN - 1)) + 1;
            if self.units.len() < end {
                self.units.resize(end, 0);
                self.used.resize(end, false);
            }
            let reachable = at ^ base < NEAR_LIMIT || (at ^ base).is_multiple_of(RUN);
            if reachable && !self.bases.contains(&base) && labels.iter().all(|label| !self.used[base ^ label]) {
                return base;
            }
            base += 1;
        }
    }
}

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_is_the_standard_one() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    /// Looks a key up as the library does, and gives its replacement.
    fn look_up(bytes: &[u8], key: &str) -> Option<String> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (trie, replacements) = rest.split_at(u32::from_le_bytes(*length) as usize);
        let unit = |at: usize| u32::from_le_bytes(trie.as_chunks::<4>().0[at]);
        let way = |unit: u32| ((unit >> 10) << ((unit & FAR) >> 6)) as usize;
        let mut at = way(unit(0));
        let mut found = None;
        for byte in key.bytes() {
            at ^= usize::from(byte);
            let here = unit(at);
            if here & (IS_VALUE | 0xff) != u32::from(byte) {
                return None;
            }
            at ^= way(here);
            found = (here & HAS_VALUE != 0).then(|| (unit(at) & !IS_VALUE) as usize);
        }
        let text = replacements.get(found?..)?;
        let end = text.iter().position(|b| *b == 0)?;
        String::from_utf8(text[..end].to_vec()).ok()
    }

    proptest! {
        #[test]
        fn every_character_is_found_and_no_other(
            map in proptest::collection::btree_map(proptest::char::any(), "[a-zа-я ]{0,3}", 1..300),
            others in proptest::collection::vec(proptest::char::any(), 100),
        ) {
            let mut chars = CharMap::new();
            for (from, to) in map.iter().filter(|(c, _)| **c != '\0') {
                chars.insert(*from, to.clone());
            }
            let bytes = chars.to_bytes();
            for c in map.keys().chain(&others).filter(|c| **c != '\0') {
                prop_assert_eq!(look_up(&bytes, &c.to_string()), map.get(c).cloned());
            }
        }
    }
}
