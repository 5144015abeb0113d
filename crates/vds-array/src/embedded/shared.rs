//! What the provider and its arrays have in common: the world, drives' source, events, and the version of what is exported.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use vds_io::{DiskDescription, DiskSource, World};
use vds_model::{
    Change, ControllerId, DriveId, LunId, Notification, PortId, PortalGroupId, PortalId,
    ProviderId, Subject, SubsystemId, TargetId,
};
use vds_provider::EventLog;

use crate::signal::Signal;

/// Shared by reference.
pub(super) struct Shared {
    pub(super) world: World,
    pub(super) source: Rc<dyn DiskSource>,
    pub(super) provider: ProviderId,
    pub(super) events: EventLog,
    exports: Cell<u64>,
    pub(super) exports_changed: Signal,
    /// Drives that carry no array, as of the last look and what was released since.
    pub(super) loose: RefCell<Vec<DiskDescription>>,
}

impl Shared {
    pub(super) fn new(world: World, source: Rc<dyn DiskSource>, provider: ProviderId) -> Rc<Self> {
        Rc::new(Self {
            world,
            source,
            provider,
            events: EventLog::new(),
            exports: Cell::new(1),
            exports_changed: Signal::default(),
            loose: RefCell::default(),
        })
    }

    /// Now, milliseconds since 1970.
    pub(super) fn unix_ms(&self) -> u64 {
        self.world.clock.unix_ms()
    }

    /// 16 random bytes for an id.
    pub(super) fn id_bytes(&self) -> [u8; 16] {
        self.world.rng.uuid_bytes()
    }

    /// The version of what is exported.
    pub(super) fn exports_version(&self) -> u64 {
        self.exports.get()
    }

    /// Targets, portals, masks or LUNs are other ones now.
    pub(super) fn exports_change(&self) {
        self.exports.set(self.exports.get() + 1);
        self.exports_changed.notify();
    }

    /// Tells the events of one cause, each once.
    pub(super) fn publish(&self, events: Vec<Notification>) {
        let mut once: Vec<Notification> = Vec::with_capacity(events.len());
        for event in events {
            if !once.contains(&event) {
                once.push(event);
            }
        }
        for batch in once.chunks(vds_model::NOTIFICATIONS_PER_CALL_MAX) {
            self.events.publish(batch.to_vec());
        }
    }
}

fn event(subject: Subject, change: Change) -> Notification {
    Notification::new(subject, change)
        .expect("every subject used here arrives, departs and changes")
}

pub(super) fn of_lun(id: LunId, change: Change) -> Notification {
    event(Subject::Lun(id), change)
}

pub(super) fn of_drive(id: DriveId, change: Change) -> Notification {
    event(Subject::Drive(id), change)
}

pub(super) fn of_target(id: TargetId, change: Change) -> Notification {
    event(Subject::Target(id), change)
}

pub(super) fn of_portal(id: PortalId, change: Change) -> Notification {
    event(Subject::Portal(id), change)
}

pub(super) fn of_portal_group(id: PortalGroupId, change: Change) -> Notification {
    event(Subject::PortalGroup(id), change)
}

pub(super) fn of_subsystem(id: SubsystemId, change: Change) -> Notification {
    event(Subject::Subsystem(id), change)
}

pub(super) fn of_controller(id: ControllerId, change: Change) -> Notification {
    event(Subject::Controller(id), change)
}

pub(super) fn of_port(id: PortId, change: Change) -> Notification {
    event(Subject::Port(id), change)
}
