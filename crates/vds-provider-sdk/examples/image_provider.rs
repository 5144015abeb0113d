//! An example provider: one drive whose LUNs are image files. `image_provider FOLDER [--size 1GiB]`
//!
//! `FOLDER/luns/ID.img` holds a LUN's data; `ID.json` says that it exists: put in place as a whole once the data's
//! file is ready, and taken away first. So a LUN is there or not, whenever the process dies. `state` is the SDK's.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, fallocate};
use serde_json::{Value, json};
use vds_provider_sdk::prelude::*;

const MIB: u64 = 1 << 20;
const STEP_BYTES: u64 = 4 * MIB;

struct Images {
    folder: PathBuf,
    size_bytes: u64,
}

/// What is there; LUNs as the view shows them.
struct Array {
    subsystem: SubsystemId,
    drive: DriveId,
    luns: BTreeMap<LunId, Lun>,
}

/// What is decided before anything is done: which LUN, and how large its image is to be.
type Plan = ([u8; 16], u64);

fn rounded(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(MIB).unwrap_or(u64::MAX)
}

impl Array {
    fn used_bytes(&self) -> u64 {
        self.luns.values().map(|lun| lun.size_bytes).sum()
    }

    fn known(&self, lun: LunId) -> Result<&Lun, Refusal> {
        match self.luns.get(&lun) {
            Some(found) => Ok(found),
            None => refuse(HResult::VDS_E_OBJECT_NOT_FOUND, format!("no LUN {lun}")),
        }
    }

    /// A LUN that is there and that no other operation is changing.
    fn idle(&self, lun: LunId, unfinished: &[Planned]) -> Result<&Lun, Refusal> {
        let plans = unfinished.iter().filter_map(Planned::plan::<Plan>);
        if plans.into_iter().any(|(busy, _)| busy == lun.to_bytes()) {
            return refuse(HResult::VDS_E_OPERATION_PENDING, format!("LUN {lun} is being changed"));
        }
        self.known(lun)
    }

    fn check(
        &self,
        place: SubsystemId,
        on: Option<&Vec<DriveId>>,
        of: LunType,
    ) -> Result<(), Refusal> {
        if place != self.subsystem || on.into_iter().flatten().any(|drive| *drive != self.drive) {
            return refuse(
                HResult::VDS_E_OBJECT_NOT_FOUND,
                "there is one subsystem with one drive",
            );
        }
        match of {
            LunType::Simple | LunType::Default | LunType::NonFaultTolerant => Ok(()),
            other => refuse(HResult::VDS_E_NOT_SUPPORTED, format!("LUNs are simple, not {other}")),
        }
    }
}

impl Images {
    fn path(&self, lun: LunId, suffix: &str) -> PathBuf {
        self.folder.join(format!("{lun}.{suffix}"))
    }

    /// What a new LUN could have: what operations that have not ended will take is spoken for.
    fn free_bytes(&self, array: &Array, unfinished: &[Planned]) -> u64 {
        let grown = unfinished.iter().filter_map(Planned::plan::<Plan>).map(|(lun, to_bytes)| {
            let lun = array.luns.get(&LunId::from_bytes(lun));
            to_bytes.saturating_sub(lun.map_or(0, |lun| lun.size_bytes))
        });
        self.size_bytes.saturating_sub(array.used_bytes() + grown.sum::<u64>())
    }

    fn check_space(&self, array: &Array, others: &[Planned], wanted: u64) -> Result<u64, Refusal> {
        let free = self.free_bytes(array, others);
        if wanted > free {
            refuse(HResult::VDS_E_NOT_ENOUGH_SPACE, format!("{wanted} bytes wanted, {free} free"))?;
        }
        Ok(wanted)
    }

    /// Makes the image as large as planned, step by step. May be begun anew.
    fn take_space(&self, operation: &Operation<Self>, (lun, to_bytes): Plan) -> Result<(), Stop> {
        let path = self.path(LunId::from_bytes(lun), "img");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let mut at = 0;
        while at < to_bytes {
            operation.progress("taking space", at, to_bytes)?;
            let bytes = STEP_BYTES.min(to_bytes - at);
            fallocate(&file, FallocateFlags::empty(), at, bytes).map_err(io::Error::from)?;
            at += bytes;
        }
        file.sync_all()?;
        Ok(sync_folder(&self.folder)?)
    }

