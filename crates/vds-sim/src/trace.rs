//! What happened: a hash over everything, and the last few events in words.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::chance::scramble;

/// Events kept in words.
const KEPT_MAX: usize = 400;

#[derive(Debug, Default)]
pub(crate) struct Trace {
    hash: u64,
    kept: VecDeque<(u64, String)>,
}

impl Trace {
    /// Mixes a number into the hash.
    pub(crate) fn mix(&mut self, value: u64) {
        self.hash = scramble(self.hash ^ value).wrapping_add(value);
    }

    /// Mixes bytes into the hash.
    pub(crate) fn mix_bytes(&mut self, bytes: &[u8]) {
        let mut hash = self.hash;
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x2127_599b_f432_5c37);
            hash ^= hash >> 29;
        }
        self.mix(hash);
    }

    /// Notes an event in words.
    pub(crate) fn note(&mut self, now_ns: u64, words: String) {
        self.mix_bytes(words.as_bytes());
        self.mix(now_ns);
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((now_ns, words));
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The kept events, one per line.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for (now_ns, words) in &self.kept {
            let _ = writeln!(out, "{:>12}.{:03} us  {words}", now_ns / 1000, now_ns % 1000);
        }
        out
    }
}
