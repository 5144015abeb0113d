//! Which layout a LUN gets, and what it takes of which drive. Pure: a plan reserves nothing.

use vds_format::DriveNo;
use vds_model::{DriveId, HResult, HintMask, Hints, LunType};
use vds_provider::{CreateLun, MaxSizeQuery, Refusal};

use super::capacity::{Candidate, Pool, Share, spread};
use crate::layout::{Needs, needs};

/// Bytes of a block, the unit of a LUN's size.
pub(super) const BLOCK: u64 = vds_format::BLOCK_BYTES as u64;
/// Copies that a mirror may have.
pub(super) const COPIES_MAX: usize = 4;
/// Data columns of a stripe that the caller left open.
const COLUMNS_DEFAULT: usize = 8;
/// Data columns of any stripe: what the format counts in one byte, less the sign.
const COLUMNS_MAX: usize = 127;
/// No LUN is larger: 2^50 blocks, 4 EiB.
const BLOCKS_MAX: u64 = 1 << 50;

/// Types that LUNs can be made of.
pub(super) const OFFERED: [LunType; 7] = [
    LunType::Default,
    LunType::FaultTolerant,
    LunType::NonFaultTolerant,
    LunType::Simple,
    LunType::Span,
    LunType::Stripe,
    LunType::Mirror,
];

/// What the caller asked for, without the size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) lun_type: LunType,
    pub(super) drives: Option<&'a [DriveId]>,
    pub(super) hints: Option<&'a Hints>,
    pub(super) copies: Option<u16>,
    pub(super) columns: Option<u16>,
}

impl<'a> From<&'a CreateLun> for Wish<'a> {
    fn from(create: &'a CreateLun) -> Self {
        Self {
            lun_type: create.lun_type,
            drives: create.drives.as_deref(),
            hints: create.hints.as_ref(),
            copies: create.copies,
            columns: create.columns,
        }
    }
}

impl<'a> From<&'a MaxSizeQuery> for Wish<'a> {
    fn from(query: &'a MaxSizeQuery) -> Self {
        Self {
            lun_type: query.lun_type,
            drives: query.drives.as_deref(),
            hints: query.hints.as_ref(),
            copies: query.copies,
            columns: query.columns,
        }
    }
}

/// A concrete layout with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) lun_type: LunType,
    pub(super) data_columns: u8,
    /// For each copy its drives, in the order of use.
    pub(super) plexes: Vec<Vec<Share>>,
    pub(super) reason: String,
}

impl Chosen {
    /// Slabs on all drives.
    pub(super) fn slabs(&self) -> u64 {
        self.plexes.iter().flatten().map(|share| u64::from(share.slabs)).sum()
    }
}

/// The blocks that hold so many bytes.
///
/// # Errors
/// `VDS_E_NOT_ENOUGH_SPACE` for what no array can hold.
pub(super) fn blocks_of(size_bytes: u64) -> Result<u64, Refusal> {
    let blocks = size_bytes.div_ceil(BLOCK);
    if blocks > BLOCKS_MAX {
        let message = format!("{size_bytes} bytes are more than any LUN can have");
        return Err(Refusal::new(HResult::VDS_E_NOT_ENOUGH_SPACE, message));
    }
    Ok(blocks)
}

/// Settles on a layout for a LUN of `blocks`.
///
/// # Errors
/// [`Refusal`]: the type is not offered, the parameters contradict each other, a listed drive cannot be used, too few
/// drives, too little space.
pub(super) fn choose(pool: &Pool, wish: &Wish<'_>, blocks: u64) -> Result<Chosen, Refusal> {
    let listed = wish.drives.map(|ids| pool.listed(ids)).transpose()?;
    let planner = Planner { pool, wish, listed, blocks };
    match wish.lun_type {
        LunType::Simple => planner.simple("the caller named it"),
        LunType::Span => planner.span("the caller named it"),
        LunType::Stripe => planner.stripe("the caller named it"),
        LunType::Mirror => planner.mirror("the caller named it"),
        LunType::FaultTolerant => planner.mirror("copies are how this array survives a failure"),
        LunType::NonFaultTolerant => planner.without_redundancy(),
        LunType::Default => planner.default(),
        other => {
            let message = format!("LUNs of type {other} are not offered");
            Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message))
        }
    }
}

