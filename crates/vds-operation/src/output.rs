//! The typed output of an operation: its type is fixed when the operation is created.

use vds_model::{
    DriveId, LunId, PlexId, PoolId, PortalGroupId, PortalId, ProviderId, SubsystemId, TargetId,
};

use crate::{ByteReader, ByteWriter, CodecError};

/// Output types of ours, which VDS has no number for, are this plus the number of the kind.
const OURS: u32 = 0x1_0000;

macro_rules! output_types {
    ($($name:ident = $number:expr;)*) => {
        /// What kind of output an operation has: `VDS_ASYNC_OUTPUT_TYPE`, extended above 2¹⁶ by types of ours.
        ///
        /// Source: VDS_ASYNC_OUTPUT_TYPE (`vds.h`) for the numbers below 2¹⁶.
        #[expect(missing_docs, reason = "each is named after its operation kind")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum OutputType {
            $($name,)*
        }

        impl OutputType {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its number, durable and the same in every interface.
            pub const fn number(self) -> u32 {
                match self { $(Self::$name => $number,)* }
            }
        }
    };
}

output_types! {
    CreateLun = 50;
    AddLunPlex = 52;
    RemoveLunPlex = 53;
    ExtendLun = 54;
    ShrinkLun = 55;
    RecoverLun = 56;
    CreateTarget = 62;
    CreatePortalGroup = 63;
    DeleteTarget = 64;
    AddToPortalGroup = 65;
    RemoveFromPortalGroup = 66;
    DeletePortalGroup = 67;
    DeleteLun = OURS + 2;
    ChangeLayout = OURS + 8;
    CreateSnapshot = OURS + 9;
    CreateClone = OURS + 10;
    DrainDrive = OURS + 20;
    ReplaceDrive = OURS + 21;
    AddDrive = OURS + 22;
    RemoveDrive = OURS + 23;
    FailDrive = OURS + 24;
    SetDriveSpare = OURS + 25;
    Scrub = OURS + 30;
    SetMask = OURS + 40;
    SetName = OURS + 41;
    SetStatus = OURS + 42;
    SetHints = OURS + 43;
    SetCaching = OURS + 44;
    SetLunTarget = OURS + 45;
    AddPortal = OURS + 53;
    RemovePortal = OURS + 54;
    SetTargetChap = OURS + 52;
    MakeArray = OURS + 60;
    OpenArray = OURS + 61;
    Refresh = OURS + 62;
    Reenumerate = OURS + 63;
    Rebuild = OURS + 100;
    RepairBlock = OURS + 101;
    Cleaning = OURS + 102;
    LogRecovery = OURS + 103;
    FreeSpace = OURS + 104;
    Rebalance = OURS + 105;
    RebuildMap = OURS + 106;
    ProviderWork = OURS + 200;
}

impl OutputType {
    /// The type with this number, `None` if there is none (0, which VDS reserves, among them).
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|output_type| output_type.number() == number)
    }

    /// What the output of this type carries beside its type.
    pub fn payload(self) -> Payload {
        match self {
            Self::CreateLun | Self::CreateSnapshot | Self::CreateClone => Payload::Lun,
            Self::CreateTarget => Payload::Target,
            Self::CreatePortalGroup => Payload::PortalGroup,
            Self::MakeArray | Self::OpenArray => Payload::Subsystem,
            Self::AddDrive => Payload::Drive,
            Self::AddPortal => Payload::Portal,
            Self::Scrub => Payload::Report,
            _ => Payload::None,
        }
    }
}

/// What an output carries beside its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payload {
    /// Nothing.
    None,
    /// The new LUN, snapshot or clone.
    Lun,
    /// The new target.
    Target,
    /// The new portal group.
    PortalGroup,
    /// The array that was made or opened.
    Subsystem,
    /// The drive that was added.
    Drive,
    /// The portal that was added.
    Portal,
    /// Counts of what was read, repaired and lost.
    Report,
}

/// An object by kind and id: what an operation works on, or what came out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectRef {
    /// A provider.
    Provider(ProviderId),
    /// A subsystem.
    Subsystem(SubsystemId),
    /// A drive.
    Drive(DriveId),
    /// A LUN.
    Lun(LunId),
    /// A plex.
    Plex(PlexId),
    /// A target.
    Target(TargetId),
    /// A portal group.
    PortalGroup(PortalGroupId),
    /// A portal.
    Portal(PortalId),
    /// A storage pool.
    Pool(PoolId),
}

