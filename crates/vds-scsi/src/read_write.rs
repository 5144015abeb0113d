//! Commands on a range of sectors: READ, WRITE, VERIFY and their kin, PRE-FETCH, SYNCHRONIZE CACHE.

use crate::action::{Compare, Range};
use crate::cdb::Cdb;
use crate::server::Refusal;
use crate::{Action, Command, DeviceServer, Response, Sense, Status, Task};

/// Byte 1: RDPROTECT, WRPROTECT or VRPROTECT. No LUN of ours carries protection information.
const PROTECT: u8 = 0xe0;
/// Byte 1: force unit access.
const FUA: u8 = 0x08;

/// The most sectors COMPARE AND WRITE takes: what one byte can say.
const COMPARE_SECTORS_MAX: u32 = 255;

/// The addressed sectors, and where in the block they were written down.
pub(crate) struct Extent {
    pub(crate) lba: u64,
    pub(crate) sectors: u64,
    /// Where the length field begins, for the field pointer.
    pub(crate) length_byte: u16,
}

impl Extent {
    /// Reads address and length from where each block length has them. Source: SBC-3 §5.
    pub(crate) fn of(cdb: &Cdb) -> Self {
        match cdb.len() {
            6 => {
                let lba = u64::from(cdb.u24(1) & 0x001f_ffff);
                // SBC-3 §5.11: in the six-byte form a length of 0 means 256.
                let sectors = match cdb.u8(4) {
                    0 => 256,
                    length => u64::from(length),
                };
                Self { lba, sectors, length_byte: 4 }
            }
            10 => {
                Self { lba: u64::from(cdb.u32(2)), sectors: u64::from(cdb.u16(7)), length_byte: 7 }
            }
            12 => {
                Self { lba: u64::from(cdb.u32(2)), sectors: u64::from(cdb.u32(6)), length_byte: 6 }
            }
            _ => Self { lba: cdb.u64(2), sectors: u64::from(cdb.u32(10)), length_byte: 10 },
        }
    }

    /// Checks that the extent lies on the LUN. With length 0 the address may be the end, but not past it: SBC speaks of
    /// the sum of both.
    pub(crate) fn check_on_lun(&self, server: &DeviceServer) -> Result<(), Sense> {
        let capacity = server.shape.sectors();
        if self.lba > capacity || self.sectors > capacity - self.lba {
            return Err(Sense::LBA_OUT_OF_RANGE);
        }
        Ok(())
    }

    /// Checks the length against a limit of the block limits page.
    pub(crate) fn check_length(&self, sectors_max: u32) -> Result<(), Sense> {
        if self.sectors > u64::from(sectors_max) {
            return Err(Sense::invalid_cdb_field(self.length_byte, None));
        }
        Ok(())
    }

    /// In bytes. The extent was checked to lie on the LUN, whose size is a number of bytes.
    pub(crate) fn range(&self, server: &DeviceServer) -> Range {
        let sector = u64::from(server.shape.sector().bytes());
        let range = Range { offset_bytes: self.lba * sector, len_bytes: self.sectors * sector };
        assert!(range.offset_bytes + range.len_bytes <= server.shape.size_bytes());
        range
    }

    /// All checks of a plain transfer; nothing for one of length 0.
    fn transfer(&self, server: &DeviceServer) -> Result<Option<Range>, Sense> {
        self.check_on_lun(server)?;
        self.check_length(server.shape.transfer_sectors_max())?;
        Ok((self.sectors != 0).then(|| self.range(server)))
    }
}

/// Refuses protection information.
pub(crate) fn check_protect(cdb: &Cdb) -> Result<(), Sense> {
    if cdb.len() != 6 && cdb.bit(1, PROTECT) {
        return Err(Sense::invalid_cdb_field(1, Some(7)));
    }
    Ok(())
}

/// Refuses a change of a LUN that takes none.
pub(crate) fn check_writable(server: &DeviceServer) -> Result<(), Sense> {
    if server.shape.read_only() {
        return Err(Sense::WRITE_PROTECTED);
    }
    if server.mode.software_write_protect {
        return Err(Sense::SOFTWARE_WRITE_PROTECTED);
    }
    Ok(())
}

/// Whether the block asks for durability, or the LUN gives it anyway.
fn durable(server: &DeviceServer, cdb: &Cdb) -> bool {
    !server.mode.write_back || (cdb.len() != 6 && cdb.bit(1, FUA))
}

/// Refuses a command whose data-out is of the wrong length: it says how long it must be, but so does the initiator's
/// port, and they differ.
pub(crate) fn wrong_data_out(transfer_bytes: u64) -> Refusal {
    Refusal { sense: Sense::INVALID_FIELD_IN_INFORMATION_UNIT, transfer_bytes }
}

/// READ (6), (10), (12), (16).
pub(crate) fn read(
    server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    check_protect(cdb)?;
    let Some(range) = Extent::of(cdb).transfer(server)? else { return Ok(Task::good()) };
    let fua = cdb.len() != 6 && cdb.bit(1, FUA);
    Ok(Task::new(Action::Read { range, fua }, range.len_bytes))
}

/// WRITE (6), (10), (12), (16).
pub(crate) fn write(
    server: &mut DeviceServer,
    command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    check_protect(cdb)?;
    check_writable(server)?;
    let extent = Extent::of(cdb);
    let durable = durable(server, cdb);
    write_extent(server, command, &extent, durable, false)
}