    /// The moment in which a LUN begins to be, or to be different.
    fn store(
        &self,
        array: &mut Array,
        lun: Lun,
        news: &mut News,
        change: Change,
    ) -> Result<(), Stop> {
        write_durably(&self.path(lun.id, "json"), json!(lun).to_string().as_bytes())?;
        news.extend(Notification::new(Subject::Lun(lun.id), change));
        array.luns.insert(lun.id, lun);
        Ok(())
    }

    fn create(&self, operation: &Operation<Self>, plan: Plan) -> Result<Made, Stop> {
        let id = LunId::from_bytes(plan.0);
        let Request::CreateLun { name, unmasking_list, sector_bytes, caching, .. } =
            operation.request()
        else {
            return refuse(HResult::VDS_E_PROVIDER_FAILURE, "this is no request for a LUN");
        };
        if operation.look(|array| array.luns.contains_key(&id)) {
            return Ok(Made::Object(ObjectRef::Lun(id)));
        }
        self.take_space(operation, plan)?;
        operation.commit(|array, news| {
            let mut lun = objects::lun(id, array.subsystem, name, LunType::Simple, plan.1);
            let plex = PlexId::from_bytes(fixed_id(ProviderId::from_bytes(plan.0), "plex"));
            lun.plexes.push(objects::plex(plex, PlexType::Simple, plan.1));
            lun.unmasking_list = unmasking_list.clone();
            (lun.sector_bytes, lun.caching) = (*sector_bytes, *caching);
            lun.made_by = Some(operation.id());
            objects::lay_out(&mut lun, array.drive, plan.1);
            self.store(array, lun, news, Change::Arrive)?;
            Ok(Made::Object(ObjectRef::Lun(id)))
        })
    }

    fn delete(&self, operation: &Operation<Self>, id: LunId) -> Result<Made, Stop> {
        operation.commit(|array, news| {
            if array.luns.contains_key(&id) {
                fs::remove_file(self.path(id, "json"))?;
                sync_folder(&self.folder)?;
                array.luns.remove(&id);
                news.extend(Notification::new(Subject::Lun(id), Change::Depart));
            }
            Ok(())
        })?;
        match fs::remove_file(self.path(id, "img")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(Made::Nothing),
        }
    }
}

impl Provider for Images {
    type State = Array;

    fn about(&self) -> About {
        use OperationKind::{CreateLun, DeleteLun, ExtendLun, SetMask, SetName};
        let slow = [CreateLun, ExtendLun].map(|kind| resumes(kind, Cancel::BeforeCommit));
        let quick = [DeleteLun, SetMask, SetName].map(|kind| resumes(kind, Cancel::NotSupported));
        About {
            name: "Image files".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lun_types: vec![LunType::Simple],
            operations: slow.into_iter().chain(quick).collect(),
            methods: vec![method::MAX_LUN_CREATE_SIZE, method::LUN_OPEN, method::LUN_CLOSE],
        }
    }

