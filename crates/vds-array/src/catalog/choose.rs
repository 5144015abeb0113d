//! Which of the copies found is the truth, and whether it may be opened.

use std::collections::{BTreeMap, BTreeSet};

use vds_format::{DriveNo, FormatError, Geometry, Lineage, Round};
use vds_model::DriveId;

use super::error::OpenError;
use super::inspect::{DamagedStructure, FoundEntry, MemberCopy, Reach, follow};
use super::journal::{JOURNAL_START, Log};
use super::membership::{holders, needed};
use super::state::CatalogState;

/// The truth, and what is to be done about it.
pub(super) struct Choice {
    /// The state as of the newest round.
    pub(super) state: CatalogState,
    /// Where history stands.
    pub(super) log: Log,
    /// Any member's layout.
    pub(super) geometry: Geometry,
    /// The drives that hold the catalog.
    pub(super) members: BTreeSet<DriveNo>,
    /// Active drives that are not there.
    pub(super) absent: BTreeSet<DriveNo>,
    /// The new line of history, if one begins.
    pub(super) forced: Option<Lineage>,
    /// Every member is there and has the newest round.
    pub(super) settled: bool,
    /// All drives of the array that were found.
    pub(super) copies: Vec<MemberCopy>,
    reach: Reach,
}

/// One possible truth: a newest round with its content.
struct Branch {
    reach: Reach,
    /// Index of the copy whose snapshot it starts from, and the rounds after that.
    copy: usize,
    taken: Vec<FoundEntry>,
    state: CatalogState,
    /// Holders that are there and know this line of history.
    present: BTreeSet<DriveNo>,
    /// Active drives that are not there.
    absent: BTreeSet<DriveNo>,
    /// How many copies end here.
    copies: usize,
}

impl Choice {
    /// Whether a drive alone comes to the newest round.
    pub(super) fn is_newest(&self, copy: &MemberCopy) -> bool {
        let newest = (self.reach.round, self.reach.checksum);
        copy.reach().is_some_and(|own| (own.round, own.checksum) == newest)
    }

    /// Whether nothing that a drive has seen lies outside this history.
    pub(super) fn is_ours(&self, copy: &MemberCopy) -> bool {
        is_part(&self.reach, copy)
    }
}

/// Whether a drive stands in the line of history reached, or in one that it comes from. A drive that has seen nothing
/// contradicts nothing.
fn is_part(reach: &Reach, copy: &MemberCopy) -> bool {
    let Some((round, lineage)) = copy.seen else { return true };
    let before = |(old, last): &(Lineage, Round)| *old == lineage && round <= *last;
    lineage == reach.lineage || reach.ancestors.iter().any(before)
}

/// Whether a drive counts for opening this history: it is part of it, and has a copy that says so. Without one it may have
/// forgotten that the array went on, and with whom.
fn counts(reach: &Reach, copy: &MemberCopy) -> bool {
    copy.base().is_some() && is_part(reach, copy)
}

impl Branch {
    fn members(&self) -> BTreeSet<DriveNo> {
        holders(&self.state.active())
    }

    fn has_quorum(&self) -> bool {
        self.present.len() >= needed(&self.state.active())
    }

    /// Why this cannot be opened.
    fn refusal(&self) -> OpenError {
        let members: Vec<DriveNo> = self.members().into_iter().collect();
        let present: Vec<DriveNo> = self.present.iter().copied().collect();
        let missing = members.iter().filter(|drive| !self.present.contains(drive));
        let missing = missing.map(|drive| {
            let record = &self.state.drives[drive];
            format!("{drive} {} ({})", record.name, record.path)
        });
        let missing = missing.collect();
        if 2 * present.len() == members.len() {
            OpenError::HalfPresent { members, present, missing }
        } else {
            OpenError::NoQuorum { members, present, missing }
        }
    }
}

