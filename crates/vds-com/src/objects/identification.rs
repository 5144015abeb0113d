//! What initiators see of a LUN: inquiry data and designators.

use core::ffi::c_char;

use vds_api::{Designator, Lun};
use vds_model::{BusType, IdentifierCodeSet, IdentifierType};

use super::answer::Answer;
use crate::abi::{
    E_OUTOFMEMORY, VDS_E_BAD_PROVIDER_DATA, VDS_LUN_INFORMATION, VDS_STORAGE_BUS_TYPE,
    VDS_STORAGE_DEVICE_ID_DESCRIPTOR, VDS_STORAGE_IDENTIFIER, VDS_STORAGE_IDENTIFIER_CODE_SET,
    VDS_STORAGE_IDENTIFIER_TYPE,
};
use crate::com::{BOOL, GUID, Plain, array};

/// The version of the structures.
const VERSION: u32 = 1;

/// The LUN's data. What it points to is the caller's.
pub(super) fn of(lun: &Lun) -> Answer<VDS_LUN_INFORMATION> {
    let designators: Vec<(&Designator, Vec<u8>)> = lun
        .designators
        .iter()
        .map(|of| Ok((of, bytes(&of.hex).ok_or(VDS_E_BAD_PROVIDER_DATA)?)))
        .collect::<Answer<_>>()?;
    let identifiers: Vec<VDS_STORAGE_IDENTIFIER> =
        designators.iter().map(|(of, bytes)| identifier(of, bytes)).collect();
    let count = |length: usize| u32::try_from(length).map_err(|_| E_OUTOFMEMORY);
    Ok(VDS_LUN_INFORMATION {
        m_version: VERSION,
        // A direct-access block device that takes many commands at once.
        m_DeviceType: 0,
        m_DeviceTypeModifier: 0,
        m_bCommandQueueing: BOOL::from(true),
        m_BusType: VDS_STORAGE_BUS_TYPE(BusType::Iscsi.number()),
        m_deviceIdDescriptor: VDS_STORAGE_DEVICE_ID_DESCRIPTOR {
            m_version: VERSION,
            m_cIdentifiers: count(identifiers.len())?,
            m_rgIdentifiers: array(&identifiers),
        },
        m_szVendorId: narrow(&lun.vendor),
        m_szProductId: narrow(&lun.product),
        m_szProductRevision: narrow(&lun.revision),
        m_szSerialNumber: narrow(&lun.serial_number),
        m_diskSignature: GUID::NULL,
        m_cInterconnects: 0,
        m_rgInterconnects: core::ptr::null_mut(),
    })
}

fn identifier(designator: &Designator, bytes: &[u8]) -> VDS_STORAGE_IDENTIFIER {
    let code_set: Result<IdentifierCodeSet, _> = designator.code_set.parse();
    let kind: Result<IdentifierType, _> = designator.designator_type.parse();
    let mut identifier = VDS_STORAGE_IDENTIFIER::zeroed();
    identifier.m_CodeSet =
        VDS_STORAGE_IDENTIFIER_CODE_SET(code_set.map_or(0, IdentifierCodeSet::number));
    identifier.m_Type = VDS_STORAGE_IDENTIFIER_TYPE(kind.map_or(0, IdentifierType::number));
    identifier.m_cbIdentifier = u32::try_from(bytes.len()).unwrap_or(0);
    identifier.m_rgbIdentifier = array(bytes);
    identifier
}

/// A zero-terminated text of bytes, for somebody else to free; NULL for an empty one, as VDS has it where a device tells
/// nothing.
fn narrow(text: &str) -> *mut c_char {
    if text.is_empty() {
        return core::ptr::null_mut();
    }
    let bytes: Vec<u8> = text.bytes().filter(|byte| *byte != 0).chain([0]).collect();
    array(&bytes).cast()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_strictly() {
        assert_eq!(bytes("30ff"), Some(vec![0x30, 0xff]));
        assert_eq!(bytes(""), Some(vec![]));
        assert_eq!(bytes("3"), None);
        assert_eq!(bytes("3g"), None);
    }
}
