//! The bytes of a request's arguments: what a durable intent keeps.
//!
//! Version 1 of each kind: two bytes of version, then the fields in the order of the [`Request`]'s own, integers
//! little-endian, texts and lists after a count of four bytes, optional values after one byte 0 or 1. Addresses are
//! texts; enumerations of VDS are their numbers in four bytes, ours one byte.

use std::net::SocketAddr;

use vds_model::{
    CHAP_SECRET_BYTES_MAX, ChapSecret, DriveId, Hints, HintsForm, IscsiName, LunId, LunStatus,
    LunType, PlexId, PortalGroupId, PortalId, RawHints, SubsystemId, TargetId,
    UNMASKING_TEXT_BYTES_MAX, UnmaskingList,
};
use vds_operation::{ByteReader, ByteWriter, CodecError, OperationKind};

use crate::request::{DRIVES_MAX, PATH_BYTES_MAX};
use crate::{
    Caching, Chap, ChapCredential, ChapSecretChange, ChapSide, CreateLun, NewDrive, Provisioning,
    Request, SectorSize, TargetChoice, Wipe,
};

/// The version [`Request::encode`] writes.
const ARGUMENTS_VERSION: u16 = 1;
/// In a request for a plex: it takes the place of another LUN.
const ABSORBED: u8 = 2;
/// In a request for secrets: one of them changes.
const ONE_SECRET: u8 = 2;
/// Behind a new name: it is a target's.
const OF_TARGET: u8 = 1;
/// Behind a new name: it is a subsystem's.
const OF_SUBSYSTEM: u8 = 2;

type Result<T> = std::result::Result<T, CodecError>;

impl Request {
    /// The arguments as bytes; the kind stands beside them in the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = ByteWriter::new();
        writer.u16(ARGUMENTS_VERSION);
        self.write(&mut writer);
        writer.into_bytes()
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of request")]
    fn write(&self, writer: &mut ByteWriter) {
        match self {
            Self::CreateLun(create) => write_create_lun(writer, create),
            Self::DeleteLun { lun } | Self::RecoverLun { lun } => writer.raw(&lun.to_bytes()),
            Self::ExtendLun { lun, by_bytes, drives } => {
                writer.raw(&lun.to_bytes());
                writer.u64(*by_bytes);
                writer.option(drives.as_deref(), write_drives);
            }
            Self::AddPlex { lun, drives } => write_lun_and(writer, *lun, |writer| {
                writer.option(drives.as_deref(), write_drives);
            }),
            Self::AbsorbLun { lun, other } => write_absorb(writer, *lun, *other),
            Self::RemovePlex { plex } => writer.raw(&plex.to_bytes()),
            Self::SetLunMask { lun, unmasking_list } => {
                write_lun_and(writer, *lun, |writer| writer.text(&unmasking_list.to_string()));
            }
            Self::ChangeLunMask { lun, add, remove } => write_lun_and(writer, *lun, |writer| {
                writer.text(&add.to_string());
                writer.text(&remove.to_string());
            }),
            Self::SetLunName { lun, name } => {
                write_lun_and(writer, *lun, |writer| writer.text(name));
            }
            Self::SetTargetName { target, name } => {
                writer.raw(&target.to_bytes());
                writer.text(name);
                writer.u8(OF_TARGET);
            }
            Self::SetSubsystemName { subsystem, name } => {
                writer.raw(&subsystem.to_bytes());
                writer.text(name);
                writer.u8(OF_SUBSYSTEM);
            }
            Self::SetLunTarget { lun, target } => write_lun_and(writer, *lun, |writer| {
                writer.option(*target, |writer, target| writer.raw(&target.to_bytes()));
            }),
            Self::SetLunStatus { lun, status } => {
                write_lun_and(writer, *lun, |writer| writer.u32(status.number()));
            }
            Self::SetLunCaching { lun, caching } => {
                write_lun_and(writer, *lun, |writer| writer.u8(caching_number(*caching)));
            }
            Self::ApplyLunHints { lun, hints } => {
                write_lun_and(writer, *lun, |writer| write_hints(writer, hints));
            }
            Self::CreateTarget { subsystem, iqn, name } => {
                writer.raw(&subsystem.to_bytes());
                writer.text(iqn);
                writer.text(name);
            }
            Self::DeleteTarget { target } | Self::CreatePortalGroup { target } => {
                writer.raw(&target.to_bytes());
            }
            Self::SetTargetChap { target, chap } => {
                writer.raw(&target.to_bytes());
                writer.option(chap.as_ref(), write_chap);
            }
            Self::SetTargetSecret { target, change } => {
                writer.raw(&target.to_bytes());
                write_secret_change(writer, change);
            }
            Self::AddPortal { subsystem, listen, announce } => {
                writer.raw(&subsystem.to_bytes());
                writer.text(&listen.to_string());
                writer.option(*announce, |writer, address| writer.text(&address.to_string()));
            }
            Self::RemovePortal { portal } => writer.raw(&portal.to_bytes()),
            Self::DeletePortalGroup { group } => writer.raw(&group.to_bytes()),
            Self::AddToPortalGroup { group, portal }
            | Self::RemoveFromPortalGroup { group, portal } => {
                writer.raw(&group.to_bytes());
                writer.raw(&portal.to_bytes());
            }
            Self::CreateSubsystem { name, drives } => {
                writer.text(name);
                writer.list(drives, write_new_drive);
            }
            Self::AddDrive { subsystem, drive } => {
                writer.raw(&subsystem.to_bytes());
                write_new_drive(writer, drive);
            }
            Self::FailDrive { drive } | Self::RemoveDrive { drive } => {
                writer.raw(&drive.to_bytes());
            }
            Self::SetDriveSpare { drive, is_spare } => {
                writer.raw(&drive.to_bytes());
                writer.bool(*is_spare);
            }
            Self::OpenSubsystem { subsystem, without } => {
                writer.raw(&subsystem.to_bytes());
                write_drives(writer, without);
            }
            Self::ScrubSubsystem { subsystem } => writer.raw(&subsystem.to_bytes()),
            Self::Refresh | Self::Reenumerate => {}
        }
    }

