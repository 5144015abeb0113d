//! Hints as people write and read them: `mostly_reads`, `write_cache=off`, `maximum_drive_count=4`.

use super::{HintMask, Hints, HintsError};
use crate::{Bytes, RebuildPriority};

/// The hints that are sizes below 2³² bytes.
type SizeMember = fn(&mut Hints) -> &mut u32;

const SIZES: [(&str, SizeMember); 5] = [
    ("optimal_read", |hints| &mut hints.optimal_read_bytes),
    ("optimal_read_alignment", |hints| &mut hints.optimal_read_alignment_bytes),
    ("optimal_write", |hints| &mut hints.optimal_write_bytes),
    ("optimal_write_alignment", |hints| &mut hints.optimal_write_alignment_bytes),
    ("stripe", |hints| &mut hints.stripe_bytes),
];
const EXPECTED_MAXIMUM: &str = "expected_maximum";
const MAXIMUM_DRIVE_COUNT: &str = "maximum_drive_count";
const REBUILD_PRIORITY: &str = "rebuild_priority";
const BUS_TYPE: &str = "bus_type";

impl Hints {
    /// Sets one hint from its text: `name` or `name=value`, with `_` or `-` between words.
    ///
    /// A boolean takes `on` or `off` and is on without a value; a size is written as in
    /// [`Bytes::parse`]; 0 takes a number or size back.
    ///
    /// # Errors
    /// [`HintsError`] names the hint; nothing is changed.
    pub fn set_text(&mut self, text: &str) -> Result<(), HintsError> {
        let (name, value) = match text.split_once('=') {
            None => (text, None),
            Some((name, value)) => (name, Some(value)),
        };
        let wanted = name.replace('-', "_");
        let is_wanted = |(_, _, label): &&(HintMask, &str, &str)| **label == wanted;
        match HintMask::ALL.iter().find(is_wanted) {
            Some((HintMask::BUS_TYPE, _, _)) => {
                self.set_bus_type(Some(value.unwrap_or_default().parse()?))
            }
            Some((hint, _, label)) => {
                let opinion = match value {
                    None | Some("on") => true,
                    Some("off") => false,
                    Some(_) => return Err(HintsError::NotBoolean { name: label }),
                };
                self.set_opinion(*hint, Some(opinion));
                Ok(())
            }
            None => self.set_number(&wanted, value.unwrap_or_default()),
        }
    }

    fn set_number(&mut self, wanted: &str, value: &str) -> Result<(), HintsError> {
        let size = |name: &'static str| {
            Bytes::parse(value).map_err(|source| HintsError::NotSize { name, source })
        };
        let number = |name: &'static str| value.parse().map_err(|_| HintsError::NotNumber { name });
        match wanted {
            EXPECTED_MAXIMUM => self.expected_maximum = size(EXPECTED_MAXIMUM)?,
            MAXIMUM_DRIVE_COUNT => self.maximum_drive_count = number(MAXIMUM_DRIVE_COUNT)?,
            REBUILD_PRIORITY => {
                let number: u32 = number(REBUILD_PRIORITY)?;
                self.rebuild_priority = RebuildPriority::new(number)?;
            }
            _ => {
                let Some((name, member)) = SIZES.iter().find(|(name, _)| *name == wanted) else {
                    let name = wanted.chars().take(64).collect();
                    return Err(HintsError::UnknownName { name });
                };
                let size = u32::try_from(size(name)?.0);
                *member(self) = size.map_err(|_| HintsError::SizeTooLarge { name })?;
            }
        }
        Ok(())
    }

    /// Every hint that is set, as text that [`Hints::set_text`] reads back.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for (hint, _, label) in HintMask::ALL {
            match self.opinion(*hint) {
                Some(true) => texts.push((*label).to_owned()),
                Some(false) => texts.push(format!("{label}=off")),
                None => {}
            }
        }
        if let Some(bus_type) = self.bus_type() {
            texts.push(format!("{BUS_TYPE}={bus_type}"));
        }
        if self.expected_maximum != Bytes(0) {
            texts.push(format!("{EXPECTED_MAXIMUM}={}", self.expected_maximum));
        }
        let mut members = *self;
        for (name, member) in SIZES {
            let bytes = u64::from(*member(&mut members));
            if bytes != 0 {
                texts.push(format!("{name}={}", Bytes(bytes)));
            }
        }
        if self.maximum_drive_count != 0 {
            texts.push(format!("{MAXIMUM_DRIVE_COUNT}={}", self.maximum_drive_count));
        }
        if self.rebuild_priority != RebuildPriority::LOWEST {
            texts.push(format!("{REBUILD_PRIORITY}={}", self.rebuild_priority));
        }
        texts
    }
}

/// The hints that are set, joined by commas; `none` without any.
impl std::fmt::Display for Hints {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts = self.texts();
        formatter.pad(if texts.is_empty() { "none".into() } else { texts.join(", ") }.as_str())
    }
}
