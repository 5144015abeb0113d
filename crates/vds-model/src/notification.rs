//! Notifications: what the hardware side reports when something about it changes.
//!
//! An event's number says both what happened and to what kind of object; a number with the wrong
//! kind of id cannot be expressed. Numbers 350 and up came with VDS 3.0. There is no event for
//! pools and none for the progress of a rebuild.

use crate::enumeration::open_enum;
use crate::{ControllerId, DriveId, LunId, PortId, PortalGroupId, PortalId, SubsystemId, TargetId};

open_enum! {
    /// What a notification is about (`VDS_NOTIFICATION_TARGET_TYPE`): the object type where one
    /// exists.
    NotificationTarget, "notification target";
    /// Reserved.
    Unknown = 0, "VDS_NTT_UNKNOWN", "unknown";
    /// A pack.
    Pack = 10, "VDS_NTT_PACK", "pack";
    /// A volume.
    Volume = 11, "VDS_NTT_VOLUME", "volume";
    /// A disk.
    Disk = 13, "VDS_NTT_DISK", "disk";
    /// A subsystem.
    Subsystem = 30, "VDS_NTT_SUB_SYSTEM", "subsystem";
    /// A controller.
    Controller = 31, "VDS_NTT_CONTROLLER", "controller";
    /// A drive.
    Drive = 32, "VDS_NTT_DRIVE", "drive";
    /// A LUN.
    Lun = 33, "VDS_NTT_LUN", "lun";
    /// A controller port.
    Port = 35, "VDS_NTT_PORT", "port";
    /// A portal.
    Portal = 36, "VDS_NTT_PORTAL", "portal";
    /// A target.
    Target = 37, "VDS_NTT_TARGET", "target";
    /// A portal group.
    PortalGroup = 38, "VDS_NTT_PORTAL_GROUP", "portal_group";
    /// A partition.
    Partition = 60, "VDS_NTT_PARTITION", "partition";
    /// A drive letter.
    DriveLetter = 61, "VDS_NTT_DRIVE_LETTER", "drive_letter";
    /// A file system.
    FileSystem = 62, "VDS_NTT_FILE_SYSTEM", "file_system";
    /// A mount point.
    MountPoint = 63, "VDS_NTT_MOUNT_POINT", "mount_point";
    /// The service.
    Service = 200, "VDS_NTT_SERVICE", "service";
}

open_enum! {
    /// What a client should do when the service is out of step (`VDS_RECOVER_ACTION`).
    RecoverAction, "recovery action";
    /// Reserved.
    Unknown = 0, "VDS_RA_UNKNOWN", "unknown";
    /// Refresh.
    Refresh = 1, "VDS_RA_REFRESH", "refresh";
    /// Restart the service.
    Restart = 2, "VDS_RA_RESTART", "restart";
}

/// Notifications a provider may hand over in one call.
pub const NOTIFICATIONS_PER_CALL_MAX: usize = 100;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It came into being, or into view.
    Arrive,
    /// It is gone.
    Depart,
    /// One of its properties is another than before.
    Modify,
    /// It was taken out of use and is still there.
    Removed,
}

impl Change {
    /// The word people and JSON see.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Arrive => "arrive",
            Self::Depart => "depart",
            Self::Modify => "modify",
            Self::Removed => "removed",
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.label())
    }
}

/// An object of the hardware side that notifications are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A subsystem.
    Subsystem(SubsystemId),
    /// A controller.
    Controller(ControllerId),
    /// A controller port.
    Port(PortId),
    /// A drive.
    Drive(DriveId),
    /// A LUN.
    Lun(LunId),
    /// A target.
    Target(TargetId),
    /// A portal group.
    PortalGroup(PortalGroupId),
    /// A portal.
    Portal(PortalId),
}

impl Subject {
    /// VDS's tag of notifications about this.
    pub const fn target(self) -> NotificationTarget {
        match self {
            Self::Subsystem(_) => NotificationTarget::Subsystem,
            Self::Controller(_) => NotificationTarget::Controller,
            Self::Port(_) => NotificationTarget::Port,
            Self::Drive(_) => NotificationTarget::Drive,
            Self::Lun(_) => NotificationTarget::Lun,
            Self::Target(_) => NotificationTarget::Target,
            Self::PortalGroup(_) => NotificationTarget::PortalGroup,
            Self::Portal(_) => NotificationTarget::Portal,
        }
    }

