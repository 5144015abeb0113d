//! READ CAPACITY (10) and (16).

use crate::cdb::Cdb;
use crate::server::Refusal;
use crate::{Command, DeviceServer, Sense, Task};

/// READ CAPACITY (10): the last LBA, or FFFFFFFFh when it needs the other form. Source: SBC-3 §5.16.
pub(crate) fn read_capacity_10(
    server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    no_partial_medium(cdb, 8, u64::from(cdb.u32(2)))?;
    let last = u32::try_from(server.shape.sectors() - 1).unwrap_or(u32::MAX);
    let mut data = last.to_be_bytes().to_vec();
    data.extend_from_slice(&server.shape.sector().bytes().to_be_bytes());
    Ok(Task::data(data, usize::MAX))
}

/// READ CAPACITY (16). Source: SBC-3 §5.17.
pub(crate) fn read_capacity_16(
    server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    const LBPME: u8 = 0x80;
    const LBPRZ: u8 = 0x40;

    no_partial_medium(cdb, 14, cdb.u64(2))?;
    let shape = &server.shape;
    let mut data = vec![0; 32];
    data[..8].copy_from_slice(&(shape.sectors() - 1).to_be_bytes());
    data[8..12].copy_from_slice(&shape.sector().bytes().to_be_bytes());
    data[13] = shape.sector().physical_exponent();
    data[14] = LBPME | LBPRZ;
    Ok(Task::data(data, cdb.allocation32(10)))
}

/// PMI is obsolete since SBC-3, and without it the LBA has to be zero.
fn no_partial_medium(cdb: &Cdb, pmi_byte: u16, lba: u64) -> Result<(), Sense> {
    if cdb.bit(usize::from(pmi_byte), 0x01) {
        return Err(Sense::invalid_cdb_field(pmi_byte, Some(0)));
    }
    if lba != 0 {
        return Err(Sense::invalid_cdb_field(2, None));
    }
    Ok(())
}
