//! What is asked for, in the form of the wire.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use vds_model::{
    ChapSecret, DriveId, Hints, LunId, LunStatus, LunType, PlexId, PortalId, SecretError,
    SubsystemId, TargetId, UnmaskingList,
};
use vds_provider::{self as contract, SectorSize, Wipe};

use crate::text;

/// How a LUN's space is set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provisioning {
    /// All of it, at creation.
    #[default]
    Thick,
    /// As it is written.
    Thin,
}

/// When a LUN acknowledges a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caching {
    /// Before it is durable; a flush makes it so.
    #[default]
    WriteBack,
    /// Once it is durable.
    WriteThrough,
}

/// The iSCSI target a new LUN is reached through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "choice", rename_all = "snake_case")]
pub enum TargetChoice {
    /// None for now.
    #[default]
    None,
    /// A new one, named by the plug-in.
    New,
    /// A new one with this name.
    Named {
        /// Its iSCSI name.
        iscsi_name: String,
    },
    /// One that exists.
    Existing {
        /// Which.
        #[serde(with = "text::plain")]
        target: TargetId,
    },
}

/// A drive to be taken into an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDrive {
    /// Its path.
    pub path: String,
    /// Whether what it carries may be destroyed.
    #[serde(default)]
    pub wipe: bool,
    /// The serial number the operator read off it.
    #[serde(default)]
    pub serial: Option<String>,
}

/// A name with its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The name.
    pub user: String,
    /// The secret, 12 to 16 bytes.
    #[serde(rename = "secret_hex", with = "text::hex")]
    pub secret: Vec<u8>,
}

/// Hides the secret.
impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Credential({:?}, secret hidden)", self.user)
    }
}

/// How initiators log in to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chap {
    /// What the initiator must know.
    pub initiator: Credential,
    /// What the target proves to know in turn.
    #[serde(default)]
    pub target: Option<Credential>,
}

fn sector_bytes() -> u32 {
    512
}

