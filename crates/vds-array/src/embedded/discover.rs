//! Finding arrays on drives, opening them, and taking back drives that were away.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use vds_format::{BLOCK_BYTES, DriveNo, Round, Superblock};
use vds_io::{Buffer, Clock, Disk, DiskDescription, Monotonic, OpenMode};
use vds_model::{Change, DriveId, HResult, Notification, SubsystemId, SubsystemStatus};
use vds_provider::Refusal;

use super::Embedded;
use super::array::Array;
use super::errors::{chain, of_opening};
use super::shared::{of_controller, of_drive, of_lun, of_port, of_portal, of_subsystem, of_target};
use super::view::{controller_of, port_of};
use crate::catalog::{OpenError, OpenOptions, Opened, find, inspect, wipe_superblocks};
use crate::drive::Drive;
use crate::patience;

/// How long an array waits for drives that are not there before it opens without them.
pub(super) const GRACE: Duration = Duration::from_mins(1);

/// How often drives that vanished from an open array are looked for.
const ABSENT_PERIOD: Duration = Duration::from_secs(10);

/// A drive that does not answer for so long cannot be used now.
const LOOK_PERIODS_MAX: u32 = 8;

/// A drive that carries a superblock.
struct Seen {
    path: String,
    superblock: Superblock,
}

/// An array that is not open.
#[derive(Clone, Debug)]
pub(super) struct ClosedArray {
    pub(super) name: String,
    /// When it was first seen.
    since: Monotonic,
    /// Its drives that were found, by path.
    pub(super) drives: Vec<(DriveId, String)>,
    pub(super) status: SubsystemStatus,
    /// The result of whoever asks something of it.
    pub(super) result: HResult,
    /// Why, for people; the missing drives among it.
    pub(super) notes: Vec<String>,
}

/// What a look at a drive brings; `None` if the drive does not answer in time.
pub(super) async fn in_time<T>(clock: &dyn Clock, look: impl Future<Output = T>) -> Option<T> {
    patience::in_time(clock, LOOK_PERIODS_MAX, look).await
}

/// Reads a drive's superblock: the newer of the two that is valid.
pub(super) async fn peek(disk: &dyn Disk) -> Option<Superblock> {
    let last = (disk.describe().size_bytes / BLOCK_BYTES as u64).checked_sub(1)?;
    let mut best: Option<Superblock> = None;
    for block in [0, last] {
        let (buffer, result) = disk.read(block * BLOCK_BYTES as u64, Buffer::zeroed(1)).await;
        let read = result.ok().and_then(|()| Superblock::decode(buffer.bytes(), block).ok());
        if let Some(superblock) = read
            && best.as_ref().is_none_or(|best| best.generation < superblock.generation)
        {
            best = Some(superblock);
        }
    }
    best
}

impl Embedded {
    /// Looks at all candidates: opens every array whose drives are there, takes back drives that were away, and keeps
    /// note of what cannot be opened and why. An array that lacks drives waits for them for 60 s.
    pub async fn discover(self: &Rc<Self>) {
        let _turn = self.looking.take().await;
        if self.is_shut.get() {
            return;
        }
        let (seen, loose) = self.look().await;
        *self.shared.loose.borrow_mut() = loose;
        let mut groups: BTreeMap<SubsystemId, Vec<Seen>> = BTreeMap::new();
        for one in seen {
            groups.entry(one.superblock.array).or_default().push(one);
        }
        self.closed.borrow_mut().retain(|id, _| groups.contains_key(id));
        for (id, drives) in groups {
            let open = self.arrays.borrow().get(&id).cloned();
            match open {
                Some(array) => {
                    for drive in drives {
                        array.drive_seen(drive.superblock.drive, &drive.path).await;
                    }
                }
                None => self.open_or_wait(id, drives).await,
            }
        }
    }

    /// Drives with a superblock, and those without, among the candidates that are not in use.
    async fn look(&self) -> (Vec<Seen>, Vec<DiskDescription>) {
        let mut seen = Vec::new();
        let mut loose = Vec::new();
        for path in self.shared.source.candidates().await {
            if self.arrays.borrow().values().any(|array| array.uses_path(&path)) {
                continue;
            }
            let disk = match self.shared.source.open(&path, OpenMode::ReadOnly).await {
                Ok(disk) => disk,
                Err(error) => {
                    tracing::debug!(path, %error, "candidate not looked at");
                    continue;
                }
            };
            match in_time(&*self.shared.world.clock, peek(&*disk)).await {
                Some(Some(superblock)) => seen.push(Seen { path, superblock }),
                Some(None) => loose.push(disk.describe()),
                None => tracing::warn!(path, "candidate does not answer"),
            }
        }
        (seen, loose)
    }

