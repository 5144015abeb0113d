//! CHAP secrets as VDS's callers hand them over.
#![expect(unsafe_code, reason = "a secret is behind a pointer within a structure")]

use super::answer::Answer;
use crate::abi::{E_INVALIDARG, VDS_ISCSI_SHARED_SECRET};

/// Most bytes of a secret.
const BYTES_MAX: usize = vds_model::CHAP_SECRET_BYTES_MAX;

/// The bytes of the secret; `None` for NULL, and for a structure with NULL and no bytes.
///
/// # Errors
/// `E_INVALIDARG` for NULL with bytes, an address without any, and more than a secret has.
pub(super) fn bytes(secret: Option<&VDS_ISCSI_SHARED_SECRET>) -> Answer<Option<Vec<u8>>> {
    let Some(secret) = secret else { return Ok(None) };
    let (start, count) = (secret.pSharedSecret, secret.ulSharedSecretSize as usize);
    match (start.is_null(), count) {
        (true, 0) => return Ok(None),
        (false, 1..=BYTES_MAX) => {}
        _ => return Err(E_INVALIDARG),
    }
    // SAFETY: the caller's promise: as many bytes as the structure says.
    Ok(Some(unsafe { std::slice::from_raw_parts(start, count) }.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: Option<&mut [u8]>, count: u32, expected: Answer<Option<&[u8]>>) {
        let start = from.map_or(std::ptr::null_mut(), <[u8]>::as_mut_ptr);
        let secret = VDS_ISCSI_SHARED_SECRET { pSharedSecret: start, ulSharedSecretSize: count };
        assert_eq!(bytes(Some(&secret)), expected.map(|found| found.map(<[u8]>::to_vec)));
    }

    #[test]
    fn a_secret_is_an_address_with_bytes_or_neither() {
        assert_eq!(bytes(None), Ok(None));
        check(None, 0, Ok(None));
        check(None, 12, Err(E_INVALIDARG));
        check(Some(&mut []), 0, Err(E_INVALIDARG));
        check(Some(&mut [0, 0xff]), 2, Ok(Some(&[0, 0xff])));
        check(Some(&mut [7; 17]), 17, Err(E_INVALIDARG));
    }
}