impl ObjectRef {
    /// The noun of the object, as on the command line.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Provider(_) => "provider",
            Self::Subsystem(_) => "subsystem",
            Self::Drive(_) => "drive",
            Self::Lun(_) => "lun",
            Self::Plex(_) => "plex",
            Self::Target(_) => "target",
            Self::PortalGroup(_) => "portal-group",
            Self::Portal(_) => "portal",
            Self::Pool(_) => "pool",
        }
    }

    /// The 16 bytes of its id.
    pub fn id_bytes(self) -> [u8; 16] {
        match self {
            Self::Provider(id) => id.to_bytes(),
            Self::Subsystem(id) => id.to_bytes(),
            Self::Drive(id) => id.to_bytes(),
            Self::Lun(id) => id.to_bytes(),
            Self::Plex(id) => id.to_bytes(),
            Self::Target(id) => id.to_bytes(),
            Self::PortalGroup(id) => id.to_bytes(),
            Self::Portal(id) => id.to_bytes(),
            Self::Pool(id) => id.to_bytes(),
        }
    }

    /// The id as text.
    pub fn id_text(self) -> String {
        LunId::from_bytes(self.id_bytes()).to_string()
    }

    fn tag(self) -> u8 {
        match self {
            Self::Provider(_) => 1,
            Self::Subsystem(_) => 2,
            Self::Drive(_) => 3,
            Self::Lun(_) => 4,
            Self::Plex(_) => 5,
            Self::Target(_) => 6,
            Self::PortalGroup(_) => 7,
            Self::Portal(_) => 8,
            Self::Pool(_) => 9,
        }
    }

    /// Writes a tag of one byte and the id.
    pub fn write(self, writer: &mut ByteWriter) {
        writer.u8(self.tag());
        writer.raw(&self.id_bytes());
    }

    /// Reads what [`ObjectRef::write`] wrote.
    ///
    /// # Errors
    /// [`CodecError`] for an unknown tag or too few bytes.
    pub fn read(reader: &mut ByteReader<'_>) -> Result<Self, CodecError> {
        let tag = reader.u8("object.tag")?;
        let id = reader.array("object.id")?;
        Ok(match tag {
            1 => Self::Provider(ProviderId::from_bytes(id)),
            2 => Self::Subsystem(SubsystemId::from_bytes(id)),
            3 => Self::Drive(DriveId::from_bytes(id)),
            4 => Self::Lun(LunId::from_bytes(id)),
            5 => Self::Plex(PlexId::from_bytes(id)),
            6 => Self::Target(TargetId::from_bytes(id)),
            7 => Self::PortalGroup(PortalGroupId::from_bytes(id)),
            8 => Self::Portal(PortalId::from_bytes(id)),
            9 => Self::Pool(PoolId::from_bytes(id)),
            other => {
                return Err(CodecError::Value { field: "object.tag", found: u64::from(other) });
            }
        })
    }
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.noun(), self.id_text())
    }
}

/// What a scrub found. Blocks of 4096 bytes, every copy counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Blocks read and verified.
    pub checked_blocks: u64,
    /// Blocks found bad and rewritten from another copy.
    pub repaired_blocks: u64,
    /// Blocks that no copy could give.
    pub lost_blocks: u64,
}

/// The output of an operation that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// [`OutputType::CreateLun`]: the new LUN.
    CreateLun(LunId),
    /// [`OutputType::CreateSnapshot`]: the new snapshot.
    CreateSnapshot(LunId),
    /// [`OutputType::CreateClone`]: the new clone.
    CreateClone(LunId),
    /// [`OutputType::CreateTarget`]: the new target.
    CreateTarget(TargetId),
    /// [`OutputType::CreatePortalGroup`]: the new portal group.
    CreatePortalGroup(PortalGroupId),
    /// [`OutputType::MakeArray`]: the new array.
    MakeArray(SubsystemId),
    /// [`OutputType::OpenArray`]: the array that is open now.
    OpenArray(SubsystemId),
    /// [`OutputType::AddDrive`]: the drive as a member.
    AddDrive(DriveId),
    /// [`OutputType::AddPortal`]: the new portal.
    AddPortal(PortalId),
    /// [`OutputType::Scrub`]: what was found.
    Scrub(ScrubReport),
    /// A type without payload.
    Done(OutputType),
}

impl Output {
    /// Its type.
    pub fn output_type(&self) -> OutputType {
        match self {
            Self::CreateLun(_) => OutputType::CreateLun,
            Self::CreateSnapshot(_) => OutputType::CreateSnapshot,
            Self::CreateClone(_) => OutputType::CreateClone,
            Self::CreateTarget(_) => OutputType::CreateTarget,
            Self::CreatePortalGroup(_) => OutputType::CreatePortalGroup,
            Self::MakeArray(_) => OutputType::MakeArray,
            Self::OpenArray(_) => OutputType::OpenArray,
            Self::AddDrive(_) => OutputType::AddDrive,
            Self::AddPortal(_) => OutputType::AddPortal,
            Self::Scrub(_) => OutputType::Scrub,
            Self::Done(output_type) => *output_type,
        }
    }

    /// The object it carries, if it carries one.
    pub fn object(&self) -> Option<ObjectRef> {
        match *self {
            Self::CreateLun(id) | Self::CreateSnapshot(id) | Self::CreateClone(id) => {
                Some(ObjectRef::Lun(id))
            }
            Self::CreateTarget(id) => Some(ObjectRef::Target(id)),
            Self::CreatePortalGroup(id) => Some(ObjectRef::PortalGroup(id)),
            Self::MakeArray(id) | Self::OpenArray(id) => Some(ObjectRef::Subsystem(id)),
            Self::AddDrive(id) => Some(ObjectRef::Drive(id)),
            Self::AddPortal(id) => Some(ObjectRef::Portal(id)),
            Self::Scrub(_) | Self::Done(_) => None,
        }
    }

