//! LUN and plex types: what can be asked for, what a LUN can be, and which flag announces it.

use crate::enumeration::open_enum;
use crate::{HResult, RaidType, RaidTypeFlags, SubsystemFlags};

open_enum! {
    /// What a LUN is, or is to be (`VDS_LUN_TYPE`).
    LunType, "LUN type";
    /// Reserved; cannot be asked for.
    Unknown = 0, "VDS_LT_UNKNOWN", "unknown";
    /// Asks the provider to decide everything.
    Default = 1, "VDS_LT_DEFAULT", "default";
    /// Asks for anything that survives a failure.
    FaultTolerant = 2, "VDS_LT_FAULT_TOLERANT", "fault_tolerant";
    /// Asks for anything without redundancy.
    NonFaultTolerant = 3, "VDS_LT_NON_FAULT_TOLERANT", "non_fault_tolerant";
    /// Space of one drive.
    Simple = 10, "VDS_LT_SIMPLE", "simple";
    /// Space of several drives, one after the other.
    Span = 11, "VDS_LT_SPAN", "span";
    /// Striped over several drives (RAID 0).
    Stripe = 12, "VDS_LT_STRIPE", "stripe";
    /// Copies (RAID 1), each a plex.
    Mirror = 13, "VDS_LT_MIRROR", "mirror";
    /// Striped with parity: RAID 3 to 6.
    Parity = 14, "VDS_LT_PARITY", "parity";
    /// RAID 2.
    Raid2 = 15, "VDS_LT_RAID2", "raid2";
    /// RAID 3.
    Raid3 = 16, "VDS_LT_RAID3", "raid3";
    /// RAID 4.
    Raid4 = 17, "VDS_LT_RAID4", "raid4";
    /// RAID 5.
    Raid5 = 18, "VDS_LT_RAID5", "raid5";
    /// RAID 6.
    Raid6 = 19, "VDS_LT_RAID6", "raid6";
    /// RAID 01.
    Raid01 = 20, "VDS_LT_RAID01", "raid01";
    /// RAID 03.
    Raid03 = 21, "VDS_LT_RAID03", "raid03";
    /// RAID 05.
    Raid05 = 22, "VDS_LT_RAID05", "raid05";
    /// RAID 10.
    Raid10 = 23, "VDS_LT_RAID10", "raid10";
    /// RAID 15.
    Raid15 = 24, "VDS_LT_RAID15", "raid15";
    /// RAID 30.
    Raid30 = 25, "VDS_LT_RAID30", "raid30";
    /// RAID 50.
    Raid50 = 26, "VDS_LT_RAID50", "raid50";
    /// RAID 51.
    Raid51 = 27, "VDS_LT_RAID51", "raid51";
    /// RAID 53.
    Raid53 = 28, "VDS_LT_RAID53", "raid53";
    /// RAID 60.
    Raid60 = 29, "VDS_LT_RAID60", "raid60";
    /// RAID 61.
    Raid61 = 30, "VDS_LT_RAID61", "raid61";
}

open_enum! {
    /// What a plex is (`VDS_LUN_PLEX_TYPE`). Numbers are those of the LUN type of the same name.
    PlexType, "plex type";
    /// It cannot be told.
    Unknown = 0, "VDS_LPT_UNKNOWN", "unknown";
    /// Space of one drive.
    Simple = 10, "VDS_LPT_SIMPLE", "simple";
    /// Space of several drives, one after the other.
    Span = 11, "VDS_LPT_SPAN", "span";
    /// Striped over several drives (RAID 0).
    Stripe = 12, "VDS_LPT_STRIPE", "stripe";
    /// Striped with parity: RAID 3 to 6.
    Parity = 14, "VDS_LPT_PARITY", "parity";
    /// RAID 2.
    Raid2 = 15, "VDS_LPT_RAID2", "raid2";
    /// RAID 3.
    Raid3 = 16, "VDS_LPT_RAID3", "raid3";
    /// RAID 4.
    Raid4 = 17, "VDS_LPT_RAID4", "raid4";
    /// RAID 5.
    Raid5 = 18, "VDS_LPT_RAID5", "raid5";
    /// RAID 6.
    Raid6 = 19, "VDS_LPT_RAID6", "raid6";
    /// RAID 03.
    Raid03 = 21, "VDS_LPT_RAID03", "raid03";
    /// RAID 05.
    Raid05 = 22, "VDS_LPT_RAID05", "raid05";
    /// RAID 10.
    Raid10 = 23, "VDS_LPT_RAID10", "raid10";
    /// RAID 15.
    Raid15 = 24, "VDS_LPT_RAID15", "raid15";
    /// RAID 30.
    Raid30 = 25, "VDS_LPT_RAID30", "raid30";
    /// RAID 50.
    Raid50 = 26, "VDS_LPT_RAID50", "raid50";
    /// RAID 53.
    Raid53 = 28, "VDS_LPT_RAID53", "raid53";
    /// RAID 60.
    Raid60 = 29, "VDS_LPT_RAID60", "raid60";
}

