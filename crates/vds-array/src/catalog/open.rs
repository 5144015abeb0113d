//! Opening an array: which copy is the truth, whether enough members are there, and making them all equal again.

use std::collections::BTreeSet;
use std::rc::Rc;

use vds_format::{DriveNo, DriveRecord, DriveState, Lineage, Record, Round};
use vds_io::{Disk, DiskError, DiskErrorKind, LocalFuture, World, join_all};
use vds_model::{DriveId, SubsystemId};

use super::choose::{Choice, choose};
use super::claim::Claim;
use super::commit::Transaction;
use super::error::{InspectError, OpenError};
use super::inspect::{Damage, DamagedStructure, MemberCopy, inspect};
use super::journal::Room;
use super::member::{Change, Member};
use super::superblock::Slots;
use super::{Catalog, CatalogError, state};
use crate::drive::Drive;
use crate::patience::in_time;
use crate::signal::promise;
use crate::standing::{Moment, claim_wait};

/// A drive that cannot be read for so long is not there. A snapshot of 64 MiB takes a slow drive a second.
const LOOK_PERIODS_MAX: u32 = 20;

/// How an array is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenOptions {
    /// Which array, when drives of several may be given.
    pub(crate) array: Option<SubsystemId>,
    /// Drives to go on without, knowingly: what only they have is given up. They are ignored if they are there. When the
    /// others are too few, a new line of history begins, and these can never join it again with what they hold.
    pub(crate) without: Vec<DriveId>,
}

/// An open array.
pub(crate) struct Opened {
    /// The catalog.
    pub(crate) catalog: Rc<Catalog>,
    /// Drives in use: active, those that came back included, and leaving.
    pub(crate) drives: Vec<Rc<Drive>>,
    /// Drives that are there and stay out, as failed ones: for looking only.
    pub(crate) left_out: Vec<Rc<Drive>>,
    /// Drives of the array that are not there.
    pub(crate) absent: Vec<DriveNo>,
    /// Drives that were left out as absent before and are members again.
    pub(crate) returned: Vec<DriveNo>,
    /// Drives with another line of history: path, drive, lineage. They were not touched.
    pub(crate) diverged: Vec<(String, DriveId, Lineage)>,
    /// Drives that carry the array's superblock and are none of its drives, or claim to be the same drive: paths.
    pub(crate) unknown: Vec<String>,
    /// Paths that could not be used, and why.
    pub(crate) unusable: Vec<InspectError>,
    /// What was found damaged. It was rewritten on members.
    pub(crate) damage: Vec<Damage>,
    /// Whether a new line of history began.
    pub(crate) new_lineage: bool,
}

/// An array that can be opened. Nothing was written yet; dropped, its drives are let go.
pub(crate) struct Found {
    world: World,
    array: SubsystemId,
    choice: Choice,
    unknown: Vec<String>,
    unusable: Vec<InspectError>,
    without: Vec<DriveId>,
}

impl Found {
    /// The active drives that are not there, in words.
    pub(crate) fn missing(&self) -> Vec<String> {
        let absent = self.choice.absent.iter();
        let words = absent.map(|drive| {
            let record = &self.choice.state.drives[drive];
            format!("{} ({})", record.name, record.path)
        });
        words.collect()
    }

    /// Whether no round was ever written: then nobody was told that the array exists.
    pub(crate) fn is_unacknowledged(&self) -> bool {
        self.choice.log.round == Round(0)
    }

    /// Opens it. Drives that are not there are left out.
    ///
    /// # Errors
    /// [`OpenError::InUse`], [`OpenError::Commit`]; and any other when the drives changed since they were looked at.
    pub(crate) async fn open(self) -> Result<Opened, OpenError> {
        let Self { world, array, mut choice, mut unknown, mut unusable, without } = self;
        let mut claim = Claim::make(&world, &choice).await?;
        if claim.must_wait {
            tracing::info!(%array, "a service elsewhere may have the array open: it is given time to see that it must stop");
            world.clock.sleep(claim_wait()).await;
            let at = Moment::now(&*world.clock);
            let mut repaired = Vec::new();
            let mut disks = Vec::new();
            for copy in choice.copies {
                repaired.extend(
                    copy.damage.into_iter().filter(|it| it.what == DamagedStructure::Superblock),
                );
                disks.push(copy.disk);
            }
            let (mut copies, unreadable) = look_at(&world, disks).await;
            unusable.extend(unreadable);
            claim.check(array, &copies, at)?;
            copies.retain(|copy| copy.array() == array);
            for copy in &mut copies {
                // The claim wrote those anew.
                let drive = copy.drive_id();
                copy.damage.extend(repaired.extract_if(.., |it| it.drive == drive));
            }
            choice = choose(without_duplicates(copies, &mut unknown), &without).await?;
        }
        let mut opened = bring_up(world, array, choice, claim, unknown).await?;
        opened.unusable = unusable;
        Ok(opened)
    }
}