/// WRITE AND VERIFY (10), (12), (16). What is verified is on the medium, so it is durable.
pub(crate) fn write_and_verify(
    server: &mut DeviceServer,
    command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    check_protect(cdb)?;
    // Both kinds of verification, medium only and byte by byte, are made by comparing.
    if byte_check(cdb)? == Compare::DataOutEachSector {
        return Err(Sense::invalid_cdb_field(1, Some(2)).into());
    }
    check_writable(server)?;
    write_extent(server, command, &Extent::of(cdb), true, true)
}

/// WRITE ATOMIC (16), without atomic boundaries. Every write is atomic; this form only says so. Source: SBC-4 §5.46.
pub(crate) fn write_atomic(
    server: &mut DeviceServer,
    command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    check_protect(cdb)?;
    if cdb.u16(10) != 0 {
        return Err(Sense::invalid_cdb_field(10, None).into());
    }
    check_writable(server)?;
    let extent = Extent { lba: cdb.u64(2), sectors: u64::from(cdb.u16(12)), length_byte: 12 };
    let durable = durable(server, cdb);
    let task = write_extent(server, command, &extent, durable, false)?;
    match &task.action {
        // Part of an atomic write is no atomic write.
        Action::Write { range, .. } if range.len_bytes != task.transfer_bytes => {
            Err(wrong_data_out(task.transfer_bytes))
        }
        _ => Ok(task),
    }
}

/// Writes as much of the extent as the initiator sends. Less than the block says is the initiator's overflow: whole
/// sectors of it are written and the residual count tells the rest (RFC 7143 §4.5.1); broken sectors are refused.
fn write_extent(
    server: &DeviceServer,
    command: &Command<'_>,
    extent: &Extent,
    durable: bool,
    verify: bool,
) -> Result<Task, Refusal> {
    let Some(mut range) = extent.transfer(server)? else { return Ok(Task::good()) };
    let wanted = range.len_bytes;
    range.len_bytes = wanted.min(command.data_out_bytes);
    if !range.len_bytes.is_multiple_of(u64::from(server.shape.sector().bytes())) {
        return Err(wrong_data_out(wanted));
    }
    if range.len_bytes == 0 {
        return Ok(Task::new(Action::Respond(Response::good()), wanted));
    }
    Ok(Task::new(Action::Write { range, durable, verify }, wanted))
}

/// COMPARE AND WRITE. Source: SBC-3 §5.2.
pub(crate) fn compare_and_write(
    server: &mut DeviceServer,
    command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    check_protect(cdb)?;
    check_writable(server)?;
    let extent = Extent { lba: cdb.u64(2), sectors: u64::from(cdb.u8(13)), length_byte: 13 };
    extent.check_on_lun(server)?;
    extent.check_length(compare_sectors_max(server))?;
    if extent.sectors == 0 {
        // Data for no sectors: 256 sectors and one byte to say so look like this.
        return match command.data_out_bytes {
            0 => Ok(Task::good()),
            _ => Err(Sense::invalid_cdb_field(extent.length_byte, None).into()),
        };
    }
    let range = extent.range(server);
    let wanted = 2 * range.len_bytes;
    if command.data_out_bytes != wanted {
        return Err(wrong_data_out(wanted));
    }
    let durable = durable(server, cdb);
    Ok(Task::new(Action::CompareAndWrite { range, durable }, wanted))
}

/// The most sectors COMPARE AND WRITE takes from this LUN.
pub(crate) fn compare_sectors_max(server: &DeviceServer) -> u32 {
    server.shape.transfer_sectors_max().min(COMPARE_SECTORS_MAX)
}

/// VERIFY (10), (12), (16).
pub(crate) fn verify(
    server: &mut DeviceServer,
    command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    check_protect(cdb)?;
    let compare = byte_check(cdb)?;
    let Some(range) = Extent::of(cdb).transfer(server)? else { return Ok(Task::good()) };
    let wanted = match compare {
        Compare::Nothing => 0,
        Compare::DataOut => range.len_bytes,
        Compare::DataOutEachSector => u64::from(server.shape.sector().bytes()),
    };
    if command.data_out_bytes < wanted {
        return Err(wrong_data_out(wanted));
    }
    Ok(Task::new(Action::Verify { range, compare }, wanted))
}

/// BYTCHK. Source: SBC-3 §5.28, table 95.
fn byte_check(cdb: &Cdb) -> Result<Compare, Sense> {
    match (cdb.u8(1) >> 1) & 0b11 {
        0b00 => Ok(Compare::Nothing),
        0b01 => Ok(Compare::DataOut),
        0b11 => Ok(Compare::DataOutEachSector),
        _ => Err(Sense::invalid_cdb_field(1, Some(2))),
    }
}

/// PRE-FETCH (10), (16): a hint. It is checked and not taken, so GOOD and never CONDITION MET, which would say that all
/// of it is in the cache. Source: SBC-3 §5.7.
pub(crate) fn pre_fetch(
    server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    Extent::of(cdb).check_on_lun(server)?;
    Ok(Task::new(Action::Respond(Response::status(Status::Good)), 0))
}

/// SYNCHRONIZE CACHE (10), (16). More than the range is flushed, and IMMED waits as well: both are allowed to be better
/// than asked. Source: SBC-3 §5.26.
pub(crate) fn synchronize_cache(
    server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    Extent::of(cdb).check_on_lun(server)?;
    Ok(Task::new(Action::Flush, 0))
}
