//! Hints: VDS's two structures and the service's texts.

use vds_model::{Hints, HintsForm, RawHints};

use super::answer::Answer;
use crate::abi::{self, E_INVALIDARG, VDS_E_BAD_PROVIDER_DATA, VDS_HINTS, VDS_HINTS2};
use crate::com::{BOOL, Plain};

macro_rules! booleans {
    ($($name:ident: $type:ty { $($field:ident: $bit:ident,)* })*) => { $(
        /// The structure's booleans with their bits of the mask.
        fn $name(hints: &mut $type) -> Vec<(&mut BOOL, u64)> {
            vec![$((&mut hints.$field, abi::$bit)),*]
        }
    )* };
}

booleans! {
    booleans: VDS_HINTS {
        bFastCrashRecoveryRequired: VDS_HINT_FASTCRASHRECOVERYREQUIRED,
        bMostlyReads: VDS_HINT_MOSTLYREADS,
        bOptimizeForSequentialReads: VDS_HINT_OPTIMIZEFORSEQUENTIALREADS,
        bOptimizeForSequentialWrites: VDS_HINT_OPTIMIZEFORSEQUENTIALWRITES,
        bReadBackVerifyEnabled: VDS_HINT_READBACKVERIFYENABLED,
        bRemapEnabled: VDS_HINT_REMAPENABLED,
        bWriteThroughCachingEnabled: VDS_HINT_WRITETHROUGHCACHINGENABLED,
        bHardwareChecksumEnabled: VDS_HINT_HARDWARECHECKSUMENABLED,
        bIsYankable: VDS_HINT_ISYANKABLE,
    }
    booleans2: VDS_HINTS2 {
        bFastCrashRecoveryRequired: VDS_HINT_FASTCRASHRECOVERYREQUIRED,
        bMostlyReads: VDS_HINT_MOSTLYREADS,
        bOptimizeForSequentialReads: VDS_HINT_OPTIMIZEFORSEQUENTIALREADS,
        bOptimizeForSequentialWrites: VDS_HINT_OPTIMIZEFORSEQUENTIALWRITES,
        bReadBackVerifyEnabled: VDS_HINT_READBACKVERIFYENABLED,
        bRemapEnabled: VDS_HINT_REMAPENABLED,
        bWriteThroughCachingEnabled: VDS_HINT_WRITETHROUGHCACHINGENABLED,
        bHardwareChecksumEnabled: VDS_HINT_HARDWARECHECKSUMENABLED,
        bIsYankable: VDS_HINT_ISYANKABLE,
        bAllocateHotSpare: VDS_HINT_ALLOCATEHOTSPARE,
        bUseMirroredCache: VDS_HINT_USEMIRROREDCACHE,
        bReadCachingEnabled: VDS_HINT_READCACHINGENABLED,
        bWriteCachingEnabled: VDS_HINT_WRITECACHINGENABLED,
        bMediaScanEnabled: VDS_HINT_MEDIASCANENABLED,
        bConsistencyCheckEnabled: VDS_HINT_CONSISTENCYCHECKENABLED,
    }
}

