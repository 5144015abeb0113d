//! CHAP, one-way and mutual, as a state machine over text keys.
//!
//! ```text
//!   Idle ──CHAP_A──► Challenged ──CHAP_N, CHAP_R [, CHAP_I, CHAP_C]──► Authenticated
//!     └─────────────────┴── anything else ──► an error: the login fails
//! ```

use std::fmt;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use sha3::Sha3_256;
use subtle::ConstantTimeEq;

use crate::text::{hexadecimal, parse_binary, parse_number};

/// Random bytes a challenge is made of.
pub const CHALLENGE_BYTES: usize = 32;

/// Bytes of a challenge from an initiator at most (RFC 7143 §12.1.3).
const PEER_CHALLENGE_BYTES_MAX: usize = 1024;

/// Bytes of a response at most: the longest hash.
const RESPONSE_BYTES_MAX: usize = 64;

/// A shared secret. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// A secret of these bytes; 12 to 16 are customary, any number is taken.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// A name with its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChapCredential {
    /// The CHAP name; `None` takes any name an initiator gives. An iSCSI name is the same in either case of letters.
    pub name: Option<String>,
    /// The secret.
    pub secret: Secret,
}

/// What a login must prove, and what we can prove in turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChapPolicy {
    /// Any of these lets an initiator in; none at all lets everybody in without CHAP.
    pub accepted: Vec<ChapCredential>,
    /// What we answer an initiator's challenge with (mutual CHAP). Its name defaults to the target's.
    pub own: Option<ChapCredential>,
}

impl ChapPolicy {
    /// Whether a login needs CHAP.
    pub fn is_required(&self) -> bool {
        !self.accepted.is_empty()
    }

    /// Whether a secret serves both directions, which lets an initiator without it play our own answer back to us.
    /// Such a policy lets nobody ask for mutual CHAP (RFC 7143 §12.1.3).
    pub fn has_shared_secret(&self) -> bool {
        let own = self.own.as_ref().map(|own| &own.secret);
        self.accepted.iter().any(|accepted| Some(&accepted.secret) == own)
    }
}

/// A hash CHAP can use, with its number in `CHAP_A`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChapAlgorithm {
    /// MD5, number 5.
    Md5,
    /// SHA-1, number 6.
    Sha1,
    /// SHA-256, number 7.
    Sha256,
    /// SHA3-256, number 8.
    Sha3,
}

impl ChapAlgorithm {
    /// By its number.
    pub fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            5 => Self::Md5,
            6 => Self::Sha1,
            7 => Self::Sha256,
            8 => Self::Sha3,
            _ => return None,
        })
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::Md5 => 5,
            Self::Sha1 => 6,
            Self::Sha256 => 7,
            Self::Sha3 => 8,
        }
    }

    /// The answer to a challenge: the hash of identifier, secret and challenge.
    ///
    /// Source: RFC 1994 §4.1.
    pub fn response(self, identifier: u8, secret: &Secret, challenge: &[u8]) -> Vec<u8> {
        let message = [&[identifier], &secret.0[..], challenge].concat();
        match self {
            Self::Md5 => Md5::digest(&message).to_vec(),
            Self::Sha1 => Sha1::digest(&message).to_vec(),
            Self::Sha256 => Sha256::digest(&message).to_vec(),
            Self::Sha3 => Sha3_256::digest(&message).to_vec(),
        }
    }
}

/// Randomness for one login.
#[derive(Clone, Copy)]
pub struct Entropy {
    /// The challenge's identifier.
    pub identifier: u8,
    /// The challenge.
    pub challenge: [u8; CHALLENGE_BYTES],
}

/// Why an authentication failed. What the peer is told is only that it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChapError {
    /// A key is missing, came at the wrong time, or cannot be read.
    #[error("a CHAP key is missing, out of turn or unreadable")]
    Malformed,
    /// None of the hashes offered is one of ours.
    #[error("no CHAP algorithm in common")]
    Algorithm,
    /// Unknown name, or wrong secret.
    #[error("CHAP name or secret is wrong")]
    Denied,
    /// The initiator sent our own challenge back.
    #[error("the initiator reflected our CHAP challenge")]
    Reflected,
    /// The initiator asks us to authenticate and we have no secret for that, or the same as its own.
    #[error("mutual CHAP is asked for and not configured")]
    NoMutual,
}

enum State {
    Idle,
    Challenged(ChapAlgorithm),
    Authenticated { name: String },
}

/// Whether an initiator gave this name. Most give their iSCSI name, in which case means nothing (RFC 7143 §4.2.7.2).
fn is_name(own: &str, given: &str) -> bool {
    let is_iscsi = ["iqn.", "eui.", "naa."].iter().any(|kind| own.starts_with(kind));
    own == given || (is_iscsi && own.eq_ignore_ascii_case(given))
}

