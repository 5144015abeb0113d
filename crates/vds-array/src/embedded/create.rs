//! Making a LUN: layout, target and mask, all in one transaction.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use vds_format::{LunRecord, PlexRecord, PlexState, Record, Reservation, TargetRecord};
use vds_model::{
    Bytes, Change, HResult, HintMask, Hints, HintsForm, IscsiName, LunId, LunType, PlexId,
    RawHints, SubsystemId, TargetId,
};
use vds_operation::{ByteReader, ByteWriter, CodecError, ObjectRef, Output};
use vds_provider::{
    Caching, CreateLun, MaxSizeQuery, Plan, PlannedDrive, PlannedLayout, Provisioning, Refusal,
    TargetChoice,
};

use super::array::Array;
use super::capacity::Pool;
use super::change::number_of;
use super::errors::{not_found, of_catalog};
use super::layouts::{BLOCK, Chosen, Wish, blocks_of, by_drive, choose, largest};
use super::portal_groups::derived_group_of;
use super::run::{Effect, Prepared, Work};
use super::shared::{of_lun, of_portal_group, of_target};
use crate::catalog::{CatalogError, CatalogState};

/// The naming authority of target names made here: a date at which the domain was the project's, and the domain.
const TARGET_PREFIX: &str = "iqn.2025-01.io.vds";
/// Logical unit numbers go up to here: what peripheral device addressing reaches.
const LUN_NUMBER_MAX: u16 = 255;

/// The target of a new LUN.
enum Target {
    None,
    New(TargetRecord),
    Existing { number: u32, id: TargetId, lun_number: u16 },
}