/// How a [`LunType`] can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LunTypeClass {
    /// Reserved or unknown: neither asked for nor reported.
    Reserved,
    /// Asked for only: the provider chooses a layout, helped by hints.
    Automagic,
    /// A layout: asked for and reported.
    Concrete,
}

/// What announces that a subsystem creates LUNs of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LunTypeAnnouncement {
    /// No flag of its own: offered as soon as any other type is.
    AnyOther,
    /// A flag of the subsystem.
    Subsystem(SubsystemFlags),
    /// A flag of the subsystem's RAID-level mask.
    Raid(RaidTypeFlags),
}

impl LunType {
    /// Reads the type of a creation request.
    ///
    /// # Errors
    /// [`HResult::E_INVALIDARG`] for 0 and for a number that is not in the enumeration. Whether a
    /// listed type is *offered* is another question: see [`Self::is_announced_by`].
    pub fn requested(number: u32) -> Result<Self, HResult> {
        let lun_type = Self::from_number(number);
        match lun_type.class() {
            LunTypeClass::Reserved => Err(HResult::E_INVALIDARG),
            LunTypeClass::Automagic | LunTypeClass::Concrete => Ok(lun_type),
        }
    }

    /// How this type can be used.
    pub const fn class(self) -> LunTypeClass {
        match self {
            Self::Unknown | Self::Unrecognized(_) => LunTypeClass::Reserved,
            Self::Default | Self::FaultTolerant | Self::NonFaultTolerant => LunTypeClass::Automagic,
            _ => LunTypeClass::Concrete,
        }
    }

    /// Whether the provider is asked to choose the layout.
    pub const fn is_automagic(self) -> bool {
        matches!(self.class(), LunTypeClass::Automagic)
    }

    /// Whether this is a layout, as LUNs report it.
    pub const fn is_concrete(self) -> bool {
        matches!(self.class(), LunTypeClass::Concrete)
    }

    /// Whether LUNs of this type survive the loss of a drive; `None` where the type leaves it open.
    pub const fn is_fault_tolerant(self) -> Option<bool> {
        match self {
            Self::Unknown | Self::Unrecognized(_) | Self::Default => None,
            Self::NonFaultTolerant | Self::Simple | Self::Span | Self::Stripe => Some(false),
            _ => Some(true),
        }
    }

    /// What announces this type; `None` for a number that cannot be asked for.
    pub const fn announcement(self) -> Option<LunTypeAnnouncement> {
        use LunTypeAnnouncement::{AnyOther, Raid, Subsystem};
        Some(match self {
            Self::Unknown | Self::Unrecognized(_) => return None,
            Self::Default => AnyOther,
            Self::FaultTolerant => Subsystem(SubsystemFlags::SUPPORTS_FAULT_TOLERANT_LUNS),
            Self::NonFaultTolerant => Subsystem(SubsystemFlags::SUPPORTS_NON_FAULT_TOLERANT_LUNS),
            Self::Simple => Subsystem(SubsystemFlags::SUPPORTS_SIMPLE_LUNS),
            Self::Span => Subsystem(SubsystemFlags::SUPPORTS_SPAN_LUNS),
            Self::Stripe => Subsystem(SubsystemFlags::SUPPORTS_STRIPE_LUNS),
            Self::Mirror => Subsystem(SubsystemFlags::SUPPORTS_MIRROR_LUNS),
            Self::Parity => Subsystem(SubsystemFlags::SUPPORTS_PARITY_LUNS),
            Self::Raid2 => Raid(RaidTypeFlags::RAID2_LUNS),
            Self::Raid3 => Raid(RaidTypeFlags::RAID3_LUNS),
            Self::Raid4 => Raid(RaidTypeFlags::RAID4_LUNS),
            Self::Raid5 => Raid(RaidTypeFlags::RAID5_LUNS),
            Self::Raid6 => Raid(RaidTypeFlags::RAID6_LUNS),
            Self::Raid01 => Raid(RaidTypeFlags::RAID01_LUNS),
            Self::Raid03 => Raid(RaidTypeFlags::RAID03_LUNS),
            Self::Raid05 => Raid(RaidTypeFlags::RAID05_LUNS),
            Self::Raid10 => Raid(RaidTypeFlags::RAID10_LUNS),
            Self::Raid15 => Raid(RaidTypeFlags::RAID15_LUNS),
            Self::Raid30 => Raid(RaidTypeFlags::RAID30_LUNS),
            Self::Raid50 => Raid(RaidTypeFlags::RAID50_LUNS),
            Self::Raid51 => Raid(RaidTypeFlags::RAID51_LUNS),
            Self::Raid53 => Raid(RaidTypeFlags::RAID53_LUNS),
            Self::Raid60 => Raid(RaidTypeFlags::RAID60_LUNS),
            Self::Raid61 => Raid(RaidTypeFlags::RAID61_LUNS),
        })
    }

