//! VDS's flag words as typed bit sets, and the masks of the hardware-provider side.
//!
//! A set keeps bits it does not know, so that reading and writing back loses nothing.

/// Defines a bit set over an unsigned integer.
///
/// `NAME = bit, "VDS_NAME", "label";` where the label is what people and JSON see.
macro_rules! bit_set {
    (
        $(#[$meta:meta])*
        $name:ident: $word:ident;
        $( $(#[$bit_meta:meta])* $bit:ident = $value:literal, $vds:literal, $label:literal; )+
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name($word);

        impl $name {
            $( $(#[$bit_meta])* pub const $bit: Self = Self($value); )+

            /// Every known bit by itself, with VDS's name and the word people and JSON see.
            pub const ALL: &'static [(Self, &'static str, &'static str)] =
                &[ $( (Self::$bit, $vds, $label) ),+ ];

            /// No bit.
            pub const fn empty() -> Self {
                Self(0)
            }

            /// Takes a word as it is, unknown bits too.
            pub const fn from_bits(bits: $word) -> Self {
                Self(bits)
            }

            /// The word.
            pub const fn bits(self) -> $word {
                self.0
            }

            /// Whether no bit is set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Whether all bits of `other` are set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether at least one bit of `other` is set.
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// This set with the bits of `other` added.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// This set with the bits of `other` taken away.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// This set with the bits of `other` added if `condition` holds.
            #[must_use]
            pub const fn with_if(self, condition: bool, other: Self) -> Self {
                if condition { self.with(other) } else { self }
            }

            /// The bits that have no name.
            #[must_use]
            pub const fn unrecognized(self) -> Self {
                Self(self.0 & !( 0 $( | $value )+ ))
            }

            /// The labels of the bits that are set and known.
            pub fn labels(self) -> impl Iterator<Item = &'static str> {
                Self::ALL
                    .iter()
                    .filter(move |(bit, _, _)| self.contains(*bit))
                    .map(|(_, _, label)| *label)
            }

            /// The bit of this label, if there is one.
            pub fn by_label(label: &str) -> Option<Self> {
                Self::ALL.iter().find(|(_, _, known)| *known == label).map(|(bit, _, _)| *bit)
            }
        }

        impl std::ops::BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                self.with(other)
            }
        }

        impl FromIterator<Self> for $name {
            fn from_iter<I: IntoIterator<Item = Self>>(bits: I) -> Self {
                bits.into_iter().fold(Self::empty(), Self::with)
            }
        }

        /// The labels, joined by commas; unknown bits as one hexadecimal number; `none` if empty.
        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut separator = "";
                for label in self.labels() {
                    write!(formatter, "{separator}{label}")?;
                    separator = ", ";
                }
                let rest = self.unrecognized();
                if !rest.is_empty() {
                    write!(formatter, "{separator}0x{:x}", rest.0)?;
                } else if separator.is_empty() {
                    write!(formatter, "none")?;
                }
                Ok(())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}
pub(crate) use bit_set;

mod device;
mod provider;
mod subsystem;

pub use device::{DriveFlags, HbaPortSpeedFlags, LunFlags, PlexFlags};
pub use provider::{
    InterconnectFlags, IpsecFlags, IscsiLoginFlags, LoadBalanceFlags, ProviderFlags,
    QueryProviders, VersionSupport,
};
pub use subsystem::{RaidTypeFlags, StripeSizes, SubsystemFlags};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flags: SubsystemFlags, expected: &str) {
        assert_eq!(flags.to_string(), expected);
        assert_eq!(SubsystemFlags::from_bits(flags.bits()), flags);
    }

    #[test]
    fn sets_show_their_labels_and_keep_unknown_bits() {
        check(SubsystemFlags::empty(), "none");
        let masks = SubsystemFlags::LUN_MASKING_CAPABLE | SubsystemFlags::SUPPORTS_AUTH_CHAP;
        check(masks, "lun_masking, auth_chap");
        check(SubsystemFlags::from_bits(0x8000_0001), "lun_masking, 0x80000000");
        assert!(masks.contains(SubsystemFlags::SUPPORTS_AUTH_CHAP));
        assert!(masks.without(SubsystemFlags::LUN_MASKING_CAPABLE).bits() == 0x10000);
    }

    #[test]
    fn labels_and_bits_are_unique() {
        let mut seen = SubsystemFlags::empty();
        for (bit, name, label) in SubsystemFlags::ALL {
            assert!(!seen.intersects(*bit), "{name}");
            assert_eq!(bit.bits().count_ones(), 1, "{name}");
            assert_eq!(SubsystemFlags::by_label(label), Some(*bit), "{name}");
            seen = seen.with(*bit);
        }
        assert_eq!(seen.bits(), 0x01FF_FEFF, "bit 0x100 is the one VDS leaves out");
    }

    #[test]
    fn stripe_sizes_are_powers_of_two() {
        let sizes = StripeSizes::from_sizes([65536, 4096]).expect("both are powers of two");
        assert_eq!(sizes.bits(), 0x11000);
        assert!(sizes.supports(4096));
        assert!(!sizes.supports(8192));
        assert!(!sizes.supports(0));
        assert_eq!(sizes.sizes_bytes().collect::<Vec<_>>(), [4096, 65536]);
        assert_eq!(StripeSizes::from_sizes([3]), None);
    }
}