impl Array {
    /// What making this LUN would do.
    pub(super) fn prepare_create_lun(&self, create: &CreateLun) -> Result<Prepared, Refusal> {
        if create.provisioning == Provisioning::Thin {
            let message = "thin LUNs are not offered";
            return Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message));
        }
        let pool = self.pool();
        let blocks = blocks_of(create.size_bytes)?;
        let chosen = choose(&pool, &Wish::from(create), blocks)?;
        let number = self.state().array.next_lun;
        let name = self.new_lun_name(&create.name)?;
        let target = self.target_for(create, &name)?;
        let plan = self.creation_plan(&pool, create, &chosen, &name, blocks);
        let mut lun = self.new_lun(create, &chosen, name, blocks);
        let id = lun.id;
        let mut events = vec![of_lun(id, Change::Arrive)];
        let mut records = Vec::new();
        match target {
            Target::None => {}
            Target::New(target) => {
                lun.target = target.number;
                events.push(of_target(target.id, Change::Arrive));
                events.push(of_portal_group(derived_group_of(target.id), Change::Arrive));
                records.push(Record::Target(target));
            }
            Target::Existing { number, id, lun_number } => {
                (lun.target, lun.target_lun) = (number, lun_number);
                events.push(of_target(id, Change::Modify));
            }
        }
        events.extend(self.drive_events(lun.reservations.iter().map(|it| it.drive)));
        let reservations = lun.reservations.clone();
        records.push(Record::Lun(lun));
        let mut effect = Effect::new(records, Output::CreateLun(id));
        effect.apply = Box::new(move |array| {
            array.engine.space.borrow_mut().reserve(number, &reservations);
            array.bring_up(number);
        });
        effect.then = Some(Box::new(move |array| {
            Box::pin(async move {
                // Nothing was written yet: this is ready at once.
                if let Some(entry) = array.entry(number) {
                    let _ = entry.lun.recover().await;
                }
            })
        }));
        effect.events = events;
        effect.exports = true;
        Ok(Prepared { plan, work: Work::Transaction(Box::new(effect)) })
    }

    /// The size of the largest LUN that could be made so.
    pub(super) fn max_create_size(&self, query: &MaxSizeQuery) -> Result<u64, Refusal> {
        // No size that is told now could be had.
        if let Some(reason) = self.engine.catalog.frozen() {
            return Err(of_catalog(&CatalogError::Frozen(reason)));
        }
        largest(&self.pool(), &Wish::from(query))
    }

    /// The name asked for if it is free, or one made of the LUN's number.
    fn new_lun_name(&self, asked: &str) -> Result<String, Refusal> {
        if !asked.is_empty() {
            self.check_lun_name(asked, None)?;
            return Ok(asked.to_owned());
        }
        let base = format!("lun{}", self.state().array.next_lun.0);
        let mut name = base.clone();
        let mut count = 1;
        while self.check_lun_name(&name, None).is_err() {
            count += 1;
            name = format!("{base}-{count}");
        }
        Ok(name)
    }

    /// Whether no LUN but `except` has this name: what is deleted by its name must be the one that was meant.
    pub(super) fn check_lun_name(&self, name: &str, except: Option<LunId>) -> Result<(), Refusal> {
        let state = self.state();
        let taken = state.luns.values().any(|lun| lun.name == name && Some(lun.id) != except);
        if taken {
            let message = format!("there is a LUN {name} already");
            return Err(Refusal::new(HResult::VDS_E_OBJECT_EXISTS, message)
                .with_hint("Choose another name, or rename that one."));
        }
        Ok(())
    }

    fn new_lun(&self, create: &CreateLun, chosen: &Chosen, name: String, blocks: u64) -> LunRecord {
        let hints = create.hints.unwrap_or_default();
        let write_through = hints.opinion(HintMask::WRITE_THROUGH) == Some(true);
        let plex = |(copy, shares): (usize, &Vec<super::capacity::Share>)| PlexRecord {
            id: PlexId::from_bytes(self.shared.id_bytes()),
            copy: u8::try_from(copy).expect("at most four copies"),
            state: PlexState::Whole,
            drives: shares.iter().map(|share| share.drive).collect(),
        };
        let reservation = |(drive, slabs)| Reservation { drive, slabs };
        LunRecord {
            number: self.state().array.next_lun,
            id: LunId::from_bytes(self.shared.id_bytes()),
            name,
            lun_type: number_of(chosen.lun_type),
            asked_type: number_of(create.lun_type),
            size_bytes: blocks * BLOCK,
            sector_bytes: create.sector_size.bytes(),
            data_columns: chosen.data_columns,
            write_back: create.caching == Caching::WriteBack && !write_through,
            offline: false,
            read_only: false,
            mask: create.unmasking_list.to_string(),
            hints: hints_bytes(&hints),
            target: 0,
            target_lun: 0,
            created_unix_ms: self.shared.unix_ms(),
            plexes: chosen.plexes.iter().enumerate().map(plex).collect(),
            reservations: by_drive(&chosen.plexes).into_iter().map(reservation).collect(),
        }
    }

    fn target_for(&self, create: &CreateLun, lun_name: &str) -> Result<Target, Refusal> {
        let state = self.state();
        let iqn = match &create.target {
            TargetChoice::None => return Ok(Target::None),
            TargetChoice::New => "",
            TargetChoice::Named(iqn) => iqn.as_str(),
            TargetChoice::Existing(id) => {
                let target = state.targets.values().find(|target| target.id == *id);
                let target = target.ok_or_else(|| not_found(ObjectRef::Target(*id)))?;
                let lun_number = free_lun_number(&state, target.number)?;
                return Ok(Target::Existing { number: target.number, id: *id, lun_number });
            }
        };
        Ok(Target::New(TargetRecord {
            number: state.array.next_target,
            id: TargetId::from_bytes(self.shared.id_bytes()),
            iscsi_name: target_name(&state, self.id, iqn, lun_name, "lun")?,
            friendly_name: lun_name.to_owned(),
            chap: false,
            made_for_lun: true,
            initiators: Vec::new(),
            mutual_user: String::new(),
            mutual_secret: Vec::new(),
            mutual_initiators: Vec::new(),
        }))
    }

    fn creation_plan(
        &self,
        pool: &Pool,
        create: &CreateLun,
        chosen: &Chosen,
        name: &str,
        blocks: u64,
    ) -> Plan {
        let state = self.state();
        let size_bytes = blocks * BLOCK;
        let shares = chosen.plexes.iter().flatten();
        let drives = shares.map(|share| PlannedDrive {
            drive: state.drives[&share.drive].id,
            reserved_bytes: u64::from(share.slabs) * pool.slab_bytes,
        });
        let drives: Vec<PlannedDrive> = drives.collect();
        let copies = chosen.plexes.len();
        let mut summary = format!("make LUN {name}: {} of {}", chosen.lun_type, Bytes(size_bytes));
        if size_bytes != create.size_bytes {
            let _ = write!(summary, ", rounded up from {} bytes", create.size_bytes);
        }
        if copies > 1 {
            let _ = write!(summary, ", {copies} copies");
        }
        Plan {
            summary,
            layout: Some(PlannedLayout {
                lun_type: chosen.lun_type,
                columns: chosen.data_columns.into(),
                copies: u16::try_from(copies).expect("at most four"),
                reason: chosen.reason.clone(),
            }),
            drives,
            usable_bytes: size_bytes,
            raw_bytes: chosen.slabs() * pool.slab_bytes,
            risks: risks(create, chosen),
            generation: 0,
        }
    }
}

fn risks(create: &CreateLun, chosen: &Chosen) -> Vec<String> {
    let mut risks = Vec::new();
    match chosen.plexes.len() {
        1 => {
            let drives = chosen.plexes[0].len();
            let part = match chosen.lun_type {
                LunType::Stripe => "parts of all data, which is spread over all of them",
                LunType::Span if drives > 1 => "what lay on it",
                _ => "all data of the LUN",
            };
            let which = if drives > 1 { "any one of its drives" } else { "its drive" };
            risks.push(format!("there is one copy: the loss of {which} loses {part}"));
        }
        copies => {
            let all = copies == 2;
            let how = if all { "one drive".to_owned() } else { format!("{} drives", copies - 1) };
            risks.push(format!("the data survives the loss of {how}; one more may lose data"));
        }
    }
    if create.caching == Caching::WriteBack {
        risks.push(
            "a power cut loses writes that were acknowledged and not flushed, the latest first"
                .to_owned(),
        );
    }
    if create.unmasking_list == vds_model::UnmaskingList::Everybody {
        risks.push("everybody who reaches a portal may read and write it".to_owned());
    }
    risks
}