macro_rules! converts {
    ($($read:ident, $written:ident: $type:ty, $booleans:ident, $form:expr;)*) => { $(
        /// The caller's wishes as the service's texts.
        ///
        /// # Errors
        /// `E_INVALIDARG` for a bit that is none, a bus type that is none, a priority out of range.
        pub(crate) fn $read(hints: &$type) -> Answer<Vec<String>> {
            let mut hints = *hints;
            let mut raw = RawHints {
                mask: hints.ullHintMask,
                values: 0,
                expected_maximum_bytes: hints.ullExpectedMaximumSize,
                optimal_read_bytes: hints.ulOptimalReadSize,
                optimal_read_alignment_bytes: hints.ulOptimalReadAlignment,
                optimal_write_bytes: hints.ulOptimalWriteSize,
                optimal_write_alignment_bytes: hints.ulOptimalWriteAlignment,
                maximum_drive_count: hints.ulMaximumDriveCount,
                stripe_bytes: hints.ulStripeSize,
                bus_type: bus_type(&hints),
                rebuild_priority: hints.sRebuildPriority,
            };
            for (value, bit) in $booleans(&mut hints) {
                raw.values |= if *value == 0 { 0 } else { bit };
            }
            let hints = Hints::from_raw($form, &raw).map_err(|_| E_INVALIDARG)?;
            Ok(hints.texts())
        }

        /// The service's texts as the structure.
        ///
        /// # Errors
        /// `VDS_E_BAD_PROVIDER_DATA` for a text that is no hint.
        pub(crate) fn $written(texts: &[String]) -> Answer<$type> {
            let raw = parsed(texts)?.to_raw($form);
            let mut hints = <$type>::zeroed();
            hints.ullHintMask = raw.mask;
            hints.ullExpectedMaximumSize = raw.expected_maximum_bytes;
            hints.ulOptimalReadSize = raw.optimal_read_bytes;
            hints.ulOptimalReadAlignment = raw.optimal_read_alignment_bytes;
            hints.ulOptimalWriteSize = raw.optimal_write_bytes;
            hints.ulOptimalWriteAlignment = raw.optimal_write_alignment_bytes;
            hints.ulMaximumDriveCount = raw.maximum_drive_count;
            hints.ulStripeSize = raw.stripe_bytes;
            hints.sRebuildPriority = raw.rebuild_priority;
            set_bus_type(&mut hints, raw.bus_type);
            for (value, bit) in $booleans(&mut hints) {
                *value = BOOL::from(raw.values & bit != 0);
            }
            Ok(hints)
        }
    )* };
}

converts! {
    texts, hints: VDS_HINTS, booleans, HintsForm::Hints;
    texts2, hints2: VDS_HINTS2, booleans2, HintsForm::Hints2;
}

fn parsed(texts: &[String]) -> Answer<Hints> {
    let mut hints = Hints::none();
    for text in texts {
        hints.set_text(text).map_err(|_| VDS_E_BAD_PROVIDER_DATA)?;
    }
    Ok(hints)
}

/// The bus type, which only one of the structures has.
trait HasBusType {
    fn bus_type(&mut self) -> Option<&mut u32>;
}

impl HasBusType for VDS_HINTS {
    fn bus_type(&mut self) -> Option<&mut u32> {
        None
    }
}

impl HasBusType for VDS_HINTS2 {
    fn bus_type(&mut self) -> Option<&mut u32> {
        Some(&mut self.BusType.0)
    }
}

fn bus_type(hints: &(impl HasBusType + Copy)) -> u32 {
    let mut hints = *hints;
    hints.bus_type().map_or(0, |number| *number)
}

fn set_bus_type(hints: &mut impl HasBusType, number: u32) {
    if let Some(place) = hints.bus_type() {
        *place = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_come_back_as_they_were() {
        let mut wish = VDS_HINTS2::zeroed();
        wish.ullHintMask =
            abi::VDS_HINT_MOSTLYREADS | abi::VDS_HINT_WRITECACHINGENABLED | abi::VDS_HINT_BUSTYPE;
        wish.bMostlyReads = 1;
        wish.BusType = abi::VDSBusTypeNVMe;
        wish.ulStripeSize = 65_536;
        wish.sRebuildPriority = 7;
        let texts = texts2(&wish).unwrap();
        assert!(texts.contains(&"write_cache=off".to_owned()), "{texts:?}");
        let back = hints2(&texts).unwrap();
        assert_eq!(back.ullHintMask, wish.ullHintMask);
        assert_eq!((back.bMostlyReads, back.bWriteCachingEnabled), (1, 0));
        assert_eq!((back.BusType, back.ulStripeSize), (abi::VDSBusTypeNVMe, 65_536));
        assert_eq!(back.sRebuildPriority, 7);
        // The older structure has no room for a bus type.
        assert_eq!(hints(&texts).unwrap().ullHintMask, abi::VDS_HINT_MOSTLYREADS);
    }

    #[test]
    fn a_bit_that_is_none_is_refused() {
        let mut wish = VDS_HINTS::zeroed();
        wish.ullHintMask = abi::VDS_HINT_BUSTYPE;
        assert_eq!(texts(&wish), Err(E_INVALIDARG));
        wish.ullHintMask = 0;
        wish.sRebuildPriority = 99;
        assert_eq!(texts(&wish), Err(E_INVALIDARG));
    }
}
