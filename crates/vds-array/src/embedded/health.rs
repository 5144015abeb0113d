//! How LUNs, plexes and drives are, by VDS's words.

use std::collections::BTreeSet;

use vds_format::{ColumnState, DriveNo, DriveRecord, DriveState, LunRecord, PlexState, Stream};
use vds_model::{DriveStatus, Health, LunStatus, PlexStatus, TransitionState};

use super::array::{Array, Entry};
use crate::lun::Readiness;

/// What is asked of the whole array once, for all LUNs.
pub(super) struct Survey {
    live: BTreeSet<DriveNo>,
}

/// What can be told of a LUN at one moment.
pub(super) struct Condition {
    pub(super) status: LunStatus,
    pub(super) health: Health,
    pub(super) transition: TransitionState,
    /// Copies, by number, that lack something or have a home that is gone.
    lacking: BTreeSet<u8>,
    /// Whether some data column of live data has no copy left.
    pub(super) is_lost: bool,
    pub(super) is_rebuilding: bool,
}

impl Array {
    /// The array as a whole, now.
    pub(super) fn survey(&self) -> Survey {
        Survey { live: self.engine.live_drives().into_iter().collect() }
    }

    /// How a LUN is.
    pub(super) fn condition(
        &self,
        survey: &Survey,
        lun: &LunRecord,
        entry: Option<&Entry>,
    ) -> Condition {
        let Survey { live } = survey;
        let mut lacking: BTreeSet<u8> = lun
            .plexes
            .iter()
            .filter(|plex| plex.drives.iter().any(|drive| !live.contains(drive)))
            .map(|plex| plex.copy)
            .collect();
        let no_copy = self.lacking_columns(lun, live, &mut lacking);
        let is_lost = no_copy && entry.is_some_and(|entry| entry.lun.copies_min() == Some(0));
        let readiness = entry.map_or(Readiness::Recovering, |entry| entry.lun.readiness());
        let is_building = lun.plexes.iter().any(|plex| plex.state == PlexState::Building);
        let is_rebuilding = is_building || self.walks.borrow().contains_key(&lun.number);
        let status = match readiness {
            _ if is_lost || readiness == Readiness::Failed => LunStatus::Failed,
            _ if lun.offline => LunStatus::Offline,
            Readiness::Recovering => LunStatus::NotReady,
            Readiness::Ready | Readiness::Gone | Readiness::Failed => LunStatus::Online,
        };
        let has_errors = entry.is_some_and(|entry| entry.lun.has_unreadable());
        let is_single = lun.plexes.len() == 1;
        let health = match (lacking.is_empty(), has_errors) {
            _ if status == LunStatus::Failed => Health::Failed,
            _ if is_rebuilding => Health::Rebuilding,
            (is_full, has_errors) if is_single && (!is_full || has_errors) => Health::Failing,
            (false, true) => Health::FailedRedundancyFailing,
            (false, false) => Health::FailedRedundancy,
            (true, true) => Health::FailingRedundancy,
            (true, false) => Health::Healthy,
        };
        let transition =
            if is_building { TransitionState::Reconfiguring } else { TransitionState::Stable };
        Condition { status, health, transition, lacking, is_lost, is_rebuilding }
    }

    /// Notes the copies that lack a column of some segment; whether a data column has no copy at all.
    fn lacking_columns(
        &self,
        lun: &LunRecord,
        live: &BTreeSet<DriveNo>,
        lacking: &mut BTreeSet<u8>,
    ) -> bool {
        let state = self.state();
        let mut no_copy = false;
        for segment in state.segments_of(lun.number) {
            for data in 0..segment.data_columns {
                let has = |copy: u8| {
                    segment.columns.iter().any(|column| {
                        column.copy == copy
                            && column.data_column == data
                            && column.state == ColumnState::Current
                            && live.contains(&column.drive)
                    })
                };
                let missing: Vec<u8> =
                    lun.plexes.iter().map(|plex| plex.copy).filter(|copy| !has(*copy)).collect();
                no_copy |= missing.len() == lun.plexes.len() && segment.stream != Stream::Map;
                lacking.extend(missing);
            }
        }
        no_copy
    }
}

impl Condition {
    /// Whether copies lack something that others have, and nobody is copying it.
    pub(super) fn can_be_recovered(&self) -> bool {
        !self.lacking.is_empty() && !self.is_lost && !self.is_rebuilding
    }

    /// How one of the LUN's plexes is.
    pub(super) fn of_plex(&self, copy: u8, state: PlexState) -> (PlexStatus, Health) {
        if self.status == LunStatus::Failed {
            return (PlexStatus::Failed, Health::Failed);
        }
        let status = match self.status {
            LunStatus::Offline => PlexStatus::Offline,
            LunStatus::NotReady => PlexStatus::NotReady,
            _ => PlexStatus::Online,
        };
        let health = match state {
            PlexState::Building => Health::Rebuilding,
            PlexState::Whole if !self.lacking.contains(&copy) => Health::Healthy,
            PlexState::Whole if self.is_rebuilding => Health::Rebuilding,
            PlexState::Whole => Health::Failing,
        };
        (status, health)
    }
}

/// How a drive is. `is_live`: it is open and answers.
pub(super) fn of_drive(record: &DriveRecord, is_live: bool) -> (DriveStatus, Health) {
    match record.state {
        DriveState::Active if is_live => (DriveStatus::Online, Health::Healthy),
        DriveState::Leaving if is_live => (DriveStatus::Online, Health::PendingFailure),
        DriveState::Absent => (DriveStatus::Removed, Health::Unknown),
        DriveState::Active | DriveState::Leaving | DriveState::Failed => {
            (DriveStatus::Failed, Health::Failed)
        }
    }
}