/// The size in bytes of the largest LUN that [`choose`] finds a place for; 0 if there is none.
///
/// # Errors
/// As [`choose`], but for too few drives and too little space.
pub(super) fn largest(pool: &Pool, wish: &Wish<'_>) -> Result<u64, Refusal> {
    if let Err(refusal) = choose(pool, wish, 1) {
        return match refusal.result {
            HResult::VDS_E_NOT_ENOUGH_SPACE | HResult::VDS_E_NOT_ENOUGH_DRIVE => Ok(0),
            _ => Err(refusal),
        };
    }
    let (mut low, mut high) = (1, BLOCKS_MAX);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if choose(pool, wish, middle).is_ok() {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low * BLOCK)
}

/// What one copy on its own takes, all of its drives together: data, and map pages twice where no other copy has them.
pub(super) fn copy_slabs(needs: Needs, is_only_copy: bool) -> u64 {
    let maps = if is_only_copy { 2 } else { 1 };
    u64::from(needs.data_segments) + maps * u64::from(needs.map_segments)
}

struct Planner<'a> {
    pool: &'a Pool,
    wish: &'a Wish<'a>,
    listed: Option<Vec<&'a Candidate>>,
    blocks: u64,
}

impl<'a> Planner<'a> {
    fn needs(&self, columns: u8, doubled: bool) -> Needs {
        needs(self.blocks, self.pool.rows, columns, doubled)
    }