    /// The bytes of its id.
    pub const fn id_bytes(self) -> [u8; 16] {
        match self {
            Self::Subsystem(id) => id.to_bytes(),
            Self::Controller(id) => id.to_bytes(),
            Self::Port(id) => id.to_bytes(),
            Self::Drive(id) => id.to_bytes(),
            Self::Lun(id) => id.to_bytes(),
            Self::Target(id) => id.to_bytes(),
            Self::PortalGroup(id) => id.to_bytes(),
            Self::Portal(id) => id.to_bytes(),
        }
    }

    /// The object of this tag and id; `None` if the tag is not of the hardware side.
    pub const fn new(target: NotificationTarget, id: [u8; 16]) -> Option<Self> {
        Some(match target {
            NotificationTarget::Subsystem => Self::Subsystem(SubsystemId::from_bytes(id)),
            NotificationTarget::Controller => Self::Controller(ControllerId::from_bytes(id)),
            NotificationTarget::Port => Self::Port(PortId::from_bytes(id)),
            NotificationTarget::Drive => Self::Drive(DriveId::from_bytes(id)),
            NotificationTarget::Lun => Self::Lun(LunId::from_bytes(id)),
            NotificationTarget::Target => Self::Target(TargetId::from_bytes(id)),
            NotificationTarget::PortalGroup => Self::PortalGroup(PortalGroupId::from_bytes(id)),
            NotificationTarget::Portal => Self::Portal(PortalId::from_bytes(id)),
            _ => return None,
        })
    }
}

/// One event (`VDS_NOTIFICATION`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Notification {
    subject: Subject,
    change: Change,
}

/// A row of the table of events: VDS's number and name, what it is about, what happened.
type EventRow = (u32, &'static str, NotificationTarget, Change);

/// Every event of the hardware side.
const EVENTS: [EventRow; 27] = {
    use Change::{Arrive, Depart, Modify, Removed};
    use NotificationTarget::{
        Controller, Drive, Lun, Port, Portal, PortalGroup, Subsystem, Target,
    };
    [
        (101, "VDS_NF_SUB_SYSTEM_ARRIVE", Subsystem, Arrive),
        (102, "VDS_NF_SUB_SYSTEM_DEPART", Subsystem, Depart),
        (103, "VDS_NF_CONTROLLER_ARRIVE", Controller, Arrive),
        (104, "VDS_NF_CONTROLLER_DEPART", Controller, Depart),
        (105, "VDS_NF_DRIVE_ARRIVE", Drive, Arrive),
        (106, "VDS_NF_DRIVE_DEPART", Drive, Depart),
        (107, "VDS_NF_DRIVE_MODIFY", Drive, Modify),
        (108, "VDS_NF_LUN_ARRIVE", Lun, Arrive),
        (109, "VDS_NF_LUN_DEPART", Lun, Depart),
        (110, "VDS_NF_LUN_MODIFY", Lun, Modify),
        (121, "VDS_NF_PORT_ARRIVE", Port, Arrive),
        (122, "VDS_NF_PORT_DEPART", Port, Depart),
        (123, "VDS_NF_PORTAL_ARRIVE", Portal, Arrive),
        (124, "VDS_NF_PORTAL_DEPART", Portal, Depart),
        (125, "VDS_NF_PORTAL_MODIFY", Portal, Modify),
        (126, "VDS_NF_TARGET_ARRIVE", Target, Arrive),
        (127, "VDS_NF_TARGET_DEPART", Target, Depart),
        (128, "VDS_NF_TARGET_MODIFY", Target, Modify),
        (129, "VDS_NF_PORTAL_GROUP_ARRIVE", PortalGroup, Arrive),
        (130, "VDS_NF_PORTAL_GROUP_DEPART", PortalGroup, Depart),
        (131, "VDS_NF_PORTAL_GROUP_MODIFY", PortalGroup, Modify),
        (151, "VDS_NF_SUB_SYSTEM_MODIFY", Subsystem, Modify),
        (350, "VDS_NF_CONTROLLER_MODIFY", Controller, Modify),
        (351, "VDS_NF_CONTROLLER_REMOVED", Controller, Removed),
        (352, "VDS_NF_PORT_MODIFY", Port, Modify),
        (353, "VDS_NF_PORT_REMOVED", Port, Removed),
        (354, "VDS_NF_DRIVE_REMOVED", Drive, Removed),
    ]
};

/// An event that VDS has no number for, or none of the hardware side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationError {
    /// There is no such event for this kind of object.
    #[error("there is no event for the {change} of a {target}")]
    NoEvent {
        /// What it would be about.
        target: NotificationTarget,
        /// What would have happened.
        change: Change,
    },
    /// The number is no event of the hardware side.
    #[error("{number} is no event of the hardware side")]
    Number {
        /// The number found.
        number: u32,
    },
    /// The number belongs to another kind of object than the tag says.
    #[error("event {number} is not about a {target}")]
    WrongTarget {
        /// The number found.
        number: u32,
        /// The tag found.
        target: NotificationTarget,
    },
}