    /// Whether a subsystem with these flags announces that it creates LUNs of this type.
    pub fn is_announced_by(self, flags: SubsystemFlags, raid_types: RaidTypeFlags) -> bool {
        match self.announcement() {
            None => false,
            Some(LunTypeAnnouncement::Subsystem(flag)) => flags.contains(flag),
            Some(LunTypeAnnouncement::Raid(flag)) => raid_types.contains(flag),
            Some(LunTypeAnnouncement::AnyOther) => Self::ALL
                .iter()
                .filter(|other| **other != self)
                .any(|other| other.is_announced_by(flags, raid_types)),
        }
    }

    /// The flags of a subsystem that creates exactly these types.
    pub fn announce(types: impl IntoIterator<Item = Self>) -> (SubsystemFlags, RaidTypeFlags) {
        let mut flags = (SubsystemFlags::empty(), RaidTypeFlags::empty());
        for lun_type in types {
            match lun_type.announcement() {
                Some(LunTypeAnnouncement::Subsystem(flag)) => flags.0 = flags.0.with(flag),
                Some(LunTypeAnnouncement::Raid(flag)) => flags.1 = flags.1.with(flag),
                Some(LunTypeAnnouncement::AnyOther) | None => {}
            }
        }
        flags
    }

    /// The RAID level of a layout; [`RaidType::Unknown`] where it is no single one.
    pub const fn raid_type(self) -> RaidType {
        match self {
            Self::Stripe => RaidType::Raid0,
            Self::Mirror => RaidType::Raid1,
            Self::Raid2 => RaidType::Raid2,
            Self::Raid3 => RaidType::Raid3,
            Self::Raid4 => RaidType::Raid4,
            Self::Raid5 => RaidType::Raid5,
            Self::Raid6 => RaidType::Raid6,
            Self::Raid01 => RaidType::Raid01,
            Self::Raid03 => RaidType::Raid03,
            Self::Raid05 => RaidType::Raid05,
            Self::Raid10 => RaidType::Raid10,
            Self::Raid15 => RaidType::Raid15,
            Self::Raid30 => RaidType::Raid30,
            Self::Raid50 => RaidType::Raid50,
            Self::Raid51 => RaidType::Raid51,
            Self::Raid53 => RaidType::Raid53,
            Self::Raid60 => RaidType::Raid60,
            Self::Raid61 => RaidType::Raid61,
            _ => RaidType::Unknown,
        }
    }
}

impl PlexType {
    /// The LUN type of the same name and number.
    pub const fn lun_type(self) -> LunType {
        LunType::from_number(self.number())
    }

    /// The plex type of the same name and number as a LUN type, if there is one: mirrors, and
    /// mirrors of parity sets, consist of plexes of another type.
    pub const fn of_lun_type(lun_type: LunType) -> Option<Self> {
        match Self::from_number(lun_type.number()) {
            Self::Unknown | Self::Unrecognized(_) => None,
            plex_type => Some(plex_type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: u32, expected: Result<LunTypeClass, HResult>) {
        assert_eq!(LunType::requested(number).map(LunType::class), expected, "{number}");
        assert_eq!(LunType::from_number(number).number(), number);
    }

    #[test]
    fn requests_are_listed_numbers() {
        for number in [0, 4, 9, 31, u32::MAX] {
            check(number, Err(HResult::E_INVALIDARG));
        }
        for number in 1..=3 {
            check(number, Ok(LunTypeClass::Automagic));
        }
        for number in 10..=30 {
            check(number, Ok(LunTypeClass::Concrete));
        }
    }

    #[test]
    fn unknown_numbers_are_shown_as_unknown() {
        assert_eq!(LunType::from_number(31).to_string(), "unknown (31)");
        assert_eq!(LunType::from_number(13), LunType::Mirror);
        assert_eq!(LunType::Mirror.name(), Some("VDS_LT_MIRROR"));
        assert_eq!("raid10".parse(), Ok(LunType::Raid10));
        assert_eq!("VDS_LT_SPAN".parse(), Ok(LunType::Span));
        let error = "mirorr".parse::<LunType>().expect_err("misspelt");
        assert!(error.to_string().starts_with("\"mirorr\" is no LUN type; known are unknown,"));
    }

    /// Goal: the flags of a subsystem announce exactly what it creates.
    #[test]
    fn announcements_are_exact() {
        for lun_type in LunType::ALL.iter().copied().filter(|t| t.class() != LunTypeClass::Reserved)
        {
            let (flags, raid_types) = LunType::announce([lun_type]);
            for other in LunType::ALL {
                let expected = lun_type != LunType::Default
                    && (*other == lun_type || *other == LunType::Default);
                let found = other.is_announced_by(flags, raid_types);
                assert_eq!(found, expected, "{lun_type} announces {other}");
            }
        }
    }

    #[test]
    fn plex_types_are_lun_types() {
        for plex_type in PlexType::ALL {
            assert_eq!(plex_type.label(), plex_type.lun_type().label());
        }
        assert_eq!(PlexType::of_lun_type(LunType::Mirror), None);
        assert_eq!(PlexType::of_lun_type(LunType::Stripe), Some(PlexType::Stripe));
        assert_eq!(PlexType::of_lun_type(LunType::Default), None);
    }
}