/// The number above all others, so that a number that an initiator knows is another LUN's as late as can be; the lowest
/// that is free where there is none above.
pub(super) fn free_lun_number(state: &CatalogState, target: u32) -> Result<u16, Refusal> {
    let taken: BTreeSet<u16> =
        state.luns.values().filter(|lun| lun.target == target).map(|lun| lun.target_lun).collect();
    let above = taken.last().map_or(0, |last| last + 1);
    let mut free = std::iter::once(above).chain(0..above);
    free.find(|number| *number <= LUN_NUMBER_MAX && !taken.contains(number)).ok_or_else(|| {
        let message = format!("the target has LUNs 0 to {LUN_NUMBER_MAX}");
        Refusal::new(HResult::VDSX_E_NO_LUN_NUMBER, message)
    })
}

/// The name of a new target: the one asked for if it is free, or one made of the array's id and `name`.
///
/// # Errors
/// `VDS_E_NAME_NOT_UNIQUE`; `VDSX_E_BAD_TARGET_NAME`.
pub(super) fn target_name(
    state: &CatalogState,
    array: SubsystemId,
    asked: &str,
    name: &str,
    fallback: &str,
) -> Result<String, Refusal> {
    let is_taken = |wanted: &str| state.targets.values().any(|it| it.iscsi_name == wanted);
    if !asked.is_empty() {
        let parsed = IscsiName::parse(asked).map_err(|error| {
            let message = format!("{asked:?} is no iSCSI name: {error}");
            Refusal::new(HResult::VDSX_E_BAD_TARGET_NAME, message)
        })?;
        if is_taken(parsed.as_str()) {
            let message = format!("there is a target {asked} already");
            return Err(Refusal::new(HResult::VDS_E_NAME_NOT_UNIQUE, message));
        }
        return Ok(parsed.as_str().to_owned());
    }
    let id = array.to_string();
    let short = id.split('-').next().unwrap_or_default();
    let base = format!("{TARGET_PREFIX}:{short}.{}", plain(name, fallback));
    let mut made = base.clone();
    let mut count = 1;
    while is_taken(&made) {
        count += 1;
        made = format!("{base}-{count}");
    }
    Ok(made)
}

/// What of a name may stand in an iSCSI name.
fn plain(name: &str, fallback: &str) -> String {
    const BYTES_MAX: usize = 96;
    let legal =
        |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let text: String = name.chars().take(BYTES_MAX).map(legal).collect();
    let text = text.trim_matches(['-', '.']);
    if text.is_empty() { fallback.to_owned() } else { text.to_owned() }
}

/// Hints as a LUN record keeps them; empty for none.
pub(super) fn hints_bytes(hints: &Hints) -> Vec<u8> {
    if hints.is_empty() {
        return Vec::new();
    }
    let raw = hints.to_raw(HintsForm::Hints2);
    let mut writer = ByteWriter::new();
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
    writer.into_bytes()
}

/// The hints of a LUN record. What cannot be read is no wish.
pub(super) fn hints_of(bytes: &[u8]) -> Hints {
    read_hints(bytes)
        .ok()
        .and_then(|raw| Hints::from_raw(HintsForm::Hints2, &raw).ok())
        .unwrap_or_default()
}

fn read_hints(bytes: &[u8]) -> Result<RawHints, CodecError> {
    let mut reader = ByteReader::new(bytes);
    let raw = RawHints {
        mask: reader.u64("mask")?,
        values: reader.u64("values")?,
        expected_maximum_bytes: reader.u64("maximum")?,
        optimal_read_bytes: reader.u32("read")?,
        optimal_read_alignment_bytes: reader.u32("read alignment")?,
        optimal_write_bytes: reader.u32("write")?,
        optimal_write_alignment_bytes: reader.u32("write alignment")?,
        maximum_drive_count: reader.u32("drives")?,
        stripe_bytes: reader.u32("stripe")?,
        bus_type: reader.u32("bus")?,
        rebuild_priority: reader.u8("priority")?.into(),
    };
    reader.finish()?;
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_kept() {
        let mut hints = Hints::none().with_opinion(HintMask::MOSTLY_READS, true);
        hints.maximum_drive_count = 3;
        assert_eq!(hints_of(&hints_bytes(&hints)), hints);
        assert_eq!(hints_of(&hints_bytes(&Hints::none())), Hints::none());
        assert_eq!(hints_of(&[1, 2, 3]), Hints::none());
    }

    fn check_plain(name: &str, expected: &str) {
        assert_eq!(plain(name, "lun"), expected, "{name:?}");
        assert!(IscsiName::parse(&format!("{TARGET_PREFIX}:0.{}", plain(name, "lun"))).is_ok());
    }

    #[test]
    fn names_become_parts_of_target_names() {
        check_plain("db1", "db1");
        check_plain("Web Server_2", "web-server-2");
        check_plain("äöü", "lun");
        check_plain("-.x.-", "x");
    }
}