    /// Reads what [`Request::encode`] wrote for a request of this kind.
    ///
    /// # Errors
    /// [`CodecError`] for anything else, or a kind that no request has; never panics.
    pub fn decode(kind: OperationKind, arguments: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new(arguments);
        let version = reader.u16("version")?;
        if version != ARGUMENTS_VERSION {
            return Err(CodecError::Version { found: version });
        }
        let request = read(kind, &mut reader)?;
        reader.finish()?;
        Ok(request)
    }
}

fn read(kind: OperationKind, reader: &mut ByteReader<'_>) -> Result<Request> {
    Ok(match kind {
        OperationKind::CreateLun => Request::CreateLun(read_create_lun(reader)?),
        OperationKind::DeleteLun => Request::DeleteLun { lun: lun(reader)? },
        OperationKind::ExtendLun => Request::ExtendLun {
            lun: lun(reader)?,
            by_bytes: reader.u64("by_bytes")?,
            drives: reader.option("drives", drives)?,
        },
        OperationKind::AddPlex => read_add_plex(lun(reader)?, reader)?,
        OperationKind::RemovePlex => Request::RemovePlex { plex: plex(reader)? },
        OperationKind::RecoverLun => Request::RecoverLun { lun: lun(reader)? },
        OperationKind::SetMask => read_mask(lun(reader)?, reader)?,
        OperationKind::SetName => read_name(reader)?,
        OperationKind::SetLunTarget => {
            Request::SetLunTarget { lun: lun(reader)?, target: reader.option("target", target)? }
        }
        OperationKind::SetStatus => Request::SetLunStatus {
            lun: lun(reader)?,
            status: LunStatus::from_number(reader.u32("status")?),
        },
        OperationKind::SetCaching => {
            Request::SetLunCaching { lun: lun(reader)?, caching: caching(reader)? }
        }
        OperationKind::SetHints => {
            Request::ApplyLunHints { lun: lun(reader)?, hints: read_hints(reader)? }
        }
        OperationKind::CreateTarget => Request::CreateTarget {
            subsystem: subsystem(reader)?,
            iqn: name(reader, "iqn")?,
            name: name(reader, "name")?,
        },
        OperationKind::DeleteTarget => Request::DeleteTarget { target: target(reader)? },
        OperationKind::SetTargetChap => read_secrets(target(reader)?, reader)?,
        OperationKind::AddPortal => Request::AddPortal {
            subsystem: subsystem(reader)?,
            listen: address(reader, "listen")?,
            announce: reader.option("announce", |reader| address(reader, "announce"))?,
        },
        OperationKind::RemovePortal => Request::RemovePortal { portal: portal(reader)? },
        OperationKind::CreatePortalGroup => Request::CreatePortalGroup { target: target(reader)? },
        OperationKind::DeletePortalGroup => Request::DeletePortalGroup { group: group(reader)? },
        OperationKind::AddToPortalGroup => {
            Request::AddToPortalGroup { group: group(reader)?, portal: portal(reader)? }
        }
        OperationKind::RemoveFromPortalGroup => {
            Request::RemoveFromPortalGroup { group: group(reader)?, portal: portal(reader)? }
        }
        OperationKind::MakeArray => Request::CreateSubsystem {
            name: name(reader, "name")?,
            drives: reader.list("drives", DRIVES_MAX, read_new_drive)?,
        },
        OperationKind::AddDrive => {
            Request::AddDrive { subsystem: subsystem(reader)?, drive: read_new_drive(reader)? }
        }
        OperationKind::FailDrive => Request::FailDrive { drive: drive(reader)? },
        OperationKind::SetDriveSpare => {
            Request::SetDriveSpare { drive: drive(reader)?, is_spare: reader.bool("spare")? }
        }
        OperationKind::RemoveDrive => Request::RemoveDrive { drive: drive(reader)? },
        OperationKind::OpenArray => {
            Request::OpenSubsystem { subsystem: subsystem(reader)?, without: drives(reader)? }
        }
        OperationKind::Scrub => Request::ScrubSubsystem { subsystem: subsystem(reader)? },
        OperationKind::Refresh => Request::Refresh,
        OperationKind::Reenumerate => Request::Reenumerate,
        other => {
            return Err(CodecError::Value { field: "kind", found: u64::from(other.number()) });
        }
    })
}

