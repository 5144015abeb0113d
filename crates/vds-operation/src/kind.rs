//! The kinds of work, one table row each: what comes out, whether it can be cancelled or paused, what a crash leaves.

use crate::OutputType;

/// What becomes of an operation that was unfinished when the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AfterCrash {
    /// Past its commit point it is finished, before it is undone and ends failed with the reason.
    RolledBackOrFinished,
    /// It goes on from its cursor under its old id.
    Resumes,
    /// It was one commit: found done it ends succeeded, found not done it ends failed. Never half.
    DoneOrNot,
    /// It ends failed; the next call does it again.
    Repeated,
    /// Its provider is asked by id; if the provider does not know it, it ends failed.
    AskedAgain,
}

/// Whether an operation of this kind can be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CancelSupport {
    /// At any time before its end; what is done so far is left as the table of end states says.
    Anytime,
    /// Until its commit; afterwards the answer is "too late".
    BeforeCommit,
    /// Never: the answer is `VDS_E_NOT_SUPPORTED`.
    Never,
}

struct Row {
    kind: OperationKind,
    number: u16,
    code: &'static str,
    output: OutputType,
    cancel: CancelSupport,
    pausable: bool,
    background: bool,
    after_crash: AfterCrash,
}

macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident = $number:literal $code:literal
        $output:ident $cancel:ident $pausable:literal $background:literal $after_crash:ident;)*) => {
        /// A kind of work. Numbers and codes are for ever: they stand in durable records and in `--json`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum OperationKind {
            $($(#[$meta])* $kind,)*
        }

        const ROWS: &[Row] = &[$(Row {
            kind: OperationKind::$kind,
            number: $number,
            code: $code,
            output: OutputType::$output,
            cancel: CancelSupport::$cancel,
            pausable: $pausable,
            background: $background,
            after_crash: AfterCrash::$after_crash,
        },)*];

        impl OperationKind {
            /// Every kind, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];
        }
    };
}