    /// The output of a type that carries an object, `None` when the type carries another kind of object or none.
    pub fn with_object(output_type: OutputType, object: ObjectRef) -> Option<Self> {
        match (output_type, object) {
            (OutputType::CreateLun, ObjectRef::Lun(id)) => Some(Self::CreateLun(id)),
            (OutputType::CreateSnapshot, ObjectRef::Lun(id)) => Some(Self::CreateSnapshot(id)),
            (OutputType::CreateClone, ObjectRef::Lun(id)) => Some(Self::CreateClone(id)),
            (OutputType::CreateTarget, ObjectRef::Target(id)) => Some(Self::CreateTarget(id)),
            (OutputType::CreatePortalGroup, ObjectRef::PortalGroup(id)) => {
                Some(Self::CreatePortalGroup(id))
            }
            (OutputType::MakeArray, ObjectRef::Subsystem(id)) => Some(Self::MakeArray(id)),
            (OutputType::OpenArray, ObjectRef::Subsystem(id)) => Some(Self::OpenArray(id)),
            (OutputType::AddDrive, ObjectRef::Drive(id)) => Some(Self::AddDrive(id)),
            (OutputType::AddPortal, ObjectRef::Portal(id)) => Some(Self::AddPortal(id)),
            _ => None,
        }
    }

    /// Writes the type's number, then the payload.
    pub fn write(&self, writer: &mut ByteWriter) {
        writer.u32(self.output_type().number());
        if let Self::Scrub(report) = self {
            writer.u64(report.checked_blocks);
            writer.u64(report.repaired_blocks);
            writer.u64(report.lost_blocks);
        } else if let Some(object) = self.object() {
            writer.raw(&object.id_bytes());
        }
    }

    /// Reads what [`Output::write`] wrote.
    ///
    /// # Errors
    /// [`CodecError`] for an unknown type or too few bytes.
    pub fn read(reader: &mut ByteReader<'_>) -> Result<Self, CodecError> {
        let number = reader.u32("output.type")?;
        let output_type = OutputType::from_number(number)
            .ok_or(CodecError::Value { field: "output.type", found: u64::from(number) })?;
        let object = match output_type.payload() {
            Payload::None => return Ok(Self::Done(output_type)),
            Payload::Report => {
                return Ok(Self::Scrub(ScrubReport {
                    checked_blocks: reader.u64("output.checked")?,
                    repaired_blocks: reader.u64("output.repaired")?,
                    lost_blocks: reader.u64("output.lost")?,
                }));
            }
            Payload::Lun => ObjectRef::Lun(LunId::from_bytes(reader.array("output.id")?)),
            Payload::Target => ObjectRef::Target(TargetId::from_bytes(reader.array("output.id")?)),
            Payload::PortalGroup => {
                ObjectRef::PortalGroup(PortalGroupId::from_bytes(reader.array("output.id")?))
            }
            Payload::Subsystem => {
                ObjectRef::Subsystem(SubsystemId::from_bytes(reader.array("output.id")?))
            }
            Payload::Drive => ObjectRef::Drive(DriveId::from_bytes(reader.array("output.id")?)),
            Payload::Portal => ObjectRef::Portal(PortalId::from_bytes(reader.array("output.id")?)),
        };
        Self::with_object(output_type, object)
            .ok_or(CodecError::Value { field: "output.type", found: u64::from(number) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_with_an_object_takes_exactly_its_object() {
        let id = [7; 16];
        let objects = [
            ObjectRef::Provider(ProviderId::from_bytes(id)),
            ObjectRef::Subsystem(SubsystemId::from_bytes(id)),
            ObjectRef::Drive(DriveId::from_bytes(id)),
            ObjectRef::Lun(LunId::from_bytes(id)),
            ObjectRef::Plex(PlexId::from_bytes(id)),
            ObjectRef::Target(TargetId::from_bytes(id)),
            ObjectRef::PortalGroup(PortalGroupId::from_bytes(id)),
            ObjectRef::Portal(PortalId::from_bytes(id)),
            ObjectRef::Pool(PoolId::from_bytes(id)),
        ];
        for output_type in OutputType::ALL.iter().copied() {
            assert_eq!(OutputType::from_number(output_type.number()), Some(output_type));
            let outputs: Vec<Output> = match output_type.payload() {
                Payload::None => vec![Output::Done(output_type)],
                Payload::Report => vec![Output::Scrub(ScrubReport::default())],
                _ => objects
                    .iter()
                    .filter_map(|object| Output::with_object(output_type, *object))
                    .collect(),
            };
            assert_eq!(outputs.len(), 1, "{output_type:?}");
            assert_eq!(outputs[0].output_type(), output_type);
            let mut writer = ByteWriter::new();
            outputs[0].write(&mut writer);
            let bytes = writer.into_bytes();
            assert_eq!(Output::read(&mut ByteReader::new(&bytes)), Ok(outputs[0]));
        }
        assert_eq!(OutputType::from_number(0), None);
        assert_eq!(OutputType::from_number(51), None);
    }
}