/// One thing that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the page of the protocol says what each field is")]
pub enum Request {
    CreateLun {
        #[serde(with = "text::plain")]
        subsystem: SubsystemId,
        #[serde(default)]
        name: String,
        #[serde(rename = "type", with = "text::word")]
        lun_type: LunType,
        size_bytes: u64,
        #[serde(default, with = "text::plain_list_option")]
        drives: Option<Vec<DriveId>>,
        #[serde(default, with = "text::unmasking")]
        unmasking_list: UnmaskingList,
        #[serde(default = "Hints::none", with = "text::hints")]
        hints: Hints,
        #[serde(default)]
        copies: Option<u16>,
        #[serde(default)]
        columns: Option<u16>,
        #[serde(default)]
        provisioning: Provisioning,
        #[serde(default = "sector_bytes")]
        sector_bytes: u32,
        #[serde(default)]
        caching: Caching,
        #[serde(default)]
        target: TargetChoice,
    },
    DeleteLun {
        #[serde(with = "text::plain")]
        lun: LunId,
    },
    ExtendLun {
        #[serde(with = "text::plain")]
        lun: LunId,
        by_bytes: u64,
        #[serde(default, with = "text::plain_list_option")]
        drives: Option<Vec<DriveId>>,
    },
    AddPlex {
        #[serde(with = "text::plain")]
        lun: LunId,
        #[serde(default, with = "text::plain_list_option")]
        drives: Option<Vec<DriveId>>,
    },
    RemovePlex {
        #[serde(with = "text::plain")]
        plex: PlexId,
    },
    RecoverLun {
        #[serde(with = "text::plain")]
        lun: LunId,
    },
    SetMask {
        #[serde(with = "text::plain")]
        lun: LunId,
        #[serde(with = "text::unmasking")]
        unmasking_list: UnmaskingList,
    },
    ChangeMask {
        #[serde(with = "text::plain")]
        lun: LunId,
        #[serde(default, with = "text::unmasking")]
        add: UnmaskingList,
        #[serde(default, with = "text::unmasking")]
        remove: UnmaskingList,
    },
    SetName {
        #[serde(with = "text::plain")]
        lun: LunId,
        name: String,
    },
    SetStatus {
        #[serde(with = "text::plain")]
        lun: LunId,
        #[serde(with = "text::word")]
        status: LunStatus,
    },
    SetCaching {
        #[serde(with = "text::plain")]
        lun: LunId,
        caching: Caching,
    },
    SetHints {
        #[serde(with = "text::plain")]
        lun: LunId,
        #[serde(with = "text::hints")]
        hints: Hints,
    },
    CreateTarget {
        #[serde(with = "text::plain")]
        subsystem: SubsystemId,
        #[serde(default)]
        iscsi_name: String,
        #[serde(default)]
        name: String,
    },
    DeleteTarget {
        #[serde(with = "text::plain")]
        target: TargetId,
    },
    SetTargetChap {
        #[serde(with = "text::plain")]
        target: TargetId,
        #[serde(default)]
        chap: Option<Chap>,
    },
    AddPortal {
        #[serde(with = "text::plain")]
        subsystem: SubsystemId,
        #[serde(with = "text::plain")]
        listen: SocketAddr,
        #[serde(default, with = "text::plain_option")]
        announce: Option<SocketAddr>,
    },
    RemovePortal {
        #[serde(with = "text::plain")]
        portal: PortalId,
    },
    MakeArray {
        name: String,
        drives: Vec<NewDrive>,
    },
    AddDrive {
        #[serde(with = "text::plain")]
        subsystem: SubsystemId,
        drive: NewDrive,
    },
    FailDrive {
        #[serde(with = "text::plain")]
        drive: DriveId,
    },
    SetDriveSpare {
        #[serde(with = "text::plain")]
        drive: DriveId,
        is_spare: bool,
    },
    RemoveDrive {
        #[serde(with = "text::plain")]
        drive: DriveId,
    },
    OpenArray {
        #[serde(with = "text::plain")]
        subsystem: SubsystemId,
        #[serde(default, with = "text::plain_list")]
        without: Vec<DriveId>,
    },
    Scrub {
        #[serde(with = "text::plain")]
        subsystem: SubsystemId,
    },
    Refresh,
    Reenumerate,
}

impl From<contract::Provisioning> for Provisioning {
    fn from(provisioning: contract::Provisioning) -> Self {
        match provisioning {
            contract::Provisioning::Thick => Self::Thick,
            contract::Provisioning::Thin => Self::Thin,
        }
    }
}

impl From<Provisioning> for contract::Provisioning {
    fn from(provisioning: Provisioning) -> Self {
        match provisioning {
            Provisioning::Thick => Self::Thick,
            Provisioning::Thin => Self::Thin,
        }
    }
}

impl From<contract::Caching> for Caching {
    fn from(caching: contract::Caching) -> Self {
        match caching {
            contract::Caching::WriteBack => Self::WriteBack,
            contract::Caching::WriteThrough => Self::WriteThrough,
        }
    }
}

impl From<Caching> for contract::Caching {
    fn from(caching: Caching) -> Self {
        match caching {
            Caching::WriteBack => Self::WriteBack,
            Caching::WriteThrough => Self::WriteThrough,
        }
    }
}

impl From<contract::TargetChoice> for TargetChoice {
    fn from(choice: contract::TargetChoice) -> Self {
        match choice {
            contract::TargetChoice::None => Self::None,
            contract::TargetChoice::New => Self::New,
            contract::TargetChoice::Named(iscsi_name) => Self::Named { iscsi_name },
            contract::TargetChoice::Existing(target) => Self::Existing { target },
        }
    }
}

impl From<contract::NewDrive> for NewDrive {
    fn from(drive: contract::NewDrive) -> Self {
        let (wipe, serial) = match drive.wipe {
            Wipe::No => (false, None),
            Wipe::Yes { serial } => (true, serial),
        };
        Self { path: drive.path, wipe, serial }
    }
}

impl From<contract::ChapCredential> for Credential {
    fn from(credential: contract::ChapCredential) -> Self {
        Self { user: credential.user, secret: credential.secret.expose().to_vec() }
    }
}