/// Opens the array that the drives given carry.
///
/// # Errors
/// [`OpenError`]; nothing was written unless it is [`OpenError::Commit`].
#[cfg(test)]
pub(crate) async fn open(
    world: World,
    disks: Vec<Rc<dyn Disk>>,
    options: &OpenOptions,
) -> Result<Opened, OpenError> {
    find(world, disks, options).await?.open().await
}

/// Finds the array that the drives given carry, and whether it can be opened. Writes nothing.
///
/// # Errors
/// [`OpenError`].
pub(crate) async fn find(
    world: World,
    disks: Vec<Rc<dyn Disk>>,
    options: &OpenOptions,
) -> Result<Found, OpenError> {
    let (mut copies, unusable) = look_at(&world, disks).await;
    let array = match the_array(&copies, options.array) {
        Err(OpenError::NoDrives) => {
            let telling =
                |error: &InspectError| !matches!(error, InspectError::NoSuperblock { .. });
            let first = unusable.into_iter().find(telling);
            return Err(first.map_or(OpenError::NoDrives, OpenError::Inspect));
        }
        result => result?,
    };
    copies.retain(|copy| copy.array() == array && !options.without.contains(&copy.drive_id()));
    let mut unknown = Vec::new();
    let copies = without_duplicates(copies, &mut unknown);
    let choice = choose(copies, &options.without).await?;
    let without = options.without.clone();
    Ok(Found { world, array, choice, unknown, unusable, without })
}

/// Reads drives: what they carry, and what cannot be used.
async fn look_at(world: &World, disks: Vec<Rc<dyn Disk>>) -> (Vec<MemberCopy>, Vec<InspectError>) {
    let looks = disks.into_iter().map(|disk| {
        let path = disk.describe().path;
        let look = Box::pin(look(disk));
        let clock = Rc::clone(&world.clock);
        let look = async move {
            in_time(&*clock, LOOK_PERIODS_MAX, look).await.unwrap_or_else(|| {
                let source = DiskError::new(DiskErrorKind::Gone, format!("{path}: no answer"));
                Err(InspectError::Unreadable { source })
            })
        };
        Box::pin(look) as LocalFuture<_>
    });
    let mut copies = Vec::new();
    let mut unusable = Vec::new();
    for result in join_all(looks.collect()).await {
        match result {
            Ok(copy) => copies.push(copy),
            Err(error) => unusable.push(error),
        }
    }
    (copies, unusable)
}

/// Reads a drive and makes durable what was read: it may lie in the drive's cache only, left there by a service that was
/// killed, and must not be lost again once others were given it.
async fn look(disk: Rc<dyn Disk>) -> Result<MemberCopy, InspectError> {
    let copy = inspect(Rc::clone(&disk)).await?;
    let flushed = disk.flush().await;
    flushed.map_err(|source| InspectError::Unreadable { source })?;
    Ok(copy)
}

fn the_array(copies: &[MemberCopy], wanted: Option<SubsystemId>) -> Result<SubsystemId, OpenError> {
    let arrays: BTreeSet<SubsystemId> = copies.iter().map(MemberCopy::array).collect();
    match (wanted, arrays.len()) {
        (Some(array), _) if arrays.contains(&array) => Ok(array),
        (Some(_), _) | (None, 0) => Err(OpenError::NoDrives),
        (None, 1) => Ok(copies[0].array()),
        (None, _) => Err(OpenError::SeveralArrays { arrays: arrays.into_iter().collect() }),
    }
}

/// Two drives with one id: neither is used, for nobody can tell the copy from the original.
fn without_duplicates(copies: Vec<MemberCopy>, unknown: &mut Vec<String>) -> Vec<MemberCopy> {
    let mut once = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for copy in &copies {
        if !once.insert(copy.drive_id()) {
            twice.insert(copy.drive_id());
        }
    }
    let (use_them, doubled): (Vec<_>, Vec<_>) =
        copies.into_iter().partition(|copy| !twice.contains(&copy.drive_id()));
    unknown.extend(doubled.into_iter().map(|copy| copy.path));
    use_them
}