fn write_lun_and(writer: &mut ByteWriter, lun: LunId, rest: impl FnOnce(&mut ByteWriter)) {
    writer.raw(&lun.to_bytes());
    rest(writer);
}

fn unknown(field: &'static str, found: u8) -> CodecError {
    CodecError::Value { field, found: u64::from(found) }
}

fn lun(reader: &mut ByteReader<'_>) -> Result<LunId> {
    reader.array("lun").map(LunId::from_bytes)
}

fn plex(reader: &mut ByteReader<'_>) -> Result<PlexId> {
    reader.array("plex").map(PlexId::from_bytes)
}

fn portal(reader: &mut ByteReader<'_>) -> Result<PortalId> {
    reader.array("portal").map(PortalId::from_bytes)
}

fn group(reader: &mut ByteReader<'_>) -> Result<PortalGroupId> {
    reader.array("group").map(PortalGroupId::from_bytes)
}

fn subsystem(reader: &mut ByteReader<'_>) -> Result<SubsystemId> {
    reader.array("subsystem").map(SubsystemId::from_bytes)
}

fn target(reader: &mut ByteReader<'_>) -> Result<TargetId> {
    reader.array("target").map(TargetId::from_bytes)
}

fn drive(reader: &mut ByteReader<'_>) -> Result<DriveId> {
    reader.array("drive").map(DriveId::from_bytes)
}

fn name(reader: &mut ByteReader<'_>, field: &'static str) -> Result<String> {
    reader.text(field, PATH_BYTES_MAX)
}

fn address(reader: &mut ByteReader<'_>, field: &'static str) -> Result<SocketAddr> {
    let text = name(reader, field)?;
    text.parse().map_err(|_| CodecError::Value { field, found: text.len() as u64 })
}

fn mask(reader: &mut ByteReader<'_>) -> Result<UnmaskingList> {
    let text = reader.text("mask", UNMASKING_TEXT_BYTES_MAX)?;
    UnmaskingList::parse(&text)
        .map_err(|_| CodecError::Value { field: "mask", found: text.len() as u64 })
}

/// One list is the whole new one, two are a change of the old one.
fn read_mask(lun: LunId, reader: &mut ByteReader<'_>) -> Result<Request> {
    let first = mask(reader)?;
    if reader.is_empty() {
        return Ok(Request::SetLunMask { lun, unmasking_list: first });
    }
    Ok(Request::ChangeLunMask { lun, add: first, remove: mask(reader)? })
}

/// What stands behind the name says whose it is; nothing for a LUN's.
fn read_name(reader: &mut ByteReader<'_>) -> Result<Request> {
    let id = reader.array("id")?;
    let name = name(reader, "name")?;
    if reader.is_empty() {
        return Ok(Request::SetLunName { lun: LunId::from_bytes(id), name });
    }
    match reader.u8("named")? {
        OF_TARGET => Ok(Request::SetTargetName { target: TargetId::from_bytes(id), name }),
        OF_SUBSYSTEM => {
            Ok(Request::SetSubsystemName { subsystem: SubsystemId::from_bytes(id), name })
        }
        other => Err(unknown("named", other)),
    }
}