impl From<contract::Chap> for Chap {
    fn from(chap: contract::Chap) -> Self {
        Self { initiator: chap.initiator.into(), target: chap.target.map(Credential::from) }
    }
}

impl TryFrom<Credential> for contract::ChapCredential {
    type Error = SecretError;

    fn try_from(credential: Credential) -> Result<Self, SecretError> {
        Ok(Self { user: credential.user, secret: ChapSecret::new(credential.secret)? })
    }
}

impl TryFrom<Chap> for contract::Chap {
    type Error = SecretError;

    fn try_from(chap: Chap) -> Result<Self, SecretError> {
        let target = chap.target.map(contract::ChapCredential::try_from).transpose()?;
        Ok(Self { initiator: chap.initiator.try_into()?, target })
    }
}

/// The sectors initiators see; `None` for a size that is not offered.
pub(crate) fn sector_size(bytes: u32) -> Option<SectorSize> {
    match bytes {
        512 => Some(SectorSize::Bytes512),
        4096 => Some(SectorSize::Bytes4096),
        _ => None,
    }
}

fn create_lun(create: contract::CreateLun) -> Request {
    Request::CreateLun {
        subsystem: create.subsystem,
        name: create.name,
        lun_type: create.lun_type,
        size_bytes: create.size_bytes,
        drives: create.drives,
        unmasking_list: create.unmasking_list,
        hints: create.hints.unwrap_or_default(),
        copies: create.copies,
        columns: create.columns,
        provisioning: create.provisioning.into(),
        sector_bytes: create.sector_size.bytes(),
        caching: create.caching.into(),
        target: create.target.into(),
    }
}