/// A drive that is there, and what the catalog says of it.
struct Present {
    drive: Rc<Drive>,
    state: DriveState,
    slots: Slots,
    next_area: (u8, bool),
    /// Why its superblocks could not be written.
    unclaimed: Option<DiskError>,
}

/// What was found beside the drives that are used.
struct Beside {
    diverged: Vec<(String, DriveId, Lineage)>,
    unknown: Vec<String>,
    damage: Vec<Damage>,
}

async fn bring_up(
    world: World,
    array: SubsystemId,
    mut choice: Choice,
    mut claim: Claim,
    mut unknown: Vec<String>,
) -> Result<Opened, OpenError> {
    let mut damage = Vec::new();
    let mut diverged = Vec::new();
    let mut present = Vec::new();
    for mut copy in std::mem::take(&mut choice.copies) {
        let record = choice.state.drives.values().find(|record| record.id == copy.drive_id());
        let Some(record) = record else {
            unknown.push(copy.path);
            continue;
        };
        let (number, state) = (record.number, record.state);
        if !choice.is_ours(&copy) {
            let lineage = copy.seen.map(|it| it.1).unwrap_or_default();
            diverged.push((copy.path.clone(), copy.drive_id(), lineage));
            continue;
        }
        for mut found in std::mem::take(&mut copy.damage) {
            found.number = Some(number);
            // A drive that does not hold the catalog has nothing in its areas.
            let held = choice.members.contains(&number);
            if held || found.what == DamagedStructure::Superblock {
                damage.push(found);
            }
        }
        let (area, bad_area) = copy.next_area();
        // A drive that lags gets both areas: nothing on it may say again what held before.
        let next_area = (area, bad_area || !choice.is_newest(&copy));
        let geometry = copy.superblock.geometry;
        let id = copy.drive_id();
        let slots = claim.slots.remove(&id).unwrap_or_else(|| copy.slots());
        let unclaimed = claim.failed.remove(&id);
        let drive = Drive::start(number, id, geometry, copy.disk, world.clone());
        present.push(Present { drive, state, slots, next_area, unclaimed });
    }
    choice.forced = choice.forced.map(|_| Lineage(world.rng.uuid_bytes()));
    let room = Room::of(&choice.geometry);
    let log = choice.log.clone();
    let state = choice.state.clone();
    let instance = claim.instance;
    let catalog = Catalog::start(world, array, instance, room, state, log, choice.settled);
    catalog.make_equal(&choice, &present, claim.at).await?;
    catalog.miss_leaving(&present).await?;
    let returned = catalog.take_returned(&mut present).await;
    Ok(catalog.opened(&choice, present, returned, Beside { diverged, unknown, damage }))
}

impl Catalog {
    /// Gives every member the same copy, and leaves out those that are not there.
    async fn make_equal(
        self: &Rc<Self>,
        choice: &Choice,
        present: &[Present],
        claimed_at: Moment,
    ) -> Result<(), CatalogError> {
        let paths = self.moved_paths(present);
        let first = {
            let mut members = self.members.borrow_mut();
            for it in present {
                it.drive.obey(&self.standing);
                if it.state == DriveState::Active {
                    let mut member = Member::new(self, Rc::clone(&it.drive), it.next_area);
                    if it.unclaimed.is_none() {
                        let generation = it.slots.superblock.generation;
                        member.look_for_others(self, generation, claimed_at);
                    }
                    members.insert(member);
                }
            }
            drop(members);
            self.push_snapshot(None, None);
            match choice.forced {
                Some(lineage) => self.push_forced(choice, lineage, paths),
                None => self.push_first(choice, &paths),
            }
        };
        first.await?;
        for it in present {
            if let Some(error) = &it.unclaimed {
                self.drive_lost(&it.drive, error);
            }
        }
        match self.frozen() {
            Some(reason) => Err(CatalogError::Frozen(reason)),
            None => Ok(()),
        }
    }

    /// The first round changes nothing about membership: only when it is on enough members does one that does follow.
    /// It holds until the absent ones have left, one round each.
    fn push_first(
        self: &Rc<Self>,
        choice: &Choice,
        records: &[Record],
    ) -> LocalFuture<Result<Round, CatalogError>> {
        let (waiter, first) = promise();
        let content = state::encoded(records.iter());
        let transaction = Transaction { alone: true, ..Transaction::new(content, Some(waiter)) };
        for drive in &choice.absent {
            self.members.borrow_mut().note_absent(*drive);
        }
        self.push(transaction, records);
        for drive in &choice.absent {
            let why = String::from("not there when the array was opened");
            self.queue_expulsion(*drive, why, DriveState::Absent);
        }
        Box::pin(first)
    }