/// One authentication.
pub struct Chap {
    policy: ChapPolicy,
    own_name: String,
    entropy: Entropy,
    state: State,
}

impl Chap {
    /// Starts; `own_name` is our CHAP name unless the policy has one.
    pub fn new(policy: ChapPolicy, own_name: &str, entropy: Entropy) -> Self {
        Self { policy, own_name: own_name.to_owned(), entropy, state: State::Idle }
    }

    /// Any of these lets the initiator in.
    pub fn accepted(&self) -> &[ChapCredential] {
        &self.policy.accepted
    }

    /// The name the initiator proved to know the secret of, once it did.
    pub fn authenticated_name(&self) -> Option<&str> {
        match &self.state {
            State::Authenticated { name } => Some(name),
            State::Idle | State::Challenged(_) => None,
        }
    }

    /// Takes the CHAP keys of one request and returns ours. `key` looks a key up among them.
    ///
    /// # Errors
    /// [`ChapError`]: the login has failed.
    pub fn handle<'a>(
        &mut self,
        key: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Vec<(&'static str, String)>, ChapError> {
        match self.state {
            State::Idle => self.challenge(key("CHAP_A").ok_or(ChapError::Malformed)?),
            State::Challenged(algorithm) => self.verify(algorithm, key),
            State::Authenticated { .. } => Err(ChapError::Malformed),
        }
    }

    fn challenge(&mut self, offered: &str) -> Result<Vec<(&'static str, String)>, ChapError> {
        let mut numbers = offered.split(',').filter_map(parse_number);
        let algorithm = numbers.find_map(ChapAlgorithm::from_number).ok_or(ChapError::Algorithm)?;
        self.state = State::Challenged(algorithm);
        Ok(vec![
            ("CHAP_A", algorithm.number().to_string()),
            ("CHAP_I", self.entropy.identifier.to_string()),
            ("CHAP_C", hexadecimal(&self.entropy.challenge)),
        ])
    }

    fn verify<'a>(
        &mut self,
        algorithm: ChapAlgorithm,
        key: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Vec<(&'static str, String)>, ChapError> {
        let name = key("CHAP_N").ok_or(ChapError::Malformed)?;
        let response = key("CHAP_R").ok_or(ChapError::Malformed)?;
        let response = parse_binary(response, RESPONSE_BYTES_MAX).ok_or(ChapError::Malformed)?;
        // Every credential is tried, known name or not: time tells nothing of which one was near.
        let mut matched = false;
        for credential in &self.policy.accepted {
            let expected = algorithm.response(
                self.entropy.identifier,
                &credential.secret,
                &self.entropy.challenge,
            );
            let same: bool = expected.ct_eq(&response).into();
            matched |= same && credential.name.as_deref().is_none_or(|own| is_name(own, name));
        }
        if !matched {
            return Err(ChapError::Denied);
        }
        let answer = match (key("CHAP_I"), key("CHAP_C")) {
            (None, None) => Vec::new(),
            (Some(identifier), Some(challenge)) => self.answer(algorithm, identifier, challenge)?,
            _ => return Err(ChapError::Malformed),
        };
        self.state = State::Authenticated { name: name.to_owned() };
        Ok(answer)
    }