    fn load(&self, id: ProviderId, _: &[Planned]) -> io::Result<Array> {
        fs::create_dir_all(&self.folder)?;
        let subsystem = SubsystemId::from_bytes(fixed_id(id, "subsystem"));
        let drive = DriveId::from_bytes(fixed_id(id, "drive"));
        let mut luns = BTreeMap::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|suffix| suffix == "json") {
                let lun: Lun = serde_json::from_slice(&fs::read(path)?)?;
                luns.insert(lun.id, lun);
            }
        }
        Ok(Array { subsystem, drive, luns })
    }

    fn view(&self, array: &Array) -> View {
        let free = self.size_bytes.saturating_sub(array.used_bytes());
        let mut subsystem = objects::subsystem(array.subsystem, "images", "folder");
        subsystem.flags = SubsystemFlags::SUPPORTS_SIMPLE_LUNS;
        (subsystem.raw_bytes, subsystem.free_bytes) = (self.size_bytes, free);
        let mut drive = objects::drive(array.drive, "folder", self.size_bytes);
        drive.subsystem = Some(array.subsystem);
        let used = array.luns.values().map(|lun| (Some(lun.id), lun.size_bytes, true));
        let extents = used.chain((free > 0).then_some((None, free, false)));
        let extent = |(lun, size_bytes, is_used)| DriveExtent { lun, size_bytes, is_used };
        drive.extents = extents.map(extent).collect();
        let luns = array.luns.values().cloned().collect();
        View { subsystems: vec![subsystem], drives: vec![drive], luns, ..View::default() }
    }

    fn prepare(&self, array: &Array, others: &[Planned], request: &Request) -> Result<Value, Stop> {
        let plan: Plan = match request {
            Request::CreateLun { subsystem, lun_type, size_bytes, drives, .. } => {
                array.check(*subsystem, drives.as_ref(), *lun_type)?;
                if !is_plain(request) {
                    return refuse(HResult::VDS_E_NOT_SUPPORTED, "LUNs are thick and in one piece");
                }
                (fresh_id()?, self.check_space(array, others, rounded(*size_bytes))?)
            }
            Request::ExtendLun { lun, by_bytes, drives } => {
                let old = array.idle(*lun, others)?.size_bytes;
                array.check(array.subsystem, drives.as_ref(), LunType::Simple)?;
                (lun.to_bytes(), old + self.check_space(array, others, rounded(*by_bytes))?)
            }
            Request::DeleteLun { lun }
            | Request::SetMask { lun, .. }
            | Request::ChangeMask { lun, .. }
            | Request::SetName { lun, .. } => (array.idle(*lun, others)?.id.to_bytes(), 0),
            _ => return refuse(HResult::VDS_E_NOT_SUPPORTED, "this is not declared"),
        };
        Ok(json!(plan))
    }

    fn run(&self, operation: &Operation<Self>) -> Result<Made, Stop> {
        let plan: Plan = operation.plan()?;
        let request = operation.request();
        match request {
            Request::CreateLun { .. } => return self.create(operation, plan),
            Request::DeleteLun { lun } => return self.delete(operation, *lun),
            Request::ExtendLun { .. } => self.take_space(operation, plan)?,
            _ => {}
        }
        operation.commit(|array, news| {
            let mut lun = array.known(LunId::from_bytes(plan.0))?.clone();
            match request {
                Request::ExtendLun { .. } => objects::lay_out(&mut lun, array.drive, plan.1),
                Request::SetMask { unmasking_list: list, .. } => lun.unmasking_list = list.clone(),
                Request::ChangeMask { add, remove, .. } => {
                    lun.unmasking_list = changed_mask(&lun.unmasking_list, add, remove)?;
                }
                Request::SetName { name, .. } => lun.name.clone_from(name),
                _ => return refuse(HResult::VDS_E_NOT_SUPPORTED, "this is not declared"),
            }
            self.store(array, lun, news, Change::Modify)?;
            Ok(Made::Nothing)
        })
    }

    fn undo(&self, operation: &Operation<Self>) -> Result<(), Stop> {
        let id = LunId::from_bytes(operation.plan::<Plan>()?.0);
        let (path, is_create) = (self.path(id, "img"), operation.request());
        match operation.look(|array| array.luns.get(&id).map(|lun| lun.size_bytes)) {
            None if path.exists() => Ok(fs::remove_file(path)?),
            Some(old) if matches!(is_create, Request::ExtendLun { .. }) => {
                Ok(OpenOptions::new().write(true).open(path)?.set_len(old)?)
            }
            _ => Ok(()),
        }
    }

    fn max_lun_create_size(&self, a: &Array, o: &[Planned], q: &MaxSize) -> Result<u64, Refusal> {
        a.check(q.subsystem, q.drives.as_ref(), q.lun_type)?;
        Ok(self.free_bytes(a, o))
    }

    fn open_lun(&self, array: &mut Array, lun: LunId) -> Result<OpenedLun, Stop> {
        let size_bytes = array.known(lun)?.size_bytes;
        let file = OpenOptions::new().read(true).write(true).open(self.path(lun, "img"));
        Ok(OpenedLun { descriptor: file?.into(), size_bytes, is_read_only: false })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, size) = match &*arguments {
        [folder] => (folder, "1GiB"),
        [folder, option, size] if option == "--size" => (folder, &**size),
        _ => return Err("usage: image_provider FOLDER [--size 1GiB]".into()),
    };
    let folder = std::path::absolute(folder)?;
    let size_bytes = Bytes::parse(size)?.0 / MIB * MIB;
    serve(&folder.join("state"), Images { folder: folder.join("luns"), size_bytes })?;
    Ok(())
}
