//! How the vocabulary is written in JSON: enumerations by label, flags as lists of labels, ids and results as texts.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serializer};
use vds_model::{
    BusType, ControllerStatus, DriveFlags, DriveStatus, HResult, Health, LunFlags, LunStatus,
    LunType, PlexFlags, PlexStatus, PlexType, PoolStatus, PoolType, PortStatus, PortalStatus,
    RaidType, RaidTypeFlags, RebuildPriority, StripeSizes, SubsystemFlags, SubsystemStatus,
    TransitionState,
};
use vds_operation::TEXT_BYTES_MAX;

/// A text for people: its first bytes, without control characters.
pub(crate) fn bounded(text: &str) -> String {
    cut(text, TEXT_BYTES_MAX)
}

/// The first bytes of a text, without control characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    let text = &text[..text.floor_char_boundary(bytes_max)];
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// A word of the vocabulary.
pub(crate) trait Word: Copy {
    fn word(self) -> &'static str;
    fn read(word: &str) -> Result<Self, String>;
}

macro_rules! words {
    ($($name:ident),+ $(,)?) => { $(
        impl Word for $name {
            fn word(self) -> &'static str {
                self.label()
            }

            fn read(word: &str) -> Result<Self, String> {
                word.parse().map_err(|error: vds_model::LabelError| error.to_string())
            }
        }
    )+ };
}
words!(
    BusType,
    ControllerStatus,
    DriveStatus,
    Health,
    LunStatus,
    LunType,
    PlexStatus,
    PlexType,
    PoolStatus,
    PoolType,
    PortStatus,
    PortalStatus,
    RaidType,
    SubsystemStatus,
    TransitionState,
);

/// What a word left out means.
pub(crate) trait Usual {
    const USUAL: Self;
}

macro_rules! usual {
    ($($name:ident :: $value:ident),+ $(,)?) => { $(
        impl Usual for $name {
            const USUAL: Self = Self::$value;
        }
    )+ };
}
usual!(
    BusType::Unknown,
    ControllerStatus::Online,
    DriveStatus::Online,
    Health::Healthy,
    LunStatus::Online,
    PlexStatus::Online,
    PoolStatus::Online,
    PoolType::Primordial,
    PortStatus::Online,
    PortalStatus::Online,
    SubsystemStatus::Online,
    TransitionState::Stable,
);

/// The default of a field that is a word.
pub(crate) fn usual<T: Usual>() -> T {
    T::USUAL
}

/// One word.
pub(crate) mod word {
    use super::{Deserialize, Deserializer, Serializer, Word};
    use serde::de::Error as _;

    pub(crate) fn serialize<T: Word, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(value.word())
    }

    pub(crate) fn deserialize<'de, T: Word, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        T::read(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// A word or null.
pub(crate) mod word_option {
    use super::{Deserialize, Deserializer, Serializer, Word};
    use serde::de::Error as _;

    #[expect(clippy::ref_option, reason = "the form that `serde` calls")]
    pub(crate) fn serialize<T: Word, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.serialize_some(value.word()),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T: Word, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        let word = Option::<String>::deserialize(from)?;
        word.map(|word| T::read(&word).map_err(D::Error::custom)).transpose()
    }
}

/// A list of words.
pub(crate) mod words {
    use super::{Deserialize, Deserializer, Serializer, Word};
    use serde::de::Error as _;

    pub(crate) fn serialize<T: Word, S: Serializer>(
        values: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|value| value.word()))
    }

    pub(crate) fn deserialize<'de, T: Word, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        let words = Vec::<String>::deserialize(from)?;
        words.iter().map(|word| T::read(word).map_err(D::Error::custom)).collect()
    }
}

/// Flags whose words are known; others are passed over.
pub(crate) trait Flags: Copy + Default {
    fn words(self) -> Vec<&'static str>;
    fn with_word(self, word: &str) -> Self;
}

macro_rules! flags {
    ($($name:ident),+ $(,)?) => { $(
        impl Flags for $name {
            fn words(self) -> Vec<&'static str> {
                self.labels().collect()
            }

            fn with_word(self, word: &str) -> Self {
                Self::by_label(word).map_or(self, |flag| self.with(flag))
            }
        }
    )+ };
}
flags!(DriveFlags, LunFlags, PlexFlags, RaidTypeFlags, SubsystemFlags);

/// Flags as a list of words.
pub(crate) mod flags {
    use super::{Deserialize, Deserializer, Flags, Serializer};