    async fn open_or_wait(self: &Rc<Self>, id: SubsystemId, seen: Vec<Seen>) {
        let now = self.shared.world.clock.now();
        let since = self.closed.borrow().get(&id).map_or(now, |closed| closed.since);
        let name = seen.first().map_or_else(String::new, |it| it.superblock.array_name.clone());
        let drives: Vec<(DriveId, String)> =
            seen.into_iter().map(|it| (it.superblock.drive, it.path)).collect();
        let paths = drives.iter().map(|(_, path)| path.clone()).collect();
        let closed = |status, result, notes| ClosedArray {
            name: name.clone(),
            since,
            drives: drives.clone(),
            status,
            result,
            notes,
        };
        let patience = GRACE.checked_sub(now.since(since)).filter(|left| !left.is_zero());
        match self.try_open(id, paths, Vec::new(), patience).await {
            Ok(array) => self.opened(array),
            Err(_) if patience.is_none() && self.discard_unfinished(id, &drives).await => {
                if self.closed.borrow_mut().remove(&id).is_some() {
                    self.shared.publish(vec![of_subsystem(id, Change::Depart)]);
                }
            }
            Err(Unopened::Waiting { missing, left }) => {
                let mut notes = vec![format!(
                    "waits {} s for drives that are not there, then opens without them",
                    left.as_secs()
                )];
                notes.extend(missing.iter().map(|drive| format!("missing: {drive}")));
                let result = HResult::VDSX_E_ARRAY_OPENING;
                self.not_opened(id, closed(SubsystemStatus::NotReady, result, notes));
                self.look_again_after(left);
            }
            Err(Unopened::Refused { result, message }) => {
                self.not_opened(id, closed(SubsystemStatus::Failed, result, vec![message]));
                // To try again would be to take the array away from another service: that is the operator's to say.
                let is_taken = result == HResult::VDSX_E_ARRAY_IN_USE;
                if let Some(left) = patience.filter(|_| !is_taken) {
                    self.look_again_after(left);
                }
            }
        }
    }

    fn not_opened(&self, id: SubsystemId, closed: ClosedArray) {
        tracing::warn!(array = %id, notes = ?closed.notes, "array not opened");
        let before = self.closed.borrow_mut().insert(id, closed);
        let change = if before.is_some() { Change::Modify } else { Change::Arrive };
        self.shared.publish(vec![of_subsystem(id, change)]);
    }

    /// Drives that vanished come back by themselves: as long as an array lacks one, it is looked for. Those that were left out
    /// of the catalog are asked again.
    pub(super) fn look_for_absent_drives(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let clock = Rc::clone(&self.shared.world.clock);
        let task = async move {
            loop {
                clock.sleep(ABSENT_PERIOD).await;
                let Some(embedded) = weak.upgrade() else { return };
                let arrays: Vec<Rc<Array>> = embedded.arrays.borrow().values().cloned().collect();
                for array in &arrays {
                    array.rejoin_drives().await;
                }
                if arrays.iter().any(|array| array.lacks_drives()) {
                    embedded.discover().await;
                }
            }
        };
        self.shared.world.spawn.spawn("look for absent drives", Box::pin(task));
    }

    fn look_again_after(self: &Rc<Self>, left: Duration) {
        let weak = Rc::downgrade(self);
        let clock = Rc::clone(&self.shared.world.clock);
        let task = async move {
            clock.sleep(left).await;
            if let Some(embedded) = weak.upgrade() {
                embedded.discover().await;
            }
        };
        self.shared.world.spawn.spawn("discover again", Box::pin(task));
    }

    /// Opens an array from these paths. With `patience` it is not opened while drives are missing.
    async fn try_open(
        &self,
        id: SubsystemId,
        paths: Vec<String>,
        without: Vec<DriveId>,
        patience: Option<Duration>,
    ) -> Result<Rc<Array>, Unopened> {
        let mut disks = Vec::new();
        let mut notes = Vec::new();
        for path in paths {
            match self.shared.source.open(&path, OpenMode::Member).await {
                Ok(disk) => disks.push(disk),
                Err(error) => notes.push(error.message),
            }
        }
        let options = OpenOptions { array: Some(id), without };
        let world = self.shared.world.clone();
        let found = find(world, disks, &options).await.map_err(|error| refused(&error, &notes))?;
        let missing = found.missing();
        if !missing.is_empty() {
            if let Some(left) = patience {
                return Err(Unopened::Waiting { missing, left });
            }
            if found.is_unacknowledged() {
                let message = "the making of this array was never finished".to_owned();
                return Err(Unopened::Refused { result: HResult::VDSX_E_NO_QUORUM, message });
            }
        }
        let opened = found.open().await.map_err(|error| refused(&error, &notes))?;
        Ok(self.take_into_use(opened, notes))
    }

