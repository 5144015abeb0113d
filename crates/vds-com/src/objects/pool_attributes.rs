//! Attributes of storage pools: the service's, VDS's structure, and templates of it.

use vds_api::PoolAttributes;
use vds_model::PoolAttributeMask as Mask;

use super::answer::Answer;
use super::labels;
use crate::abi::{E_INVALIDARG, VDS_POOL_ATTRIBUTES, VDS_POOL_CUSTOM_ATTRIBUTES};
use crate::com::{BOOL, Plain, array, text};

/// What a template wishes for and no pool is left out for.
const HINTS: Mask = Mask::DATA_AVL_HINT
    .with(Mask::ACCS_RNDM_HINT)
    .with(Mask::ACCS_DIR_HINT)
    .with(Mask::ACCS_SIZE_HINT)
    .with(Mask::ACCS_LTNCY_HINT)
    .with(Mask::ACCS_BDW_WT_HINT)
    .with(Mask::STOR_COST_HINT)
    .with(Mask::STOR_EFFCY_HINT);

macro_rules! members {
    ($view:ident: $($bit:ident, $member:ident = $value:expr;)*) => {
        /// Sets the members that the service tells, with their bits of the mask.
        fn fill(of: &mut VDS_POOL_ATTRIBUTES, $view: &PoolAttributes) {
            $(
                if let Some(value) = $value {
                    of.$member = value;
                    of.ullAttributeMask |= Mask::$bit.bits();
                }
            )*
        }

        /// The bits of the members in which two structures differ.
        fn differences(one: &VDS_POOL_ATTRIBUTES, other: &VDS_POOL_ATTRIBUTES) -> Mask {
            let differing = Mask::empty();
            $( let differing = differing.with_if(one.$member != other.$member, Mask::$bit); )*
            differing
        }
    };
}

members! {
    view:
    RAID_TYPE, raidType = view.raid_type.as_deref().map(labels::raid_type);
    BUS_TYPE, busType = view.bus_type.as_deref().map(labels::bus_type);
    ALLOW_SPINDOWN, bSpinDown = view.allows_spindown.map(BOOL::from);
    THIN_PROVISION, bIsThinProvisioned = view.is_thin.map(BOOL::from);
    NO_SINGLE_POF, bNoSinglePointOfFailure = view.has_no_single_point_of_failure.map(BOOL::from);
    DATA_RDNCY_MAX, ulDataRedundancyMax = view.data_redundancy_max;
    DATA_RDNCY_MIN, ulDataRedundancyMin = view.data_redundancy_min;
    DATA_RDNCY_DEF, ulDataRedundancyDefault = view.data_redundancy_default;
    PKG_RDNCY_MAX, ulPackageRedundancyMax = view.package_redundancy_max;
    PKG_RDNCY_MIN, ulPackageRedundancyMin = view.package_redundancy_min;
    PKG_RDNCY_DEF, ulPackageRedundancyDefault = view.package_redundancy_default;
    STRIPE_SIZE, ulStripeSize = view.stripe_bytes;
    STRIPE_SIZE_MAX, ulStripeSizeMax = view.stripe_bytes_max;
    STRIPE_SIZE_MIN, ulStripeSizeMin = view.stripe_bytes_min;
    STRIPE_SIZE_DEF, ulDefaultStripeSize = view.stripe_bytes_default;
    NUM_CLMNS, ulNumberOfColumns = view.columns;
    NUM_CLMNS_MAX, ulNumberOfColumnsMax = view.columns_max;
    NUM_CLMNS_MIN, ulNumberOfColumnsMin = view.columns_min;
    NUM_CLMNS_DEF, ulDefaultNumberofColumns = view.columns_default;
    DATA_AVL_HINT, ulDataAvailabilityHint = view.data_availability;
    ACCS_RNDM_HINT, ulAccessRandomnessHint = view.access_randomness;
    ACCS_DIR_HINT, ulAccessDirectionHint = view.access_direction;
    ACCS_SIZE_HINT, ulAccessSizeHint = view.access_size_megabytes;
    ACCS_LTNCY_HINT, ulAccessLatencyHint = view.access_latency;
    ACCS_BDW_WT_HINT, ulAccessBandwidthWeightHint = view.access_bandwidth;
    STOR_COST_HINT, ulStorageCostHint = view.storage_cost;
    STOR_EFFCY_HINT, ulStorageEfficiencyHint = view.storage_efficiency;
}

/// The structure, whose texts and array are the caller's.
pub(super) fn structure(view: &PoolAttributes) -> VDS_POOL_ATTRIBUTES {
    let mut of = VDS_POOL_ATTRIBUTES::zeroed();
    fill(&mut of, view);
    if let Some(usage) = &view.intended_usage {
        of.pwszIntendedUsage = text(usage);
    }
    of.ullProvisionedSpace = view.provisioned_bytes.unwrap_or(0);
    if !view.custom.is_empty() {
        let pair = |(name, value): (&String, &String)| VDS_POOL_CUSTOM_ATTRIBUTES {
            pwszName: text(name),
            pwszValue: text(value),
        };
        let pairs: Vec<_> = view.custom.iter().map(pair).collect();
        of.ulNumOfCustomAttributes = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
        of.pPoolCustomAttributes = array(&pairs);
        of.ullAttributeMask |= Mask::CUSTOM_ATTRIB.bits();
    }
    of
}

