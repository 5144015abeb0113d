//! Hints: VDS's structure of them, and ours.

use vds_com::abi::VDS_HINTS;
use vds_model::{HintMask, Hints, HintsForm, RawHints};

/// VDS's structure.
pub(super) fn raw(hints: &Hints) -> VDS_HINTS {
    let from = hints.to_raw(HintsForm::Hints);
    let value = |hint: HintMask| i32::from(from.values & hint.bits() != 0);
    VDS_HINTS {
        ullHintMask: from.mask,
        ullExpectedMaximumSize: from.expected_maximum_bytes,
        ulOptimalReadSize: from.optimal_read_bytes,
        ulOptimalReadAlignment: from.optimal_read_alignment_bytes,
        ulOptimalWriteSize: from.optimal_write_bytes,
        ulOptimalWriteAlignment: from.optimal_write_alignment_bytes,
        ulMaximumDriveCount: from.maximum_drive_count,
        ulStripeSize: from.stripe_bytes,
        bFastCrashRecoveryRequired: value(HintMask::FAST_CRASH_RECOVERY),
        bMostlyReads: value(HintMask::MOSTLY_READS),
        bOptimizeForSequentialReads: value(HintMask::SEQUENTIAL_READS),
        bOptimizeForSequentialWrites: value(HintMask::SEQUENTIAL_WRITES),
        bRemapEnabled: value(HintMask::REMAP),
        bReadBackVerifyEnabled: value(HintMask::READ_BACK_VERIFY),
        bWriteThroughCachingEnabled: value(HintMask::WRITE_THROUGH),
        bHardwareChecksumEnabled: value(HintMask::HARDWARE_CHECKSUM),
        bIsYankable: value(HintMask::YANKABLE),
        sRebuildPriority: from.rebuild_priority,
    }
}

/// Ours; none for a structure that cannot be.
pub(super) fn read(hints: &VDS_HINTS) -> Option<Hints> {
    let booleans = [
        (hints.bFastCrashRecoveryRequired, HintMask::FAST_CRASH_RECOVERY),
        (hints.bMostlyReads, HintMask::MOSTLY_READS),
        (hints.bOptimizeForSequentialReads, HintMask::SEQUENTIAL_READS),
        (hints.bOptimizeForSequentialWrites, HintMask::SEQUENTIAL_WRITES),
        (hints.bRemapEnabled, HintMask::REMAP),
        (hints.bReadBackVerifyEnabled, HintMask::READ_BACK_VERIFY),
        (hints.bWriteThroughCachingEnabled, HintMask::WRITE_THROUGH),
        (hints.bHardwareChecksumEnabled, HintMask::HARDWARE_CHECKSUM),
        (hints.bIsYankable, HintMask::YANKABLE),
    ];
    let values = booleans.iter().filter(|(value, _)| *value != 0).map(|(_, hint)| hint.bits());
    let raw = RawHints {
        mask: hints.ullHintMask,
        values: values.fold(0, |all, bit| all | bit),
        expected_maximum_bytes: hints.ullExpectedMaximumSize,
        optimal_read_bytes: hints.ulOptimalReadSize,
        optimal_read_alignment_bytes: hints.ulOptimalReadAlignment,
        optimal_write_bytes: hints.ulOptimalWriteSize,
        optimal_write_alignment_bytes: hints.ulOptimalWriteAlignment,
        maximum_drive_count: hints.ulMaximumDriveCount,
        stripe_bytes: hints.ulStripeSize,
        bus_type: 0,
        rebuild_priority: hints.sRebuildPriority,
    };
    Hints::from_raw(HintsForm::Hints, &raw).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_come_back() {
        let mut hints = Hints::none()
            .with_opinion(HintMask::MOSTLY_READS, true)
            .with_opinion(HintMask::YANKABLE, false);
        hints.stripe_bytes = 65_536;
        assert_eq!(read(&raw(&hints)), Some(hints));
        assert_eq!(read(&VDS_HINTS { ullHintMask: 1 << 40, ..raw(&hints) }), None);
    }
}
