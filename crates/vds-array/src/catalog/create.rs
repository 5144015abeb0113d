//! Making an array, and taking a drive into one.

use std::rc::Rc;

use vds_format::{
    ArrayRecord, DriveNo, DriveRecord, DriveState, Lineage, LunNo, Record, Round, SegmentNo,
    Superblock,
};
use vds_io::{DiskError, DiskErrorKind, LocalFuture, World};
use vds_model::SubsystemId;

use super::error::CreateError;
use super::journal::{Log, Room, Snapshot, clear_ring, on_all};
use super::member::Member;
use super::superblock::{self, Slots};
use super::{Catalog, CatalogError, CatalogState, MemberCopy, membership, state};
use crate::drive::Drive;
use crate::signal::promise;
use crate::standing::Moment;

/// What a new array is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewArray {
    /// Its id.
    pub(crate) id: SubsystemId,
    /// Its first line of history.
    pub(crate) lineage: Lineage,
    /// Its name.
    pub(crate) name: String,
}

impl Catalog {
    /// Makes an array of `drives`. `records` must hold a record in state active for each of them; the array's own record
    /// is made here. The superblocks come last, when all else is durable: a crash before leaves no array.
    ///
    /// # Errors
    /// [`CreateError`]; the drives carry no superblock then, except as [`CreateError::Unwiped`] says.
    pub(crate) async fn create(
        world: World,
        new: NewArray,
        drives: Vec<Rc<Drive>>,
        records: Vec<Record>,
    ) -> Result<Rc<Self>, CreateError> {
        let state = first_state(&world, &new, &drives, &records)?;
        let room = Room::of(&drives[0].geometry);
        let (payload, count) = state::encoded(state.to_records());
        let room_bytes = room.snapshot_bytes() - room.reserve_bytes();
        if payload.len() as u64 > room_bytes {
            return Err(CreateError::Full { bytes: payload.len() as u64, room_bytes });
        }
        let log = Log { round: Round(0), checksum: 0, lineage: new.lineage, offset: 0, used: 0 };
        let snapshot = Rc::new(Snapshot::new(new.id, &log, &payload, count));
        let holders = membership::holders(&state.active());
        let prepared = on_all(drives.clone(), |drive| {
            let copy = holders.contains(&drive.number).then(|| Rc::clone(&snapshot));
            Box::pin(prepare(world.clone(), drive, copy)) as LocalFuture<Result<(), DiskError>>
        })
        .await;
        first_error(prepared).map_err(|(drive, source)| CreateError::Drive { drive, source })?;
        let instance = world.rng.uuid_bytes();
        let at = Moment::now(&*world.clock);
        let written = on_all(drives.clone(), |drive| {
            let (world, new) = (world.clone(), new.clone());
            Box::pin(async move { write_first_superblock(&world, &new, &drive, instance).await })
                as LocalFuture<Result<(), DiskError>>
        })
        .await;
        if let Err((drive, source)) = first_error(written) {
            return Err(undo(&world, drives, drive, source).await);
        }
        let catalog = Self::start(world, new.id, instance, room, state, log, true);
        for drive in drives {
            let holds = holders.contains(&drive.number);
            let mut member = Member::new(&catalog, Rc::clone(&drive), (0, !holds));
            member.synced = holds;
            member.look_for_others(&catalog, FIRST_GENERATION, at);
            catalog.members.borrow_mut().insert(member);
        }
        Ok(catalog)
    }

    /// Takes a new drive in. It gets a snapshot first, then its record makes it a member. Whatever it carried is gone.
    ///
    /// # Errors
    /// [`CatalogError::Newcomer`] when the drive fails: the array goes on without it, and its superblocks are wiped if it
    /// still answers. [`CatalogError::OtherLayout`] changes nothing. As [`Catalog::commit`] else.
    pub(crate) async fn add_member(
        self: &Rc<Self>,
        drive: Rc<Drive>,
        record: DriveRecord,
    ) -> Result<Round, CatalogError> {
        self.check_newcomer(&drive, &record)?;
        let number = drive.number;
        let slots = blank_slots(self.array, &drive, self.world.clock.unix_ms());
        let result = match make_blank(&self.world, &drive).await {
            Ok(()) => self.take_in(&drive, record, slots, (0, true)).await,
            Err(source) => Err(CatalogError::Newcomer { drive: number, source }),
        };
        // Frozen or closed, the round may be found done: then the drive is a member.
        let open = matches!(result, Err(CatalogError::Frozen(_) | CatalogError::Closed));
        if result.is_err() && !open {
            self.members.borrow_mut().remove(number);
            if let Err(error) = superblock::wipe(&self.world, &drive).await {
                tracing::warn!(drive = %number, %error, "superblocks were not wiped");
            }
        }
        result
    }