impl Notification {
    /// An event of this object.
    ///
    /// # Errors
    /// VDS has no event for this change of this kind of object; only controllers, ports and drives
    /// can be `Removed`.
    pub fn new(subject: Subject, change: Change) -> Result<Self, NotificationError> {
        let target = subject.target();
        let is_this = |row: &&EventRow| row.2 == target && row.3 == change;
        match EVENTS.iter().find(is_this) {
            Some(_) => Ok(Self { subject, change }),
            None => Err(NotificationError::NoEvent { target, change }),
        }
    }

    /// Reads VDS's members: the tag, the event's number, the object's id.
    ///
    /// # Errors
    /// A number that is no event of the hardware side or belongs to another tag.
    pub fn from_number(
        target: NotificationTarget,
        number: u32,
        id: [u8; 16],
    ) -> Result<Self, NotificationError> {
        let row = EVENTS.iter().find(|row| row.0 == number);
        let (_, _, of, change) = row.ok_or(NotificationError::Number { number })?;
        let wrong = NotificationError::WrongTarget { number, target };
        if *of != target {
            return Err(wrong);
        }
        let subject = Subject::new(target, id).ok_or(wrong)?;
        Ok(Self { subject, change: *change })
    }

    /// What the event is about.
    pub const fn subject(self) -> Subject {
        self.subject
    }

    /// What happened.
    pub const fn change(self) -> Change {
        self.change
    }

    /// VDS's number of the event.
    pub fn number(self) -> u32 {
        self.row().0
    }

    /// VDS's name of the event.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> &'static EventRow {
        let target = self.subject.target();
        EVENTS
            .iter()
            .find(|row| row.2 == target && row.3 == self.change)
            .expect("both constructors looked the event up")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subject: Subject, change: Change, expected: Option<(u32, &str)>) {
        let found = Notification::new(subject, change).ok();
        assert_eq!(found.map(|event| (event.number(), event.name())), expected, "{subject:?}");
    }

    #[test]
    fn events_have_their_numbers() {
        let lun = Subject::Lun(LunId::from_bytes([1; 16]));
        let drive = Subject::Drive(DriveId::from_bytes([2; 16]));
        let subsystem = Subject::Subsystem(SubsystemId::from_bytes([3; 16]));
        check(lun, Change::Arrive, Some((108, "VDS_NF_LUN_ARRIVE")));
        check(drive, Change::Modify, Some((107, "VDS_NF_DRIVE_MODIFY")));
        check(drive, Change::Removed, Some((354, "VDS_NF_DRIVE_REMOVED")));
        check(subsystem, Change::Modify, Some((151, "VDS_NF_SUB_SYSTEM_MODIFY")));
        check(lun, Change::Removed, None);
    }

    #[test]
    fn every_event_reads_back() {
        for (number, name, target, change) in EVENTS {
            let event = Notification::from_number(target, number, [9; 16]).expect(name);
            assert_eq!((event.number(), event.name(), event.change()), (number, name, change));
            assert_eq!(event.subject().id_bytes(), [9; 16]);
            assert_eq!(Notification::new(event.subject(), change), Ok(event));
        }
    }

    #[test]
    fn a_number_of_another_object_is_refused() {
        let lun = NotificationTarget::Lun;
        let wrong = NotificationError::WrongTarget { number: 107, target: lun };
        assert_eq!(Notification::from_number(lun, 107, [0; 16]), Err(wrong));
        let number = NotificationError::Number { number: 111 };
        assert_eq!(Notification::from_number(lun, 111, [0; 16]), Err(number));
    }
}