    pub(crate) fn serialize<T: Flags, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(value.words())
    }

    pub(crate) fn deserialize<'de, T: Flags, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let words = Vec::<String>::deserialize(from)?;
        Ok(words.iter().fold(T::default(), |flags, word| flags.with_word(word)))
    }
}

/// Something that is written as a text: an id, an address, a name.
pub(crate) mod plain {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};
    use serde::de::Error as _;

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D: Deserializer<'de>>(from: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = String::deserialize(from)?;
        text.parse()
            .map_err(|error| D::Error::custom(format!("{:?}: {error}", super::bounded(&text))))
    }
}

/// Such a text or null.
pub(crate) mod plain_option {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};
    use serde::de::Error as _;

    #[expect(clippy::ref_option, reason = "the form that `serde` calls")]
    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = Option::<String>::deserialize(from)?;
        let read = |text: String| {
            text.parse()
                .map_err(|error| D::Error::custom(format!("{:?}: {error}", super::bounded(&text))))
        };
        text.map(read).transpose()
    }
}

/// A list of such texts.
pub(crate) mod plain_list {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};
    use serde::de::Error as _;

    pub(crate) fn serialize<T: Display, S: Serializer>(
        values: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, T, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr,
        T::Err: Display,
    {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

/// A list of such texts, or null.
pub(crate) mod plain_list_option {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};
    use serde::de::Error as _;

    #[expect(clippy::ref_option, reason = "the form that `serde` calls")]
    pub(crate) fn serialize<T: Display, S: Serializer>(
        values: &Option<Vec<T>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match values {
            Some(values) => super::plain_list::serialize(values, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<T>>, D::Error>
    where
        T: FromStr,
        T::Err: Display,
    {
        let texts = Option::<Vec<String>>::deserialize(from)?;
        let read = |texts: Vec<String>| {
            texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
        };
        texts.map(read).transpose()
    }
}

/// A VDS result: its name where it has one, otherwise its number.
pub(crate) mod result {
    use super::{Deserialize, Deserializer, HResult, Serializer};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer>(value: &HResult, to: S) -> Result<S::Ok, S::Error> {
        match value.name() {
            Some(name) => to.serialize_str(name),
            None => to.collect_str(&format_args!("0x{:08x}", value.0)),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<HResult, D::Error> {
        let text = String::deserialize(from)?;
        let number = text.strip_prefix("0x").and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let found = number.map(HResult).or_else(|| HResult::by_name(&text));
        found.ok_or_else(|| {
            D::Error::custom(format!("{:?} is no VDS result", super::bounded(&text)))
        })
    }
}

/// A rebuild priority: 0 to 15.
pub(crate) mod priority {
    use super::{Deserialize, Deserializer, RebuildPriority, Serializer};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer>(
        value: &RebuildPriority,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u8(value.number())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<RebuildPriority, D::Error> {
        RebuildPriority::new(i64::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Stripe sizes: powers of two, in bytes.
pub(crate) mod stripes {
    use super::{Deserialize, Deserializer, Serializer, StripeSizes};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer>(value: &StripeSizes, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(value.sizes_bytes())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<StripeSizes, D::Error> {
        let sizes = Vec::<u32>::deserialize(from)?;
        StripeSizes::from_sizes(sizes)
            .ok_or_else(|| D::Error::custom("a stripe size is no power of two"))
    }
}

/// Bytes in hexadecimal.
pub(crate) mod hex {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&vds_model::hex::encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        vds_model::hex::decode(&text)
            .ok_or_else(|| D::Error::custom("no hexadecimal digits in pairs"))
    }
}

/// Reads an unmasking list.
pub(crate) fn mask<E: serde::de::Error>(text: &str) -> Result<vds_model::UnmaskingList, E> {
    vds_model::UnmaskingList::parse(text).map_err(E::custom)
}

/// An unmasking list as its text.
pub(crate) mod unmasking {
    use super::{Deserialize, Deserializer, Serializer};
    use vds_model::UnmaskingList;

    pub(crate) fn serialize<S: Serializer>(
        value: &UnmaskingList,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<UnmaskingList, D::Error> {
        super::mask(&String::deserialize(from)?)
    }
}

/// Hints as a list of texts.
pub(crate) mod hints {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::de::Error as _;
    use vds_model::Hints;

    pub(crate) fn serialize<S: Serializer>(value: &Hints, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(value.texts())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Hints, D::Error> {
        let mut hints = Hints::none();
        for text in Vec::<String>::deserialize(from)? {
            hints.set_text(&text).map_err(D::Error::custom)?;
        }
        Ok(hints)
    }
}