    /// Takes a drive in that was left out and is back, with what its slabs hold: only its catalog is overwritten. `copy` is
    /// what was read from it.
    ///
    /// # Errors
    /// [`CatalogError::OtherLayout`], also for a drive of another line of history, changes nothing;
    /// [`CatalogError::Newcomer`] when it fails again: it stays out. As [`Catalog::commit`] else.
    pub(crate) async fn return_member(
        self: &Rc<Self>,
        drive: Rc<Drive>,
        copy: &MemberCopy,
    ) -> Result<Round, CatalogError> {
        let number = drive.number;
        let record = self.state.borrow().drives.get(&number).cloned();
        let record = record.ok_or(CatalogError::NoSuchDrive(number))?;
        self.check_newcomer(&drive, &record)?;
        let lineage = self.log.borrow().lineage;
        let ours = copy.seen.is_none_or(|seen| seen.1 == lineage);
        if copy.array() != self.array || copy.drive_id() != drive.id || !ours {
            return Err(CatalogError::OtherLayout(number));
        }
        self.take_back(&drive, record, copy.slots(), (copy.next_area().0, true)).await
    }

    /// Takes in a drive that was left out, whatever lines of history it has seen. What it knows stays until it has the new
    /// snapshot: a drive that forgets that it was left out could speak for the array again.
    pub(super) async fn take_back(
        self: &Rc<Self>,
        drive: &Rc<Drive>,
        record: DriveRecord,
        slots: Slots,
        next_area: (u8, bool),
    ) -> Result<Round, CatalogError> {
        let record = DriveRecord { path: drive.describe().path, ..record };
        let result = self.take_in(drive, record, slots, next_area).await;
        if result.is_err() && !self.members.borrow().active.contains(&drive.number) {
            self.members.borrow_mut().remove(drive.number);
        }
        result
    }

    fn check_newcomer(&self, drive: &Drive, record: &DriveRecord) -> Result<(), CatalogError> {
        let number = drive.number;
        let fits = record.number == number && record.id == drive.id;
        if Room::of(&drive.geometry) != self.room || !fits {
            return Err(CatalogError::OtherLayout(number));
        }
        if let Some(reason) = self.frozen() {
            return Err(CatalogError::Frozen(reason));
        }
        let known = self.members.borrow().knows(number);
        if known { Err(CatalogError::AlreadyMember(number)) } else { Ok(()) }
    }

    async fn take_in(
        self: &Rc<Self>,
        drive: &Rc<Drive>,
        record: DriveRecord,
        mut slots: Slots,
        next_area: (u8, bool),
    ) -> Result<Round, CatalogError> {
        let number = drive.number;
        let newcomer = |source| CatalogError::Newcomer { drive: number, source };
        if let Some(reason) = self.frozen() {
            return Err(CatalogError::Frozen(reason));
        }
        self.members.borrow_mut().insert(Member::new(self, Rc::clone(drive), next_area));
        let (waiter, synced) = promise();
        self.push_snapshot(Some(number), Some(waiter));
        synced.await?;
        let name = self.state.borrow().array.name.clone();
        let at = Moment::now(&*self.world.clock);
        // Before the record: a member always has a superblock, and a superblock without a record is nobody's.
        slots.rewrite(&self.world, drive, self.instance, &name).await.map_err(newcomer)?;
        if let Some(member) = self.members.borrow_mut().member_mut(number) {
            member.look_for_others(self, slots.superblock.generation, at);
        }
        if !self.members.borrow().takes_part(number) {
            let failed = || DiskError::new(DiskErrorKind::Range, "a write of the catalog failed");
            return Err(newcomer(drive.lost().unwrap_or_else(failed)));
        }
        let record = DriveRecord { state: DriveState::Active, reason: String::new(), ..record };
        self.commit(vec![Record::Drive(record)]).await
    }
}