/// Finds the truth among the copies of one array.
pub(super) async fn choose(
    mut copies: Vec<MemberCopy>,
    without: &[DriveId],
) -> Result<Choice, OpenError> {
    let mut branches = find_branches(&copies).await?;
    if branches.is_empty() {
        let damage = copies.into_iter().flat_map(|copy| copy.damage).collect();
        return Err(OpenError::NoCopy { damage });
    }
    // The newest copies of each line of history. Two that end with the same round in different ways can only come from a
    // crash; each could have been gone on with, so both must have their quorum here.
    let newest = |lineage: Lineage| {
        let of_it = branches.iter().filter(move |branch| branch.reach.lineage == lineage);
        of_it.map(|branch| branch.reach.round).max()
    };
    let tops: Vec<usize> = (0..branches.len())
        .filter(|index| {
            newest(branches[*index].reach.lineage) == Some(branches[*index].reach.round)
        })
        .collect();
    let lineages: BTreeSet<Lineage> =
        tops.iter().map(|index| branches[*index].reach.lineage).collect();
    let can_open = |lineage: &&Lineage| {
        let mut of_it = tops.iter().filter(|index| branches[**index].reach.lineage == **lineage);
        of_it.all(|index| branches[*index].has_quorum())
    };
    let able: Vec<Lineage> = lineages.iter().filter(can_open).copied().collect();
    let (lineage, forced) = match (able.as_slice(), lineages.len()) {
        ([only], _) => (*only, false),
        ([], 1) => (*lineages.first().expect("there is one"), true),
        ([], _) if without.is_empty() => {
            let newest = tops.iter().max_by_key(|index| branches[**index].reach.round);
            return Err(branches[*newest.expect("there is one")].refusal());
        }
        _ => return Err(diverged(&copies, &lineages)),
    };
    let of_it = tops.iter().copied().filter(|index| branches[*index].reach.lineage == lineage);
    let best = of_it.max_by_key(|index| {
        let branch = &branches[*index];
        (branch.has_quorum(), branch.copies, std::cmp::Reverse(branch.reach.checksum))
    });
    let branch = branches.swap_remove(best.expect("the lineage comes from a branch"));
    if forced && !may_force(&branch, without) {
        return Err(branch.refusal());
    }
    check_evidence(&copies, &branch)?;
    note_missing(&mut copies, &branch);
    Ok(into_choice(copies, branch, forced))
}

/// A newest round, and the copies that come to it, each with the rounds after its snapshot.
struct Followed {
    reach: Reach,
    ways: Vec<(usize, Vec<FoundEntry>)>,
}

/// Every newest round that some copy reaches. Rounds are looked for on all drives: a damaged entry is read elsewhere.
async fn find_branches(copies: &[MemberCopy]) -> Result<Vec<Branch>, OpenError> {
    let mut found: BTreeMap<(Lineage, Round, u32), Followed> = BTreeMap::new();
    for (index, copy) in copies.iter().enumerate() {
        let Some(base) = copy.base() else { continue };
        let others: Vec<_> = copies.iter().map(|other| &other.entries).collect();
        let (reach, taken) = follow(base, &copy.entries, &others);
        let key = (reach.lineage, reach.round, reach.checksum);
        let first = || Followed { reach, ways: Vec::new() };
        found.entry(key).or_insert_with(first).ways.push((index, taken));
    }
    // Only the newest of a line of history can be the truth; older ones need no state.
    let newest: BTreeMap<Lineage, Round> =
        found.keys().map(|(lineage, round, _)| (*lineage, *round)).collect();
    let mut branches = Vec::new();
    for ((lineage, round, _), followed) in found {
        if newest[&lineage] == round {
            branches.push(build(copies, followed).await?);
        }
    }
    Ok(branches)
}

async fn build(copies: &[MemberCopy], followed: Followed) -> Result<Branch, OpenError> {
    let Followed { reach, ways } = followed;
    let count = ways.len();
    let mut loaded = None;
    let mut failure = None;
    // All of them come to the same state. A drive may fail to read what it could read a moment ago.
    for (copy, taken) in ways {
        match load(&copies[copy], &taken).await {
            Ok(state) => {
                loaded = Some((copy, taken, state));
                break;
            }
            Err(error) => failure = Some(error),
        }
    }
    let Some((copy, taken, state)) = loaded else {
        return Err(OpenError::of_copy(failure.expect("some copy came to this round")));
    };
    // A drive that went another way is as good as absent: it is not touched.
    let there = |number: &DriveNo| {
        let id = state.drives[number].id;
        copies.iter().find(|copy| copy.drive_id() == id && is_part(&reach, copy))
    };
    let active = state.active();
    let knows = |number: &&DriveNo| there(number).is_some_and(|copy| counts(&reach, copy));
    let present = holders(&active).iter().filter(knows).copied().collect();
    let absent = active.iter().filter(|number| there(number).is_none()).copied().collect();
    Ok(Branch { reach, copy, taken, state, present, absent, copies: count })
}

