//! How much larger a LUN could be made: found by plans, which say what an extension itself would say.

use vds_model::{DriveId, HResult, LunId, ProviderId};
use vds_provider::{Refusal, Request};

use super::Registry;

/// Sizes are looked for in steps of a block, to which a provider may round.
const STEP_BYTES: u64 = 4096;

impl Registry {
    /// By how many bytes a LUN could be made larger, at most; 0 for not at all. `most_bytes` is what cannot be exceeded in any
    /// case. Not a reservation.
    ///
    /// # Errors
    /// Why it cannot be made larger for another reason than space, or why the provider makes no plans.
    pub async fn max_lun_extension(
        &self,
        provider: ProviderId,
        lun: LunId,
        drives: Option<&[DriveId]>,
        most_bytes: u64,
    ) -> Result<u64, Refusal> {
        let fits = async |steps: u64| {
            let by_bytes = steps * STEP_BYTES;
            let drives = drives.map(<[DriveId]>::to_vec);
            match self.plan(provider, &Request::ExtendLun { lun, by_bytes, drives }).await {
                Ok(_) => Ok(true),
                Err(refusal) if is_too_much(refusal.hresult()) => Ok(false),
                Err(refusal) => Err(refusal),
            }
        };
        let (mut good, mut bad) = (0, most_bytes / STEP_BYTES + 1);
        if !fits(1).await? {
            return Ok(0);
        }
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            if fits(middle).await? {
                good = middle;
            } else {
                bad = middle;
            }
        }
        Ok(good * STEP_BYTES)
    }
}

fn is_too_much(result: HResult) -> bool {
    result == HResult::VDS_E_NOT_ENOUGH_SPACE || result == HResult::VDS_E_NOT_ENOUGH_DRIVE
}
