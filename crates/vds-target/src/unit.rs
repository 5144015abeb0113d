//! A LUN with its device server, shared by every session that reaches it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use vds_io::{LunIo, LunShape};
use vds_scsi::{DeviceServer, Identity, Lun, NexusId, Sector, Shape, UnitAttention, WritePolicy};

use crate::UnmaskedLun;

/// One LUN being served.
pub(crate) struct Unit {
    id: [u8; 16],
    io: RefCell<Rc<dyn LunIo>>,
    shape: Cell<LunShape>,
    /// Borrowed within one call, never across an await.
    pub(crate) server: RefCell<DeviceServer>,
}

impl Unit {
    /// The LUN's data path.
    pub(crate) fn io(&self) -> Rc<dyn LunIo> {
        self.io.borrow().clone()
    }

    /// Looks whether the LUN has changed since the last command.
    pub(crate) fn follow_shape(&self) {
        let now = self.io.borrow().shape();
        if now != self.shape.get() {
            self.shape.set(now);
            if let Some(shape) = shape_of(now) {
                self.server.borrow_mut().set_shape(shape);
            }
        }
    }

    /// Bytes in a sector of it.
    pub(crate) fn sector_bytes(&self) -> u32 {
        self.shape.get().sector_bytes
    }
}

/// The LUN's shape as SCSI sees it; `None` for one that cannot be served.
fn shape_of(shape: LunShape) -> Option<Shape> {
    let sector = Sector::from_bytes(shape.sector_bytes).ok()?;
    let policy = WritePolicy { write_back: shape.write_back, read_only: shape.read_only };
    Shape::new(shape.size_bytes, sector, shape.transfer_bytes_max, policy).ok()
}

/// All units, by the LUN's id.
#[derive(Default)]
pub(crate) struct Units(RefCell<BTreeMap<[u8; 16], Rc<Unit>>>);

impl Units {
    /// The unit of this LUN, made if it is new. `None` if its shape is none that SCSI can serve.
    fn of(&self, lun: &UnmaskedLun) -> Option<Rc<Unit>> {
        let id = lun.identity.uuid();
        let mut units = self.0.borrow_mut();
        if let Some(unit) = units.get(&id) {
            if !Rc::ptr_eq(&unit.io.borrow(), &lun.io) {
                *unit.io.borrow_mut() = lun.io.clone();
            }
            return Some(unit.clone());
        }
        let unit = Rc::new(Unit::new(lun.identity.clone(), lun.io.clone())?);
        units.insert(id, unit.clone());
        Some(unit)
    }

    /// Forgets the units no session uses.
    pub(crate) fn prune(&self) {
        self.0.borrow_mut().retain(|_, unit| Rc::strong_count(unit) > 1);
    }
}

impl Unit {
    fn new(identity: Identity, io: Rc<dyn LunIo>) -> Option<Self> {
        let shape = io.shape();
        let id = identity.uuid();
        let server = RefCell::new(DeviceServer::new(identity, shape_of(shape)?));
        Some(Self { id, io: RefCell::new(io), shape: Cell::new(shape), server })
    }
}

/// The LUNs of one session, with the nexus they know it by.
pub(crate) struct LunMap {
    nexus: NexusId,
    numbers: Vec<Lun>,
    units: Vec<Rc<Unit>>,
}

impl LunMap {
    pub(crate) fn new(nexus: NexusId) -> Self {
        Self { nexus, numbers: Vec::new(), units: Vec::new() }
    }

    pub(crate) fn nexus(&self) -> NexusId {
        self.nexus
    }

    /// All numbers, ascending.
    pub(crate) fn numbers(&self) -> &[Lun] {
        &self.numbers
    }

    /// The unit at this address.
    pub(crate) fn find(&self, wire: u64) -> Option<&Rc<Unit>> {
        let number = Lun::from_wire(wire.to_be_bytes())?;
        self.numbers.binary_search(&number).ok().map(|at| &self.units[at])
    }

    /// Every unit.
    pub(crate) fn units(&self) -> &[Rc<Unit>] {
        &self.units
    }

    /// The addresses a unit has here.
    pub(crate) fn addresses_of(&self, unit: &Rc<Unit>) -> Vec<u64> {
        let pairs = self.numbers.iter().zip(&self.units);
        let own = pairs.filter(|(_, own)| Rc::ptr_eq(own, unit));
        own.map(|(number, _)| u64::from_be_bytes(number.to_wire())).collect()
    }

    /// The initiator has the list of LUNs: none of them tells that it changed.
    pub(crate) fn listed(&self) {
        for unit in &self.units {
            unit.server.borrow_mut().clear(self.nexus, UnitAttention::ReportedLunsChanged);
        }
    }

    /// Takes over what the directory says now. New units learn of the nexus, those that left forget it, and all
    /// tell the initiator that the list of LUNs is another one, unless it had none.
    pub(crate) fn replace(&mut self, units: &Units, luns: &[UnmaskedLun]) {
        let mut now: Vec<(Lun, Rc<Unit>)> =
            luns.iter().filter_map(|lun| Some((lun.number, units.of(lun)?))).collect();
        now.sort_by_key(|(number, _)| *number);
        now.dedup_by_key(|(number, _)| *number);
        let seen = |(number, unit): &(Lun, Rc<Unit>)| (*number, unit.id);
        let before = self.numbers.iter().zip(&self.units).map(|(number, unit)| (*number, unit.id));
        if before.eq(now.iter().map(seen)) {
            return;
        }
        let (numbers, fresh): (Vec<Lun>, Vec<Rc<Unit>>) = now.into_iter().unzip();
        let old = std::mem::replace(&mut self.units, fresh);
        self.numbers = numbers;
        let holds = |units: &[Rc<Unit>], unit| units.iter().any(|own| Rc::ptr_eq(own, unit));
        for unit in old.iter().filter(|unit| !holds(&self.units, unit)) {
            unit.server.borrow_mut().detach(self.nexus);
        }
        for unit in &self.units {
            let mut server = unit.server.borrow_mut();
            if holds(&old, unit) {
                server.establish(self.nexus, UnitAttention::ReportedLunsChanged);
            } else {
                server.attach(self.nexus);
                // Its number may have been another one's.
                if !old.is_empty() {
                    server.establish(self.nexus, UnitAttention::ReportedLunsChanged);
                }
            }
        }
    }
}

impl Drop for LunMap {
    fn drop(&mut self) {
        for unit in &self.units {
            unit.server.borrow_mut().detach(self.nexus);
        }
    }
}
