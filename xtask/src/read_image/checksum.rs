//! CRC-32C (Castagnoli), reflected, initial and final value `FFFFFFFF`: byte by byte from one table, written apart from
//! the product's.

const POLYNOMIAL: u32 = 0x82F6_3B78;
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

/// The checksum of these bytes, one after the other.
pub(super) fn of(parts: &[&[u8]]) -> u32 {
    let step = |value: u32, byte: &u8| {
        let [low, ..] = value.to_le_bytes();
        TABLE[usize::from(low ^ byte)] ^ value >> 8
    };
    !parts.iter().copied().flatten().fold(!0, step)
}

/// The checksum of a structure whose own checksum field, four bytes at offset 12, counts as zero.
pub(super) fn of_structure(bytes: &[u8]) -> u32 {
    of(&[&bytes[..12], &[0; 4], &bytes[16..]])
}

/// The checksum of a data block: its bytes, then its number on the LUN.
pub(super) fn of_data(block: &[u8], lun_block: u64) -> u32 {
    of(&[block, &lun_block.to_le_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_value() {
        assert_eq!(of(&[b"123456789"]), 0xE306_9283);
        assert_eq!(of(&[b"1234", b"", b"56789"]), 0xE306_9283);
        assert_eq!(of(&[&[0; 32]]), 0x8A91_36AA);
    }
}