/// The state that a copy's snapshot and the rounds after it make.
async fn load(copy: &MemberCopy, taken: &[FoundEntry]) -> Result<CatalogState, FormatError> {
    let base = copy.base().expect("only copies with a snapshot are followed");
    let records = copy.load(base).await?;
    let field = "first record of a snapshot";
    let mut state =
        CatalogState::from_records(&records).ok_or(FormatError::Field { field, value: 0 })?;
    for found in taken {
        for record in found.entry.decode_records()? {
            state.apply(&record);
        }
    }
    Ok(state)
}

fn diverged(copies: &[MemberCopy], lineages: &BTreeSet<Lineage>) -> OpenError {
    let with = |lineage: &Lineage| {
        let carry = copies.iter().filter(|copy| copy.seen.is_some_and(|it| it.1 == *lineage));
        (*lineage, carry.map(MemberCopy::drive_id).collect())
    };
    OpenError::Diverged { lineages: lineages.iter().map(with).collect() }
}

/// Whether the operator has named every drive that is missing, and one at least is there.
fn may_force(branch: &Branch, without: &[DriveId]) -> bool {
    let missing = branch.members().into_iter().filter(|drive| !branch.present.contains(drive));
    let mut ids = missing.map(|drive| branch.state.drives[&drive].id);
    !branch.present.is_empty() && ids.all(|id| without.contains(&id))
}

/// A round beyond the newest that can be read was written once: what it and those before it held is lost, and going on
/// without them would be to guess.
fn check_evidence(copies: &[MemberCopy], branch: &Branch) -> Result<(), OpenError> {
    let ours = copies.iter().filter(|copy| is_part(&branch.reach, copy));
    match ours.filter_map(|copy| copy.seen).max() {
        Some((newest, _)) if newest > branch.reach.round => {
            let damage = copies.iter().flat_map(|copy| copy.damage.clone()).collect();
            Err(OpenError::Corrupt { found: branch.reach.round, newest, damage })
        }
        _ => Ok(()),
    }
}

/// Notes the rounds that members should have and have not.
fn note_missing(copies: &mut [MemberCopy], branch: &Branch) {
    let members = branch.members();
    for copy in copies {
        let id = copy.drive_id();
        let record = branch.state.drives.values().find(|record| record.id == id);
        if !record.is_some_and(|record| members.contains(&record.number)) {
            continue;
        }
        let base = copy.base().map_or(Round(0), |base| base.header.round);
        let last = copy.entries.keys().next_back().copied().unwrap_or_default();
        let has = |found: &FoundEntry| {
            let own = copy.entries.get(&found.entry.round);
            own.is_some_and(|own| own.iter().any(|it| it.checksum == found.checksum))
        };
        let mut missing = branch.taken.iter().filter(|it| it.entry.round > base && !has(it));
        let (inner, newest): (Vec<_>, Vec<_>) =
            missing.by_ref().partition(|found| found.entry.round < last);
        let inner: Vec<(u64, Round)> = inner.iter().map(|it| (it.block, it.entry.round)).collect();
        let newest = newest.first().map(|it| (it.block, it.entry.round));
        for (block, round) in inner {
            let detail = format!("{round} is damaged, and later ones are there");
            copy.note(block, DamagedStructure::JournalEntry, detail);
        }
        if let Some((block, round)) = newest {
            let detail = format!("{round} is missing or not whole");
            copy.note(block, DamagedStructure::NewestEntries, detail);
        }
    }
}

fn into_choice(copies: Vec<MemberCopy>, branch: Branch, forced: bool) -> Choice {
    let geometry = copies[branch.copy].superblock.geometry;
    // Behind the newest entry; if there is none after the snapshot, anywhere: the first thing written is a snapshot.
    let offset = branch.taken.last().map_or(0, |last| {
        let end = last.block - JOURNAL_START + u64::from(last.blocks);
        u32::try_from(end).expect("inside the ring")
    });
    let reach = branch.reach.clone();
    let members = branch.members();
    let has_newest = |number: &DriveNo| {
        let id = branch.state.drives[number].id;
        let own = copies.iter().find(|copy| copy.drive_id() == id).and_then(MemberCopy::reach);
        own.is_some_and(|own| (own.round, own.checksum) == (reach.round, reach.checksum))
    };
    let settled = !forced && members.iter().all(has_newest);
    let Reach { round, checksum, lineage, .. } = branch.reach;
    let log = Log { round, checksum, lineage, offset, used: 0 };
    Choice {
        state: branch.state,
        log,
        geometry,
        members,
        absent: branch.absent,
        forced: forced.then(Lineage::default),
        settled,
        copies,
        reach,
    }
}