    /// The listed drives, or all with those first that have most space.
    fn drives(&self) -> Vec<&'a Candidate> {
        self.listed.clone().unwrap_or_else(|| self.pool.by_space())
    }

    fn hint(&self, hint: HintMask) -> bool {
        self.wish.hints.is_some_and(|hints| hints.opinion(hint) == Some(true))
    }

    /// The most drives that hints ask for; none for no wish, and where the caller listed drives or counted copies: hints
    /// fill in only what was left open.
    fn drives_hint(&self) -> Option<usize> {
        if self.listed.is_some() || self.wish.copies.is_some() {
            return None;
        }
        let count = self.wish.hints.map_or(0, |hints| hints.maximum_drive_count);
        let count = if self.hint(HintMask::YANKABLE) && count == 0 { 1 } else { count };
        usize::try_from(count).ok().filter(|count| *count > 0)
    }

    fn no_space(&self, slabs: u64, what: &str) -> Refusal {
        let bytes = slabs.saturating_mul(self.pool.slab_bytes);
        let free_bytes = self.pool.free_bytes();
        Refusal::new(
            HResult::VDS_E_NOT_ENOUGH_SPACE,
            format!("{what} takes {bytes} bytes; {free_bytes} bytes are free on all drives"),
        )
    }

    fn no_drive(what: &str, wanted: usize, found: usize) -> Refusal {
        let message = format!("{what} needs {wanted} drives or more, {found} can be used");
        Refusal::new(HResult::VDS_E_NOT_ENOUGH_DRIVE, message)
    }

    /// Parameters that would make another layout of this one.
    fn check_single(&self, what: &str) -> Result<(), Refusal> {
        let bad = |message| Err(Refusal::new(HResult::E_INVALIDARG, message));
        match (self.wish.copies, self.wish.columns) {
            (Some(copies), _) if copies > 1 => bad(format!("{what} has one copy, not {copies}")),
            (_, Some(columns)) if columns > 1 => {
                bad(format!("{what} has one column, not {columns}"))
            }
            _ => Ok(()),
        }
    }

    fn simple(&self, reason: &str) -> Result<Chosen, Refusal> {
        self.check_single("a LUN on one drive")?;
        let slabs = copy_slabs(self.needs(1, true), true);
        let drives = self.drives();
        if drives.is_empty() {
            return Err(Self::no_drive("a LUN", 1, 0));
        }
        let drive = drives.into_iter().find(|drive| drive.free >= slabs);
        let drive = drive.ok_or_else(|| self.no_space(slabs, "such a LUN on one drive"))?;
        let share = share(drive, slabs)?;
        let reason = reason.to_owned();
        let plexes = vec![vec![share]];
        Ok(Chosen { lun_type: LunType::Simple, data_columns: 1, plexes, reason })
    }

    fn span(&self, reason: &str) -> Result<Chosen, Refusal> {
        self.check_single("a span")?;
        let needs = self.needs(1, true);
        let slabs = copy_slabs(needs, true);
        let drives = self.drives();
        if drives.is_empty() {
            return Err(Self::no_drive("a span", 1, 0));
        }
        let plex = span_shares(&drives, needs).ok_or_else(|| self.no_space(slabs, "the span"))?;
        let reason = reason.to_owned();
        Ok(Chosen { lun_type: LunType::Span, data_columns: 1, plexes: vec![plex], reason })
    }

    fn stripe(&self, reason: &str) -> Result<Chosen, Refusal> {
        if self.wish.copies.is_some_and(|copies| copies > 1) {
            let message = "stripes with copies are not offered";
            return Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message));
        }
        if self.wish.columns == Some(1) {
            let message = "a stripe has two columns or more";
            return Err(Refusal::new(HResult::E_INVALIDARG, message));
        }
        let asked = self.wish.columns.map(usize::from);
        let drives = self.drives();
        let exact = match (&self.listed, asked) {
            (Some(listed), Some(asked)) if listed.len() != asked => {
                let message = format!("{} drives are listed for {asked} columns", listed.len());
                return Err(Refusal::new(HResult::E_INVALIDARG, message));
            }
            (Some(listed), _) => Some(listed.len()),
            (None, asked) => asked,
        };
        if exact.is_some_and(|columns| columns > COLUMNS_MAX) {
            let message = format!("a stripe has at most {COLUMNS_MAX} columns");
            return Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message));
        }
        let least = exact.unwrap_or(2);
        if least < 2 || drives.len() < least {
            return Err(Self::no_drive("a stripe", least.max(2), drives.len().min(least)));
        }
        let most = exact.unwrap_or_else(|| {
            self.drives_hint()
                .unwrap_or(COLUMNS_DEFAULT)
                .clamp(2, COLUMNS_DEFAULT)
                .min(drives.len())
        });
        let mut widths = (least..=most).rev();
        let plex = widths.find_map(|columns| self.stripe_shares(&drives[..columns]));
        let slabs = |columns: usize| self.stripe_slabs(columns).1;
        let plex = plex.ok_or_else(|| self.no_space(slabs(most), "the stripe"))?;
        Ok(Chosen {
            lun_type: LunType::Stripe,
            data_columns: u8::try_from(plex.len()).expect("at most COLUMNS_MAX"),
            plexes: vec![plex],
            reason: reason.to_owned(),
        })
    }

    /// What a stripe of so many columns needs, and the slabs of that.
    fn stripe_slabs(&self, columns: usize) -> (Needs, u64) {
        let needs = self.needs(u8::try_from(columns).expect("at most COLUMNS_MAX"), true);
        let data = u64::from(needs.data_segments) * columns as u64;
        (needs, data + 2 * u64::from(needs.map_segments))
    }

    /// One drive for each column; the first two hold the map as well.
    fn stripe_shares(&self, drives: &[&Candidate]) -> Option<Vec<Share>> {
        let (needs, _) = self.stripe_slabs(drives.len());
        let on = |(index, drive): (usize, &&Candidate)| {
            let map = if index < 2 { needs.map_segments } else { 0 };
            let slabs = u64::from(needs.data_segments) + u64::from(map);
            let fits = drive.free >= slabs;
            fits.then(|| share(drive, slabs).ok()).flatten()
        };
        drives.iter().enumerate().map(on).collect()
    }

    fn mirror(&self, reason: &str) -> Result<Chosen, Refusal> {
        if self.wish.columns.is_some_and(|columns| columns > 1) {
            let message = "mirrors with columns are not offered";
            return Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message));
        }
        let copies = match (self.wish.copies, &self.listed) {
            (Some(copies), _) => usize::from(copies),
            (None, Some(listed)) if (2..=COPIES_MAX).contains(&listed.len()) => listed.len(),
            (None, _) => 2,
        };
        if !(2..=COPIES_MAX).contains(&copies) {
            let message = format!("a mirror has 2 to {COPIES_MAX} copies, not {copies}");
            return Err(Refusal::new(HResult::E_INVALIDARG, message));
        }
        let drives = self.drives();
        if drives.len() < copies {
            let what = format!("a mirror of {copies} copies");
            return Err(Self::no_drive(&what, copies, drives.len()));
        }
        let each = copy_slabs(self.needs(1, false), false);
        let homes = match &self.listed {
            Some(listed) => (0..copies)
                .map(|copy| listed.iter().skip(copy).step_by(copies).copied().collect())
                .collect(),
            None => even_homes(&drives, copies, each),
        };
        let plexes: Option<Vec<Vec<Share>>> =
            homes.iter().map(|home: &Vec<&Candidate>| spread(home, each, u64::MAX)).collect();
        let total = each.saturating_mul(copies as u64);
        let plexes = plexes.ok_or_else(|| self.no_space(total, "the mirror"))?;
        let reason = reason.to_owned();
        Ok(Chosen { lun_type: LunType::Mirror, data_columns: 1, plexes, reason })
    }

    fn default(&self) -> Result<Chosen, Refusal> {
        let drives = self.listed.as_ref().map_or(self.pool.drives.len(), Vec::len);
        if self.wish.columns.is_some_and(|columns| columns > 1) && self.wish.copies.is_none() {
            return self.stripe("columns were asked for");
        }
        if self.wish.copies == Some(1) || self.drives_hint() == Some(1) {
            return self.without_redundancy();
        }
        if drives < 2 && self.wish.copies.is_none() {
            return self.without_redundancy();
        }
        if self.hint(HintMask::MOSTLY_READS) {
            return self.mirror("mostly reads: every copy serves them");
        }
        self.mirror("two drives or more are there, so the data can survive the loss of one")
    }

    fn without_redundancy(&self) -> Result<Chosen, Refusal> {
        if self.wish.columns.is_some_and(|columns| columns > 1) {
            return self.stripe("columns were asked for");
        }
        let sequential =
            self.hint(HintMask::SEQUENTIAL_READS) || self.hint(HintMask::SEQUENTIAL_WRITES);
        if sequential
            && self.drives_hint() != Some(1)
            && let Ok(stripe) = self.stripe("sequential access is faster over several drives")
        {
            return Ok(stripe);
        }
        match self.simple("one drive holds it: no other drive's loss concerns it") {
            Err(refusal) if refusal.result == HResult::VDS_E_NOT_ENOUGH_SPACE => {
                self.span("no single drive holds it")
            }
            result => result,
        }
    }
}

