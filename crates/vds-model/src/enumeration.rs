//! How VDS's enumerations become Rust: an `enum` that also keeps numbers it does not know.
//!
//! VDS declares all of them open: later versions add values, and a reader shows an unknown one as
//! unknown instead of taking it for another. So every number can be read and written back
//! unchanged, while a `match` still sees each known value by name.

/// A number that is not in the enumeration it was read for.
///
/// Only reading makes one, so a known value has exactly one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unrecognized(pub(crate) u32);

impl Unrecognized {
    /// The number that was read.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A text that names no value of an enumeration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {enumeration}; known are {known}")]
pub struct LabelError {
    /// What was to be read, such as `LUN type`.
    pub enumeration: &'static str,
    /// The text found.
    pub text: String,
    /// The labels that exist, joined by commas.
    pub known: String,
}

/// Defines an open enumeration.
///
/// `Variant = number, "VDS_NAME", "label";` where the label is what people and JSON see.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $name:ident, $title:literal;
        $(
            $(#[$variant_meta:meta])*
            $variant:ident = $number:literal, $vds:literal, $label:literal;
        )+
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
            /// A number this version does not know.
            Unrecognized(crate::Unrecognized),
        }

        impl $name {
            /// Every known value, in the order of the numbers.
            pub const ALL: &'static [Self] = &[ $( Self::$variant ),+ ];

            /// Reads VDS's number. Never fails: what is not known is kept.
            pub const fn from_number(number: u32) -> Self {
                match number {
                    $( $number => Self::$variant, )+
                    _ => Self::Unrecognized(crate::Unrecognized(number)),
                }
            }

            /// VDS's number.
            pub const fn number(self) -> u32 {
                match self {
                    $( Self::$variant => $number, )+
                    Self::Unrecognized(other) => other.number(),
                }
            }

            /// VDS's name, unless the number is not known.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $( Self::$variant => Some($vds), )+
                    Self::Unrecognized(_) => None,
                }
            }

            /// The word people and JSON see; `unknown` for a number that is not known.
            pub const fn label(self) -> &'static str {
                match self {
                    $( Self::$variant => $label, )+
                    Self::Unrecognized(_) => "unknown",
                }
            }

            /// Whether the number is in the enumeration.
            pub const fn is_recognized(self) -> bool {
                !matches!(self, Self::Unrecognized(_))
            }
        }

        /// The label; with the number, if that is not known.
        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::Unrecognized(other) => {
                        write!(formatter, "unknown ({})", other.number())
                    }
                    known => formatter.pad(known.label()),
                }
            }
        }

        /// Reads a label, or VDS's name of the value.
        impl std::str::FromStr for $name {
            type Err = crate::LabelError;

            fn from_str(text: &str) -> Result<Self, crate::LabelError> {
                let is_named = |value: &&Self| value.label() == text || value.name() == Some(text);
                let labels = || Self::ALL.iter().map(|value| value.label()).collect::<Vec<_>>();
                Self::ALL.iter().find(is_named).copied().ok_or_else(|| crate::LabelError {
                    enumeration: $title,
                    text: text.chars().take(64).collect(),
                    known: labels().join(", "),
                })
            }
        }
    };
}
pub(crate) use open_enum;