/// A mark where [`Request::AddPlex`] says whether drives follow.
fn write_absorb(writer: &mut ByteWriter, lun: LunId, other: LunId) {
    write_lun_and(writer, lun, |writer| {
        writer.u8(ABSORBED);
        writer.raw(&other.to_bytes());
    });
}

/// Drives, if any, or a LUN to be absorbed.
fn read_add_plex(to: LunId, reader: &mut ByteReader<'_>) -> Result<Request> {
    match reader.u8("drives")? {
        0 => Ok(Request::AddPlex { lun: to, drives: None }),
        1 => Ok(Request::AddPlex { lun: to, drives: Some(drives(reader)?) }),
        ABSORBED => Ok(Request::AbsorbLun { lun: to, other: lun(reader)? }),
        other => Err(unknown("drives", other)),
    }
}

fn write_drives(writer: &mut ByteWriter, drives: &[DriveId]) {
    writer.list(drives, |writer, drive| writer.raw(&drive.to_bytes()));
}

fn drives(reader: &mut ByteReader<'_>) -> Result<Vec<DriveId>> {
    reader.list("drives", DRIVES_MAX, drive)
}

fn caching_number(caching: Caching) -> u8 {
    match caching {
        Caching::WriteBack => 1,
        Caching::WriteThrough => 0,
    }
}

fn caching(reader: &mut ByteReader<'_>) -> Result<Caching> {
    match reader.u8("caching")? {
        0 => Ok(Caching::WriteThrough),
        1 => Ok(Caching::WriteBack),
        other => Err(unknown("caching", other)),
    }
}

fn write_create_lun(writer: &mut ByteWriter, create: &CreateLun) {
    writer.raw(&create.subsystem.to_bytes());
    writer.text(&create.name);
    writer.u32(create.lun_type.number());
    writer.u64(create.size_bytes);
    writer.option(create.drives.as_deref(), write_drives);
    writer.text(&create.unmasking_list.to_string());
    writer.option(create.hints.as_ref(), write_hints);
    writer.option(create.copies, ByteWriter::u16);
    writer.option(create.columns, ByteWriter::u16);
    writer.u8(match create.provisioning {
        Provisioning::Thick => 0,
        Provisioning::Thin => 1,
    });
    writer.u8(match create.sector_size {
        SectorSize::Bytes512 => 0,
        SectorSize::Bytes4096 => 1,
    });
    writer.u8(caching_number(create.caching));
    match &create.target {
        TargetChoice::None => writer.u8(0),
        TargetChoice::New => writer.u8(1),
        TargetChoice::Named(iqn) => {
            writer.u8(2);
            writer.text(iqn);
        }
        TargetChoice::Existing(id) => {
            writer.u8(3);
            writer.raw(&id.to_bytes());
        }
    }
}

fn read_create_lun(reader: &mut ByteReader<'_>) -> Result<CreateLun> {
    Ok(CreateLun {
        subsystem: subsystem(reader)?,
        name: name(reader, "name")?,
        lun_type: LunType::from_number(reader.u32("type")?),
        size_bytes: reader.u64("size")?,
        drives: reader.option("drives", drives)?,
        unmasking_list: mask(reader)?,
        hints: reader.option("hints", read_hints)?,
        copies: reader.option("copies", |reader| reader.u16("copies"))?,
        columns: reader.option("columns", |reader| reader.u16("columns"))?,
        provisioning: match reader.u8("provisioning")? {
            0 => Provisioning::Thick,
            1 => Provisioning::Thin,
            other => return Err(unknown("provisioning", other)),
        },
        sector_size: match reader.u8("sector")? {
            0 => SectorSize::Bytes512,
            1 => SectorSize::Bytes4096,
            other => return Err(unknown("sector", other)),
        },
        caching: caching(reader)?,
        target: match reader.u8("target")? {
            0 => TargetChoice::None,
            1 => TargetChoice::New,
            2 => TargetChoice::Named(name(reader, "iqn")?),
            3 => TargetChoice::Existing(target(reader)?),
            other => return Err(unknown("target", other)),
        },
    })
}

fn write_chap(writer: &mut ByteWriter, chap: &Chap) {
    write_credential(writer, &chap.initiator);
    writer.option(chap.target.as_ref(), write_credential);
}

/// A mark where [`Request::SetTargetChap`] says whether secrets follow, then the one that changes.
fn write_secret_change(writer: &mut ByteWriter, change: &ChapSecretChange) {
    writer.u8(ONE_SECRET);
    writer.u8(match change.side {
        ChapSide::Initiator => 0,
        ChapSide::Target => 1,
    });
    writer.option(change.initiator.as_ref(), |writer, name| writer.text(name.as_str()));
    writer.option(change.secret.as_ref(), |writer, secret| writer.bytes(secret.expose()));
}