/// What a caller asks of a pool.
pub(super) struct Template(VDS_POOL_ATTRIBUTES);

impl Template {
    /// # Errors
    /// `E_INVALIDARG` for a bit of the mask that is none.
    pub(super) fn new(asked: &VDS_POOL_ATTRIBUTES) -> Answer<Self> {
        if !Mask::from_bits(asked.ullAttributeMask).unrecognized().is_empty() {
            return Err(E_INVALIDARG);
        }
        let mut asked = *asked;
        let booleans = [
            &mut asked.bSpinDown,
            &mut asked.bIsThinProvisioned,
            &mut asked.bNoSinglePointOfFailure,
        ];
        for value in booleans {
            *value = BOOL::from(*value != 0);
        }
        Ok(Self(asked))
    }

    /// Whether a pool says of itself everything that is asked for. The vendor's own attributes are not compared: no pool
    /// fits a template that asks for them.
    pub(super) fn fits(&self, view: &PoolAttributes) -> bool {
        let asked = Mask::from_bits(self.0.ullAttributeMask).without(HINTS);
        let mut told = VDS_POOL_ATTRIBUTES::zeroed();
        fill(&mut told, view);
        Mask::from_bits(told.ullAttributeMask).contains(asked)
            && !differences(&told, &self.0).intersects(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{VDS_RT_RAID5, VDS_RT_RAID6};
    use crate::com::free;

    fn raid5() -> PoolAttributes {
        PoolAttributes {
            raid_type: Some("raid5".to_owned()),
            is_thin: Some(true),
            provisioned_bytes: Some(1 << 40),
            columns: Some(5),
            storage_cost: Some(7),
            custom: [("colour".to_owned(), "red".to_owned())].into(),
            ..PoolAttributes::default()
        }
    }

    fn check(mask: Mask, view: &PoolAttributes, change: fn(&mut VDS_POOL_ATTRIBUTES), fits: bool) {
        let mut asked = VDS_POOL_ATTRIBUTES::zeroed();
        asked.ullAttributeMask = mask.bits();
        asked.raidType = VDS_RT_RAID5;
        // Any number but 0 is true.
        asked.bIsThinProvisioned = -1;
        asked.ulNumberOfColumns = 5;
        change(&mut asked);
        let template = Template::new(&asked).unwrap();
        assert_eq!(template.fits(view), fits, "{mask}");
    }

    #[test]
    fn a_template_asks_for_what_its_mask_says() {
        let (bare, raid) = (PoolAttributes::default(), raid5());
        let nothing = |_: &mut VDS_POOL_ATTRIBUTES| {};
        for view in [&bare, &raid] {
            check(Mask::empty(), view, nothing, true);
            check(HINTS, view, |asked| asked.ulStorageCostHint = 1, true);
            check(Mask::CUSTOM_ATTRIB, view, nothing, false);
            check(Mask::BUS_TYPE, view, nothing, false);
        }
        let all = Mask::RAID_TYPE | Mask::THIN_PROVISION | Mask::NUM_CLMNS;
        check(all, &bare, nothing, false);
        check(all, &raid, nothing, true);
        check(all, &raid, |asked| asked.raidType = VDS_RT_RAID6, false);
        check(all, &raid, |asked| asked.bIsThinProvisioned = 0, false);
        check(all, &raid, |asked| asked.ulNumberOfColumns = 4, false);
        check(all, &raid, |asked| asked.ulStripeSize = 4, true);
    }

    #[test]
    fn a_bit_that_is_none_is_refused() {
        let mut asked = VDS_POOL_ATTRIBUTES::zeroed();
        asked.ullAttributeMask = 0x1000_0000;
        assert_eq!(Template::new(&asked).err(), Some(E_INVALIDARG));
    }

    #[test]
    #[expect(unsafe_code, reason = "the caller of VDS frees what it is given")]
    fn what_is_told_has_its_bit() {
        let bare = structure(&PoolAttributes::default());
        assert_eq!(bare.ullAttributeMask, 0);
        assert!(bare.pwszIntendedUsage.is_null());
        assert!(bare.pPoolCustomAttributes.is_null());
        let of = structure(&raid5());
        let bits = Mask::RAID_TYPE
            | Mask::THIN_PROVISION
            | Mask::NUM_CLMNS
            | Mask::STOR_COST_HINT
            | Mask::CUSTOM_ATTRIB;
        assert_eq!(Mask::from_bits(of.ullAttributeMask), bits);
        assert_eq!((of.raidType, of.bIsThinProvisioned), (VDS_RT_RAID5, 1));
        assert_eq!((of.ullProvisionedSpace, of.ulNumOfCustomAttributes), (1 << 40, 1));
        // SAFETY: one pair was allocated with two texts, and all of it is ours.
        unsafe {
            free((*of.pPoolCustomAttributes).pwszName);
            free((*of.pPoolCustomAttributes).pwszValue);
            free(of.pPoolCustomAttributes);
        }
    }
}