fn share(drive: &Candidate, slabs: u64) -> Result<Share, Refusal> {
    let slabs = u32::try_from(slabs).map_err(|_| {
        let message = format!("drive {} has no {slabs} slabs", drive.name);
        Refusal::new(HResult::VDS_E_NOT_ENOUGH_SPACE, message)
    })?;
    Ok(Share { drive: drive.number, slabs })
}

/// The drives of a single copy in their order. Both copies of the map lie on one drive only if one drive holds all.
fn span_shares(drives: &[&Candidate], needs: Needs) -> Option<Vec<Share>> {
    let slabs = copy_slabs(needs, true);
    let apart_max = slabs - u64::from(needs.map_segments);
    match spread(drives, slabs, u64::MAX) {
        Some(shares) if shares.len() > 1 => spread(drives, slabs, apart_max).or(Some(shares)),
        shares => shares,
    }
}

/// Homes for `copies` copies of `slabs` each: every drive, largest first, goes to the copy that has least.
fn even_homes<'a>(drives: &[&'a Candidate], copies: usize, slabs: u64) -> Vec<Vec<&'a Candidate>> {
    let mut homes: Vec<Vec<&Candidate>> = vec![Vec::new(); copies];
    let mut sums = vec![0_u64; copies];
    for drive in drives {
        let wanting = (0..copies).filter(|copy| sums[*copy] < slabs);
        let Some(copy) = wanting.min_by_key(|copy| sums[*copy]) else { break };
        sums[copy] += drive.free;
        homes[copy].push(drive);
    }
    homes
}

/// Slabs on each drive, all copies together.
pub(super) fn by_drive(plexes: &[Vec<Share>]) -> Vec<(DriveNo, u32)> {
    let mut sums = std::collections::BTreeMap::new();
    for share in plexes.iter().flatten() {
        *sums.entry(share.drive).or_insert(0_u32) += share.slabs;
    }
    sums.into_iter().collect()
}