/// All secrets, none, or one that changes.
fn read_secrets(target: TargetId, reader: &mut ByteReader<'_>) -> Result<Request> {
    match reader.u8("chap")? {
        0 => Ok(Request::SetTargetChap { target, chap: None }),
        1 => Ok(Request::SetTargetChap { target, chap: Some(read_chap(reader)?) }),
        ONE_SECRET => {
            let side = match reader.u8("chap.side")? {
                0 => ChapSide::Initiator,
                1 => ChapSide::Target,
                other => return Err(unknown("chap.side", other)),
            };
            let initiator = reader.option("chap.initiator", read_initiator)?;
            let secret = reader.option("chap.secret", read_secret)?;
            let change = ChapSecretChange { side, initiator, secret };
            Ok(Request::SetTargetSecret { target, change })
        }
        other => Err(unknown("chap", other)),
    }
}

fn read_initiator(reader: &mut ByteReader<'_>) -> Result<IscsiName> {
    let text = name(reader, "chap.initiator")?;
    IscsiName::parse(&text)
        .map_err(|_| CodecError::Value { field: "chap.initiator", found: text.len() as u64 })
}

fn write_credential(writer: &mut ByteWriter, credential: &ChapCredential) {
    writer.text(&credential.user);
    writer.bytes(credential.secret.expose());
}

fn read_chap(reader: &mut ByteReader<'_>) -> Result<Chap> {
    Ok(Chap {
        initiator: read_credential(reader)?,
        target: reader.option("chap.target", read_credential)?,
    })
}

fn read_credential(reader: &mut ByteReader<'_>) -> Result<ChapCredential> {
    Ok(ChapCredential { user: name(reader, "chap.user")?, secret: read_secret(reader)? })
}

fn read_secret(reader: &mut ByteReader<'_>) -> Result<ChapSecret> {
    let bytes = reader.bytes("chap.secret", CHAP_SECRET_BYTES_MAX)?;
    ChapSecret::new(bytes)
        .map_err(|_| CodecError::Value { field: "chap.secret", found: bytes.len() as u64 })
}

fn write_new_drive(writer: &mut ByteWriter, drive: &NewDrive) {
    writer.text(&drive.path);
    match &drive.wipe {
        Wipe::No => writer.u8(0),
        Wipe::Yes { serial } => {
            writer.u8(1);
            writer.option(serial.as_deref(), ByteWriter::text);
        }
    }
}

fn read_new_drive(reader: &mut ByteReader<'_>) -> Result<NewDrive> {
    let path = name(reader, "path")?;
    let wipe = match reader.u8("wipe")? {
        0 => Wipe::No,
        1 => Wipe::Yes { serial: reader.option("serial", |reader| name(reader, "serial"))? },
        other => return Err(unknown("wipe", other)),
    };
    Ok(NewDrive { path, wipe })
}

fn write_hints(writer: &mut ByteWriter, hints: &Hints) {
    let raw = hints.to_raw(HintsForm::Hints2);
    writer.u64(raw.mask);
    writer.u64(raw.values);
    writer.u64(raw.expected_maximum_bytes);
    writer.u32(raw.optimal_read_bytes);
    writer.u32(raw.optimal_read_alignment_bytes);
    writer.u32(raw.optimal_write_bytes);
    writer.u32(raw.optimal_write_alignment_bytes);
    writer.u32(raw.maximum_drive_count);
    writer.u32(raw.stripe_bytes);
    writer.u32(raw.bus_type);
    writer.u8(hints.rebuild_priority.number());
}

fn read_hints(reader: &mut ByteReader<'_>) -> Result<Hints> {
    let raw = RawHints {
        mask: reader.u64("hints.mask")?,
        values: reader.u64("hints.values")?,
        expected_maximum_bytes: reader.u64("hints.maximum")?,
        optimal_read_bytes: reader.u32("hints.read")?,
        optimal_read_alignment_bytes: reader.u32("hints.read_alignment")?,
        optimal_write_bytes: reader.u32("hints.write")?,
        optimal_write_alignment_bytes: reader.u32("hints.write_alignment")?,
        maximum_drive_count: reader.u32("hints.drives")?,
        stripe_bytes: reader.u32("hints.stripe")?,
        bus_type: reader.u32("hints.bus")?,
        rebuild_priority: i16::from(reader.u8("hints.priority")?),
    };
    Hints::from_raw(HintsForm::Hints2, &raw)
        .map_err(|_| CodecError::Value { field: "hints", found: raw.mask })
}