// kind, number, code: output, cancel, pausable, background, after a crash.
kinds! {
    /// Make a LUN, with mask and target in the same step.
    CreateLun = 1 "create_lun" CreateLun BeforeCommit false false RolledBackOrFinished;
    /// Delete a LUN; its space is freed in the background.
    DeleteLun = 2 "delete_lun" DeleteLun BeforeCommit false false Resumes;
    /// Make a LUN larger.
    ExtendLun = 3 "extend_lun" ExtendLun BeforeCommit false false Resumes;
    /// Make a LUN smaller; bytes come off its end.
    ShrinkLun = 4 "shrink_lun" ShrinkLun BeforeCommit false false Resumes;
    /// Add a copy to a LUN.
    AddPlex = 5 "add_plex" AddLunPlex Anytime true false Resumes;
    /// Take a copy from a LUN.
    RemovePlex = 6 "remove_plex" RemoveLunPlex BeforeCommit false false Resumes;
    /// Bring a LUN back to full redundancy.
    RecoverLun = 7 "recover_lun" RecoverLun Anytime true false Resumes;
    /// Change the layout of a LUN.
    ChangeLayout = 8 "change_layout" ChangeLayout Anytime true false Resumes;
    /// Make a snapshot of a LUN.
    CreateSnapshot = 9 "create_snapshot" CreateSnapshot BeforeCommit false false RolledBackOrFinished;
    /// Make a writable clone of a LUN.
    CreateClone = 10 "create_clone" CreateClone BeforeCommit false false RolledBackOrFinished;
    /// Move everything off a drive.
    DrainDrive = 20 "drain_drive" DrainDrive Anytime true false Resumes;
    /// Move everything off a drive onto another one.
    ReplaceDrive = 21 "replace_drive" ReplaceDrive Anytime true false Resumes;
    /// Take a drive into a subsystem.
    AddDrive = 22 "add_drive" AddDrive BeforeCommit false false RolledBackOrFinished;
    /// Drain a drive and release it.
    RemoveDrive = 23 "remove_drive" RemoveDrive Anytime true false Resumes;
    /// Declare a drive failed.
    FailDrive = 24 "fail_drive" FailDrive BeforeCommit false false DoneOrNot;
    /// Make a drive a hot spare, or no longer one.
    SetDriveSpare = 25 "set_drive_spare" SetDriveSpare BeforeCommit false false DoneOrNot;
    /// Read and verify everything, repairing what can be repaired.
    Scrub = 30 "scrub" Scrub Anytime true false Resumes;
    /// Replace the unmasking list of a LUN.
    SetMask = 40 "set_mask" SetMask BeforeCommit false false DoneOrNot;
    /// Change a friendly name.
    SetName = 41 "set_name" SetName BeforeCommit false false DoneOrNot;
    /// Change a status, such as online or offline.
    SetStatus = 42 "set_status" SetStatus BeforeCommit false false DoneOrNot;
    /// Apply hints.
    SetHints = 43 "set_hints" SetHints BeforeCommit false false DoneOrNot;
    /// Change the caching policy of a LUN.
    SetCaching = 44 "set_caching" SetCaching BeforeCommit false false DoneOrNot;
    /// Put a LUN behind another target, or behind none.
    SetLunTarget = 45 "set_lun_target" SetLunTarget BeforeCommit false false DoneOrNot;
    /// Make an iSCSI target.
    CreateTarget = 50 "create_target" CreateTarget BeforeCommit false false DoneOrNot;
    /// Delete an iSCSI target.
    DeleteTarget = 51 "delete_target" DeleteTarget BeforeCommit false false DoneOrNot;
    /// Set the CHAP secrets of a target.
    SetTargetChap = 52 "set_target_chap" SetTargetChap BeforeCommit false false DoneOrNot;
    /// Add an address at which targets listen.
    AddPortal = 53 "add_portal" AddPortal BeforeCommit false false DoneOrNot;
    /// Remove such an address.
    RemovePortal = 54 "remove_portal" RemovePortal BeforeCommit false false DoneOrNot;
    /// Make a portal group.
    CreatePortalGroup = 55 "create_portal_group" CreatePortalGroup BeforeCommit false false DoneOrNot;
    /// Delete a portal group.
    DeletePortalGroup = 56 "delete_portal_group" DeletePortalGroup BeforeCommit false false DoneOrNot;
    /// Put a portal into a portal group.
    AddToPortalGroup = 57 "add_to_portal_group" AddToPortalGroup BeforeCommit false false DoneOrNot;
    /// Take a portal out of a portal group.
    RemoveFromPortalGroup = 58 "remove_from_portal_group" RemoveFromPortalGroup BeforeCommit false false DoneOrNot;
    /// Make an array on drives.
    MakeArray = 60 "make_array" MakeArray BeforeCommit false false RolledBackOrFinished;
    /// Open an array, perhaps without drives that are missing.
    OpenArray = 61 "open_array" OpenArray BeforeCommit false false DoneOrNot;
    /// Read the properties of known objects again.
    Refresh = 62 "refresh" Refresh Never false false Repeated;
    /// Look for subsystems and drives.
    Reenumerate = 63 "reenumerate" Reenumerate Never false false Repeated;
    /// The array rebuilds what a lost drive held.
    Rebuild = 100 "rebuild" Rebuild Anytime true true Resumes;
    /// The array rewrites a block that was found bad.
    RepairBlock = 101 "repair_block" RepairBlock BeforeCommit false true Repeated;
    /// The array moves live data together to win free segments.
    Cleaning = 102 "cleaning" Cleaning Anytime true true Resumes;
    /// The array brings a log back to a known end after a crash.
    LogRecovery = 103 "log_recovery" LogRecovery Never false true Resumes;
    /// The array frees the space of a deleted LUN or snapshot.
    FreeSpace = 104 "free_space" FreeSpace Never false true Resumes;
    /// The array evens out the use of its drives.
    Rebalance = 105 "rebalance" Rebalance Anytime true true Resumes;
    /// The array rebuilds a map page from batch headers.
    RebuildMap = 106 "rebuild_map" RebuildMap Never false true Resumes;
    /// Work of a provider that has no kind here; it says itself whether it can be cancelled.
    ProviderWork = 200 "provider_work" ProviderWork Never false false AskedAgain;
}