impl Request {
    /// The request in the form of the wire; `None` for one that this version of the protocol does not have.
    pub fn of(request: contract::Request) -> Option<Self> {
        use contract::Request as Asked;
        Some(match request {
            Asked::CreateLun(create) => create_lun(create),
            Asked::DeleteLun { lun } => Self::DeleteLun { lun },
            Asked::ExtendLun { lun, by_bytes, drives } => Self::ExtendLun { lun, by_bytes, drives },
            Asked::AddPlex { lun, drives } => Self::AddPlex { lun, drives },
            Asked::RemovePlex { plex } => Self::RemovePlex { plex },
            Asked::RecoverLun { lun } => Self::RecoverLun { lun },
            Asked::SetLunMask { lun, unmasking_list } => Self::SetMask { lun, unmasking_list },
            Asked::ChangeLunMask { lun, add, remove } => Self::ChangeMask { lun, add, remove },
            Asked::SetLunName { lun, name } => Self::SetName { lun, name },
            Asked::SetLunStatus { lun, status } => Self::SetStatus { lun, status },
            Asked::SetLunCaching { lun, caching } => {
                Self::SetCaching { lun, caching: caching.into() }
            }
            Asked::ApplyLunHints { lun, hints } => Self::SetHints { lun, hints },
            Asked::CreateTarget { subsystem, iqn, name } => {
                Self::CreateTarget { subsystem, iscsi_name: iqn, name }
            }
            Asked::DeleteTarget { target } => Self::DeleteTarget { target },
            Asked::SetTargetChap { target, chap } => {
                Self::SetTargetChap { target, chap: chap.map(Chap::from) }
            }
            Asked::AddPortal { subsystem, listen, announce } => {
                Self::AddPortal { subsystem, listen, announce }
            }
            Asked::RemovePortal { portal } => Self::RemovePortal { portal },
            Asked::CreateSubsystem { name, drives } => {
                let drives = drives.into_iter().map(NewDrive::from).collect();
                Self::MakeArray { name, drives }
            }
            Asked::AddDrive { subsystem, drive } => {
                Self::AddDrive { subsystem, drive: drive.into() }
            }
            Asked::FailDrive { drive } => Self::FailDrive { drive },
            Asked::SetDriveSpare { drive, is_spare } => Self::SetDriveSpare { drive, is_spare },
            Asked::RemoveDrive { drive } => Self::RemoveDrive { drive },
            Asked::OpenSubsystem { subsystem, without } => Self::OpenArray { subsystem, without },
            Asked::ScrubSubsystem { subsystem } => Self::Scrub { subsystem },
            Asked::Refresh => Self::Refresh,
            Asked::Reenumerate => Self::Reenumerate,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vds_model::IscsiName;

    use super::*;

    fn check(request: contract::Request, expected: &str) {
        let wire = Request::of(request).expect("this version has it");
        let text = serde_json::to_string(&wire).expect("JSON");
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Request>(&text).expect("its own text"), wire);
    }

    #[test]
    fn requests_are_written_as_the_page_says() {
        let lun = LunId::from_bytes([1; 16]);
        check(
            contract::Request::DeleteLun { lun },
            r#"{"kind":"delete_lun","lun":"01010101-0101-0101-0101-010101010101"}"#,
        );
        check(contract::Request::Refresh, r#"{"kind":"refresh"}"#);
        let subsystem = SubsystemId::from_bytes([2; 16]);
        check(
            contract::Request::CreateLun(contract::CreateLun::new(
                subsystem,
                LunType::Mirror,
                4096,
            )),
            concat!(
                r#"{"kind":"create_lun","subsystem":"02020202-0202-0202-0202-020202020202","name":"","#,
                r#""type":"mirror","size_bytes":4096,"drives":null,"unmasking_list":"","hints":[],"#,
                r#""copies":null,"columns":null,"provisioning":"thick","sector_bytes":512,"#,
                r#""caching":"write_back","target":{"choice":"new"}}"#,
            ),
        );
        let secret = ChapSecret::new(*b"correct-horse").expect("13 bytes");
        let initiator = contract::ChapCredential { user: "u".to_owned(), secret };
        let chap = Some(contract::Chap { initiator, target: None });
        let target = TargetId::from_bytes([3; 16]);
        check(
            contract::Request::SetTargetChap { target, chap },
            concat!(
                r#"{"kind":"set_target_chap","target":"03030303-0303-0303-0303-030303030303","#,
                r#""chap":{"initiator":{"user":"u","secret_hex":"636f72726563742d686f727365"},"target":null}}"#,
            ),
        );
    }

    #[test]
    fn a_secret_comes_back_and_is_not_shown() {
        let secret = ChapSecret::new(*b"correct-horse").expect("13 bytes");
        let credential = contract::ChapCredential { user: "u".to_owned(), secret };
        let chap = contract::Chap { initiator: credential, target: None };
        let wire = Chap::from(chap.clone());
        assert!(!format!("{wire:?}").contains("63"));
        assert_eq!(contract::Chap::try_from(wire), Ok(chap));
    }

    proptest! {
        /// Goal: whatever a LUN is asked for with, the wire keeps it.
        #[test]
        fn a_create_lun_reads_back(
            name in ".{0,40}", size_bytes: u64, number in 0_u32..40,
            drives in prop::option::of(prop::collection::vec(any::<[u8; 16]>(), 0..4)),
            copies: Option<u16>, is_thin: bool, host in "[a-z0-9]{1,12}",
        ) {
            let lun_type = LunType::from_number(number);
            prop_assume!(lun_type.is_recognized());
            let subsystem = SubsystemId::from_bytes([2; 16]);
            let mut create = contract::CreateLun::new(subsystem, lun_type, size_bytes);
            create.name = name;
            create.drives = drives.map(|drives| drives.into_iter().map(DriveId::from_bytes).collect());
            create.copies = copies;
            if is_thin {
                create.provisioning = contract::Provisioning::Thin;
            }
            let initiator = format!("iqn.2025-01.org.example:{host}");
            create.target = contract::TargetChoice::Named(initiator.clone());
            prop_assert!(IscsiName::parse(&initiator).is_ok());
            create.unmasking_list = UnmaskingList::parse(&initiator).expect("a name is a list");
            let wire = Request::of(contract::Request::CreateLun(create)).expect("it has it");
            let text = serde_json::to_string(&wire).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Request>(&text).expect("its own text"), wire);
        }
    }
}