    /// Wipes the superblocks of an array whose making was not finished: no drive has a single round. Whoever asked for it
    /// was never told that it exists.
    async fn discard_unfinished(&self, id: SubsystemId, drives: &[(DriveId, String)]) -> bool {
        let mut members = Vec::new();
        for (_, path) in drives {
            let Ok(disk) = self.shared.source.open(path, OpenMode::Member).await else { continue };
            let look = in_time(&*self.shared.world.clock, inspect(Rc::clone(&disk)));
            let Some(Ok(copy)) = look.await else { continue };
            if copy.newest().is_some_and(|(round, _)| round > Round(0)) {
                return false;
            }
            members.push((disk, copy));
        }
        if !members.iter().any(|(_, copy)| copy.newest().is_some()) {
            return false;
        }
        for (disk, copy) in members {
            let (drive_id, geometry) = (copy.drive_id(), copy.superblock.geometry);
            let world = self.shared.world.clone();
            let drive = Drive::start(DriveNo(0), drive_id, geometry, disk, world.clone());
            match wipe_superblocks(&world, &drive).await {
                Ok(()) => {
                    tracing::warn!(array = %id, path = copy.path, "unfinished: superblocks wiped");
                    self.shared.loose.borrow_mut().push(drive.describe());
                }
                Err(error) => {
                    tracing::warn!(path = copy.path, %error, "superblocks were not wiped");
                }
            }
        }
        true
    }

    fn take_into_use(&self, opened: Opened, mut notes: Vec<String>) -> Rc<Array> {
        notes.extend(opening_notes(&opened));
        let Opened { catalog, drives, left_out, absent, returned, damage, .. } = opened;
        let left_out = left_out.len();
        tracing::info!(
            array = %catalog.array(),
            drives = drives.len(),
            left_out,
            ?absent,
            ?returned,
            damaged = damage.len(),
            "array opened"
        );
        Array::start(&self.shared, catalog, drives, notes, damage)
    }

    /// An array is open now.
    pub(super) fn opened(&self, array: Rc<Array>) {
        let id = array.id;
        let was_known = self.closed.borrow_mut().remove(&id).is_some();
        let change = if was_known { Change::Modify } else { Change::Arrive };
        let events = arrival(&array, change);
        self.arrays.borrow_mut().insert(id, array);
        self.shared.exports_change();
        self.shared.publish(events);
    }

    /// Opens an array knowingly without some of its drives.
    pub(super) async fn open_without(
        self: &Rc<Self>,
        id: SubsystemId,
        without: Vec<DriveId>,
    ) -> Result<(), Refusal> {
        let _turn = self.looking.take().await;
        if self.arrays.borrow().contains_key(&id) {
            if without.is_empty() {
                return Ok(());
            }
            let message = "the array is open; fail the drives instead";
            return Err(Refusal::new(HResult::VDS_E_INVALID_STATE, message));
        }
        let (seen, _) = self.look().await;
        let mine = seen.into_iter().filter(|it| it.superblock.array == id);
        let paths: Vec<String> = mine.map(|it| it.path).collect();
        match self.try_open(id, paths, without, None).await {
            Ok(array) => {
                self.opened(array);
                Ok(())
            }
            Err(Unopened::Refused { result, message }) => Err(Refusal::new(result, message)),
            Err(Unopened::Waiting { .. }) => unreachable!("nobody asked to be patient"),
        }
    }
}

/// Why an array was not opened.
enum Unopened {
    Waiting { missing: Vec<String>, left: Duration },
    Refused { result: HResult, message: String },
}

fn refused(error: &OpenError, notes: &[String]) -> Unopened {
    let mut message = chain(error);
    for note in notes {
        message.push_str("; ");
        message.push_str(note);
    }
    Unopened::Refused { result: of_opening(error), message }
}

/// What the operator should know of an opening.
fn opening_notes(opened: &Opened) -> Vec<String> {
    let mut notes = Vec::new();
    if opened.new_lineage {
        notes.push("a new line of history began when the array was opened".to_owned());
    }
    for (path, drive, _) in &opened.diverged {
        notes.push(format!("{path} ({drive}) carries another line of history and was not touched"));
    }
    for path in &opened.unknown {
        notes.push(format!("{path} says that it is a drive of this array, and is none"));
    }
    notes.extend(opened.unusable.iter().map(|error| chain(error)));
    notes
}

/// The events of an array that is there now.
fn arrival(array: &Array, change: Change) -> Vec<Notification> {
    let state = array.state();
    let mut events = vec![of_subsystem(array.id, change)];
    events.push(of_controller(controller_of(array.id), Change::Arrive));
    events.push(of_port(port_of(array.id), Change::Arrive));
    events.extend(state.drives.values().map(|drive| of_drive(drive.id, Change::Arrive)));
    events.extend(state.luns.values().map(|lun| of_lun(lun.id, Change::Arrive)));
    events.extend(state.targets.values().map(|target| of_target(target.id, Change::Arrive)));
    events.extend(state.portals.values().map(|portal| of_portal(portal.id, Change::Arrive)));
    events
}