impl OperationKind {
    fn row(self) -> &'static Row {
        ROWS.iter().find(|row| row.kind == self).expect("the macro makes one row per kind")
    }

    /// The number in durable records. Append-only, never reused.
    pub fn number(self) -> u16 {
        self.row().number
    }

    /// The kind with this number, `None` if this version knows none.
    pub fn from_number(number: u16) -> Option<Self> {
        ROWS.iter().find(|row| row.number == number).map(|row| row.kind)
    }

    /// The code in `--json`, logs and metrics, such as `create_lun`. Append-only, never reused.
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The kind with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.code == code).map(|row| row.kind)
    }

    /// The type of the output, fixed when an operation is created.
    pub fn output_type(self) -> OutputType {
        self.row().output
    }

    /// Whether and until when it can be cancelled.
    pub fn cancel_support(self) -> CancelSupport {
        self.row().cancel
    }

    /// Whether it can be paused, resumed and given a priority.
    pub fn is_pausable(self) -> bool {
        self.row().pausable
    }

    /// Whether the service starts it by itself, with a cause.
    pub fn is_background(self) -> bool {
        self.row().background
    }

    /// What becomes of it after a crash.
    pub fn after_crash(self) -> AfterCrash {
        self.row().after_crash
    }

    /// Whether its arguments hold a secret, so that they are dropped from the record at the end.
    pub fn has_secret_arguments(self) -> bool {
        matches!(self, Self::SetTargetChap)
    }
}

impl std::fmt::Display for OperationKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_is_its_own() {
        let numbers: BTreeSet<u16> = ROWS.iter().map(|row| row.number).collect();
        let codes: BTreeSet<&str> = ROWS.iter().map(|row| row.code).collect();
        let outputs: BTreeSet<u32> = ROWS.iter().map(|row| row.output.number()).collect();
        assert_eq!(numbers.len(), ROWS.len());
        assert_eq!(codes.len(), ROWS.len());
        assert_eq!(outputs.len(), ROWS.len(), "the output type tells the kinds apart");
        assert!(ROWS.is_sorted_by_key(|row| row.number));
        for kind in OperationKind::ALL {
            assert_eq!(OperationKind::from_number(kind.number()), Some(*kind));
            assert_eq!(OperationKind::from_code(kind.code()), Some(*kind));
        }
    }

    /// Numbers and codes are durable: this list only grows.
    #[test]
    fn numbers_and_codes_are_locked() {
        let list: Vec<String> =
            ROWS.iter().map(|row| format!("{} {}", row.number, row.code)).collect();
        assert_eq!(
            list.join(", "),
            "1 create_lun, 2 delete_lun, 3 extend_lun, 4 shrink_lun, 5 add_plex, 6 remove_plex, \
             7 recover_lun, 8 change_layout, 9 create_snapshot, 10 create_clone, 20 drain_drive, \
             21 replace_drive, 22 add_drive, 23 remove_drive, 24 fail_drive, 25 set_drive_spare, \
             30 scrub, 40 set_mask, 41 set_name, 42 set_status, 43 set_hints, 44 set_caching, \
             45 set_lun_target, 50 create_target, 51 delete_target, 52 set_target_chap, \
             53 add_portal, 54 remove_portal, 55 create_portal_group, \
             56 delete_portal_group, 57 add_to_portal_group, 58 remove_from_portal_group, \
             60 make_array, \
             61 open_array, 62 refresh, 63 reenumerate, 100 rebuild, 101 repair_block, \
             102 cleaning, 103 log_recovery, 104 free_space, 105 rebalance, 106 rebuild_map, \
             200 provider_work"
        );
    }

    /// Goal: the page that describes the record's bytes has exactly these kinds.
    #[test]
    fn the_documented_table_is_this_one() {
        let page = include_str!("../../../docs/operation-record.md");
        let (_, table) = page.split_once("## Kinds").expect("a section about kinds");
        let (table, _) = table.split_once("## Arguments").expect("a section after it");
        let found: Vec<String> = table
            .lines()
            .filter(|line| line.contains('`') && line.starts_with('|'))
            .map(|line| {
                line.split('|').skip(1).take(3).map(str::trim).collect::<Vec<_>>().join(" ")
            })
            .collect();
        let expected: Vec<String> = ROWS
            .iter()
            .map(|row| format!("{} `{}` {}", row.number, row.code, row.output.number()))
            .collect();
        assert_eq!(found, expected);
    }
}