fn first_state(
    world: &World,
    new: &NewArray,
    drives: &[Rc<Drive>],
    records: &[Record],
) -> Result<CatalogState, CreateError> {
    let geometry = drives.first().ok_or(CreateError::Mismatch)?.geometry;
    let mut state = CatalogState::new(ArrayRecord {
        lineage: new.lineage,
        name: new.name.clone(),
        created_unix_ms: world.clock.unix_ms(),
        slab_shift: geometry.slab_shift,
        next_segment: SegmentNo(1),
        next_lun: LunNo(1),
        next_drive: DriveNo(1),
        next_target: 1,
        next_portal: 1,
    });
    for record in records {
        // Only one at a time: here alone several drives become members at once.
        state.check(std::slice::from_ref(record))?;
        state.apply(record);
    }
    let agrees = |drive: &Rc<Drive>| {
        let same = Room::of(&drive.geometry) == Room::of(&geometry);
        let record = state.drives.get(&drive.number);
        same && record
            .is_some_and(|record| record.id == drive.id && record.state == DriveState::Active)
    };
    if drives.iter().all(agrees) && state.active().len() == drives.len() {
        Ok(state)
    } else {
        Err(CreateError::Mismatch)
    }
}

/// Takes away whatever a drive was: first its superblocks, then what could be taken for rounds.
async fn make_blank(world: &World, drive: &Rc<Drive>) -> Result<(), DiskError> {
    superblock::wipe(world, drive).await?;
    clear_ring(world, drive).await
}

/// Makes a drive ready to be a member of a new array: nothing old in its slots and ring, the first snapshot in both areas.
async fn prepare(
    world: World,
    drive: Rc<Drive>,
    snapshot: Option<Rc<Snapshot>>,
) -> Result<(), DiskError> {
    make_blank(&world, &drive).await?;
    if let Some(snapshot) = snapshot {
        for area in [0, 1] {
            Rc::clone(&snapshot).write(world.clone(), Rc::clone(&drive), area).await?;
        }
    }
    // Durable before a superblock says that it is there.
    drive.flush().await
}

/// Of the first superblock that is written to a drive.
const FIRST_GENERATION: u64 = 1;

/// The slots of a drive that has none.
pub(super) fn blank_slots(array: SubsystemId, drive: &Drive, joined_unix_ms: u64) -> Slots {
    let superblock = Superblock {
        array,
        drive: drive.id,
        generation: 0,
        geometry: drive.geometry,
        joined_unix_ms,
        instance: [0; 16],
        array_name: String::new(),
        boot: [0; 16],
    };
    Slots { superblock, first: 0 }
}

async fn write_first_superblock(
    world: &World,
    new: &NewArray,
    drive: &Rc<Drive>,
    instance: [u8; 16],
) -> Result<(), DiskError> {
    let mut slots = blank_slots(new.id, drive, world.clock.unix_ms());
    slots.rewrite(world, drive, instance, &new.name).await
}

/// Takes the superblocks away again.
async fn undo(
    world: &World,
    drives: Vec<Rc<Drive>>,
    drive: DriveNo,
    source: DiskError,
) -> CreateError {
    let wiped = on_all(drives, |drive| {
        let world = world.clone();
        Box::pin(async move { superblock::wipe(&world, &drive).await })
            as LocalFuture<Result<(), DiskError>>
    })
    .await;
    let left: Vec<DriveNo> =
        wiped.iter().filter(|(_, result)| result.is_err()).map(|(number, _)| *number).collect();
    if left.is_empty() {
        CreateError::Drive { drive, source }
    } else {
        CreateError::Unwiped { drive, source, left }
    }
}

fn first_error(results: Vec<(DriveNo, Result<(), DiskError>)>) -> Result<(), (DriveNo, DiskError)> {
    for (number, result) in results {
        result.map_err(|error| (number, error))?;
    }
    Ok(())
}
