//! Where the checks make their LUNs, and how large.

use vds_model::{Hints, LunId, LunType, SubsystemId, UnmaskingList};
use vds_operation::OperationKind;
use vds_plugin::{Lun, MaxSize, MaxSizeAnswer, Request, View, method};
use vds_provider::{CreateLun, TargetChoice};

use crate::subject::{Subject, succeeded};
use crate::trouble::{Step, failed, skipped};

const MIB: u64 = 1 << 20;
/// LUNs of the checks have no more.
const SMALL_BYTES_MAX: u64 = 16 * MIB;
/// So many small LUNs fit.
const SMALL_LUNS: u64 = 16;

/// A subsystem with room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) subsystem: SubsystemId,
    pub(crate) lun_type: LunType,
    /// The largest LUN that can be made, as far as is known.
    pub(crate) most_bytes: u64,
}

impl Place {
    /// The size of a LUN of which many fit.
    pub(crate) fn small_bytes(self) -> u64 {
        (self.most_bytes / SMALL_LUNS / MIB * MIB).clamp(MIB, SMALL_BYTES_MAX)
    }

    /// The size of a LUN that takes as long as it may.
    pub(crate) fn large_bytes(self) -> u64 {
        (self.most_bytes / 2 / MIB * MIB).max(MIB)
    }

    /// A LUN here.
    pub(crate) fn create(self, size_bytes: u64) -> CreateLun {
        CreateLun {
            name: "vds-test".to_owned(),
            target: TargetChoice::None,
            unmasking_list: UnmaskingList::Nobody,
            ..CreateLun::new(self.subsystem, self.lun_type, size_bytes)
        }
    }
}

/// The request in the form of the wire.
pub(crate) fn wire(create: CreateLun) -> Request {
    Request::of(vds_provider::Request::CreateLun(create)).expect("version 1 creates LUNs")
}

/// Bytes that nothing reserves, of all subsystems together.
pub(crate) fn free_bytes(view: &View) -> u64 {
    view.subsystems.iter().map(|subsystem| subsystem.free_bytes).sum()
}

/// The same as the drives tell it.
pub(crate) fn free_on_drives(view: &View) -> u64 {
    let members = view.drives.iter().filter(|drive| drive.subsystem.is_some());
    let extents = members.flat_map(|drive| &drive.extents);
    extents.filter(|extent| !extent.is_used).map(|extent| extent.size_bytes).sum()
}

impl Subject<'_> {
    /// Where LUNs can be made; without it the check is skipped.
    pub(crate) fn place(&mut self) -> Step<Place> {
        self.declared(OperationKind::CreateLun)?;
        let view = self.view()?;
        let Some(subsystem) = view.subsystems.iter().max_by_key(|subsystem| subsystem.free_bytes)
        else {
            return skipped("there is no subsystem in which a LUN could be made");
        };
        let lun_type = self.said.lun_types.first().copied().unwrap_or(LunType::Default);
        let mut place =
            Place { subsystem: subsystem.id, lun_type, most_bytes: subsystem.free_bytes };
        if self.said.has(method::MAX_LUN_CREATE_SIZE) {
            place.most_bytes = self.max_size(place)?;
        }
        if place.most_bytes < SMALL_LUNS * MIB {
            let bytes = place.most_bytes;
            return skipped(format!("{bytes} B are free, {} are needed", SMALL_LUNS * MIB));
        }
        Ok(place)
    }

    /// How large a LUN could be made, as the provider says.
    pub(crate) fn max_size(&mut self, place: Place) -> Step<u64> {
        let question = MaxSize {
            subsystem: place.subsystem,
            lun_type: place.lun_type,
            drives: None,
            hints: Hints::none(),
            copies: None,
            columns: None,
        };
        let answer: MaxSizeAnswer = self.ask_and_read(method::MAX_LUN_CREATE_SIZE, &question)?;
        Ok(answer.size_bytes)
    }

    /// Makes a LUN of this size.
    pub(crate) fn create(&mut self, place: Place, size_bytes: u64) -> Step<Lun> {
        let operation = self.begin(&wire(place.create(size_bytes)))?;
        let status = self.end(operation)?;
        succeeded(&status)?;
        let id = made_lun(&status)?;
        let luns = self.view()?.luns;
        match luns.into_iter().find(|lun| lun.id == id) {
            Some(lun) => Ok(lun),
            None => failed(format!("it says it made LUN {id}, and shows none")),
        }
    }
}

/// The LUN that a `create_lun` says it made.
pub(crate) fn made_lun(status: &vds_plugin::Status) -> Step<LunId> {
    let Some(output) = &status.output else {
        return failed("`create_lun` succeeded without an output");
    };
    if output.kind != OperationKind::CreateLun.code() {
        return failed(format!("`create_lun` succeeded with an output of type `{}`", output.kind));
    }
    match output.object.as_ref().and_then(vds_plugin::Object::object) {
        Some(vds_operation::ObjectRef::Lun(id)) => Ok(id),
        _ => failed("the output of `create_lun` names no LUN"),
    }
}