    fn answer(
        &self,
        algorithm: ChapAlgorithm,
        identifier: &str,
        challenge: &str,
    ) -> Result<Vec<(&'static str, String)>, ChapError> {
        let identifier = parse_number(identifier).and_then(|number| u8::try_from(number).ok());
        let identifier = identifier.ok_or(ChapError::Malformed)?;
        let challenge = parse_binary(challenge, PEER_CHALLENGE_BYTES_MAX);
        let challenge = challenge.ok_or(ChapError::Malformed)?;
        // RFC 7143 §12.1.3: a reused challenge is to be noticed, and the connection closed.
        if challenge == self.entropy.challenge {
            return Err(ChapError::Reflected);
        }
        if self.policy.has_shared_secret() {
            return Err(ChapError::NoMutual);
        }
        let own = self.policy.own.as_ref().ok_or(ChapError::NoMutual)?;
        let name = own.name.clone().unwrap_or_else(|| self.own_name.clone());
        let response = algorithm.response(identifier, &own.secret, &challenge);
        Ok(vec![("CHAP_N", name), ("CHAP_R", hexadecimal(&response))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTROPY: Entropy = Entropy { identifier: 7, challenge: [0x5a; CHALLENGE_BYTES] };

    fn credential(name: &str, secret: &str) -> ChapCredential {
        ChapCredential { name: Some(name.into()), secret: Secret::new(secret) }
    }

    fn policy() -> ChapPolicy {
        let accepted = vec![credential("host", "initiator secret")];
        ChapPolicy { accepted, own: Some(credential("array", "target secret")) }
    }

    /// Runs both steps with these keys; `{R}` stands for the right response by `algorithm`.
    fn run(
        algorithm: &str,
        second: &[(&str, &str)],
    ) -> Result<Vec<(&'static str, String)>, ChapError> {
        let mut chap = Chap::new(policy(), "iqn.t", ENTROPY);
        let first = chap.handle(|key| (key == "CHAP_A").then_some(algorithm))?;
        let number = parse_number(&first[0].1).and_then(ChapAlgorithm::from_number).unwrap();
        let secret = Secret::new("initiator secret");
        let right = hexadecimal(&number.response(7, &secret, &ENTROPY.challenge));
        let second: Vec<(&str, &str)> = second
            .iter()
            .map(|&(key, value)| (key, if value == "{R}" { right.as_str() } else { value }))
            .collect();
        let out = chap.handle(|key| second.iter().find(|pair| pair.0 == key).map(|pair| pair.1));
        assert_eq!(out.is_ok(), chap.authenticated_name() == Some("host"));
        out
    }

    #[test]
    fn who_gets_in() {
        fn check(algorithm: &str, second: &[(&str, &str)], expected: Result<usize, ChapError>) {
            assert_eq!(run(algorithm, second).map(|keys| keys.len()), expected, "{second:?}");
        }
        let good = ("CHAP_R", "{R}");
        let host = ("CHAP_N", "host");
        for algorithm in ["5", "6", "7", "8", "99,7", "9,0x5"] {
            check(algorithm, &[host, good], Ok(0));
        }
        check("9", &[host, good], Err(ChapError::Algorithm));
        check("5", &[("CHAP_N", "other"), good], Err(ChapError::Denied));
        check("5", &[host, ("CHAP_R", "0x00")], Err(ChapError::Denied));
        check("5", &[host, ("CHAP_R", "zz")], Err(ChapError::Malformed));
        check("5", &[host], Err(ChapError::Malformed));
        check("7", &[host, good, ("CHAP_I", "1"), ("CHAP_C", "0xabcd")], Ok(2));
        check("7", &[host, good, ("CHAP_I", "1")], Err(ChapError::Malformed));
        check(
            "7",
            &[host, good, ("CHAP_I", "256"), ("CHAP_C", "0x1234")],
            Err(ChapError::Malformed),
        );
        let ours = hexadecimal(&ENTROPY.challenge);
        let reflected = [host, good, ("CHAP_I", "1"), ("CHAP_C", ours.as_str())];
        check("7", &reflected, Err(ChapError::Reflected));
    }

    #[test]
    fn an_iscsi_name_is_the_same_in_either_case() {
        assert!(is_name("iqn.2025-01.org.example:host1", "iqn.2025-01.org.example:HOST1"));
        assert!(!is_name("iqn.2025-01.org.example:host1", "iqn.2025-01.org.example:host2"));
        assert!(is_name("host", "host"));
        assert!(!is_name("host", "HOST"));
    }

    #[test]
    fn the_answer_to_a_challenge_is_right() {
        let keys = [("CHAP_N", "host"), ("CHAP_R", "{R}"), ("CHAP_I", "9"), ("CHAP_C", "0bAQID")];
        let secret = Secret::new("target secret");
        let expected = ChapAlgorithm::Sha256.response(9, &secret, &[1, 2, 3]);
        let answer = run("7", &keys).unwrap();
        assert_eq!(answer, [("CHAP_N", "array".into()), ("CHAP_R", hexadecimal(&expected))]);
    }

    #[test]
    fn one_secret_for_both_directions_is_refused() {
        let mut policy = policy();
        policy.own = Some(credential("array", "initiator secret"));
        assert!(policy.has_shared_secret());
        assert!(!format!("{policy:?}").contains("secret secret"));
        assert!(!format!("{policy:?}").contains("initiator"));
    }

    #[test]
    fn the_hashes_are_those_of_their_standards() {
        // The hashes of "abc", the example of each standard.
        fn check(algorithm: ChapAlgorithm, starts_with: &str) {
            let response = algorithm.response(b'a', &Secret::new("b"), b"c");
            assert!(hexadecimal(&response).starts_with(starts_with), "{algorithm:?}");
        }
        check(ChapAlgorithm::Md5, "0x900150983cd24fb0d6963f7d28e17f72");
        check(ChapAlgorithm::Sha1, "0xa9993e364706816aba3e25717850c26c9cd0d89d");
        check(ChapAlgorithm::Sha256, "0xba7816bf8f01cfea414140de5dae2223");
        check(ChapAlgorithm::Sha3, "0x3a985da74fe225b2045c172d6bd390bd");
    }
}