    /// A new line of history: its first round leaves out all that are not there at once.
    fn push_forced(
        self: &Rc<Self>,
        choice: &Choice,
        lineage: Lineage,
        mut records: Vec<Record>,
    ) -> LocalFuture<Result<Round, CatalogError>> {
        let mut changes = Vec::new();
        {
            let state = self.state();
            let mut array = state.array.clone();
            array.lineage = lineage;
            records.push(Record::Array(array));
            for drive in &choice.absent {
                let old = state.drives[drive].clone();
                let reason = String::from("the array was opened without it");
                records.push(Record::Drive(DriveRecord {
                    state: DriveState::Absent,
                    reason,
                    ..old
                }));
                changes.push(Change { drive: *drive, joins: false });
            }
        }
        {
            // By decision of the operator these alone count from here on.
            let mut members = self.members.borrow_mut();
            for drive in &choice.absent {
                members.active.remove(drive);
            }
        }
        let (waiter, first) = promise();
        let content = state::encoded(records.iter());
        let forced = Some((lineage, changes));
        self.push(Transaction { forced, ..Transaction::new(content, Some(waiter)) }, &records);
        Box::pin(first)
    }

    /// Drives that are found elsewhere than the catalog says.
    fn moved_paths(&self, present: &[Present]) -> Vec<Record> {
        let state = self.state();
        let moved = present.iter().filter_map(|it| {
            let record = &state.drives[&it.drive.number];
            let found = it.drive.describe();
            let moved = record.path != found.path || record.serial != found.serial;
            let (path, serial) = (found.path, found.serial);
            moved.then(|| Record::Drive(DriveRecord { path, serial, ..record.clone() }))
        });
        moved.collect()
    }

    /// Drives that were used for their data alone and are not there now are away as others are.
    async fn miss_leaving(self: &Rc<Self>, present: &[Present]) -> Result<(), CatalogError> {
        let there = |number: DriveNo| present.iter().any(|it| it.drive.number == number);
        let missing: Vec<DriveNo> = {
            let state = self.state();
            let leaving = state.drives.values().filter(|it| it.state == DriveState::Leaving);
            leaving.map(|it| it.number).filter(|number| !there(*number)).collect()
        };
        for number in missing {
            let why = String::from("not there when the array was opened");
            self.remove_member(number, why, DriveState::Absent).await?;
        }
        Ok(())
    }

    /// Makes members again of drives that were left out because they were not there, or because they had refused a write
    /// of the catalog. One that fails stays as it is.
    async fn take_returned(self: &Rc<Self>, present: &mut [Present]) -> Vec<DriveNo> {
        let mut returned = Vec::new();
        for it in present.iter_mut() {
            let may_return = matches!(it.state, DriveState::Absent | DriveState::Leaving);
            if !may_return || self.frozen().is_some() {
                continue;
            }
            let number = it.drive.number;
            let record = self.state().drives[&number].clone();
            match self.take_back(&it.drive, record, it.slots.clone(), it.next_area).await {
                Ok(_) => {
                    it.state = DriveState::Active;
                    returned.push(number);
                }
                Err(error) => tracing::warn!(drive = %number, %error, "drive stays out"),
            }
        }
        returned
    }

    fn opened(
        self: &Rc<Self>,
        choice: &Choice,
        present: Vec<Present>,
        returned: Vec<DriveNo>,
        beside: Beside,
    ) -> Opened {
        let there: BTreeSet<DriveNo> = present.iter().map(|it| it.drive.number).collect();
        let absent =
            self.state().drives.keys().copied().filter(|drive| !there.contains(drive)).collect();
        let mut drives = Vec::new();
        let mut left_out = Vec::new();
        for it in present {
            // As of now: it may have failed while it was being opened.
            let state = self.state().drives[&it.drive.number].state;
            if matches!(state, DriveState::Active | DriveState::Leaving) {
                drives.push(it.drive);
            } else {
                left_out.push(it.drive);
            }
        }
        Opened {
            catalog: Rc::clone(self),
            drives,
            left_out,
            absent,
            returned,
            diverged: beside.diverged,
            unknown: beside.unknown,
            unusable: Vec::new(),
            damage: beside.damage,
            new_lineage: choice.forced.is_some(),
        }
    }
}
