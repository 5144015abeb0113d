//! The table of every command served: dispatch and REPORT SUPPORTED OPERATION CODES read the same rows.

use crate::cdb::Cdb;
use crate::server::Refusal;
use crate::{
    Command, DeviceServer, Sense, Task, capacity, inquiry, mode, provisioning, read_write, report,
    unit_control,
};

/// What serves a command.
pub(crate) type Handler = fn(&mut DeviceServer, &Command<'_>, &Cdb) -> Result<Task, Refusal>;

/// How a command meets a pending unit attention condition. Source: SAM-5 §5.14.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attention {
    /// The condition is reported instead of the command.
    Reported,
    /// The command is served, the condition stays (or the command itself deals with it).
    Exempt,
}

/// One command.
pub(crate) struct Entry {
    /// CDB usage data: the operation code, then a mask of the bits looked at (SPC-4 §6.35.3). With a service action, that
    /// value stands in its field.
    pub(crate) usage: &'static [u8],
    /// The service action, for operation codes that have them.
    pub(crate) service_action: Option<u8>,
    pub(crate) attention: Attention,
    pub(crate) handler: Handler,
}

impl Entry {
    pub(crate) fn opcode(&self) -> u8 {
        self.usage[0]
    }
}

const fn entry(usage: &'static [u8], handler: Handler) -> Entry {
    Entry { usage, service_action: None, attention: Attention::Reported, handler }
}

const fn exempt(usage: &'static [u8], handler: Handler) -> Entry {
    Entry { usage, service_action: None, attention: Attention::Exempt, handler }
}

const fn action(service_action: u8, usage: &'static [u8], handler: Handler) -> Entry {
    Entry { usage, service_action: Some(service_action), attention: Attention::Reported, handler }
}

/// NACA, the one bit of the CONTROL byte we look at.
const CTL: u8 = 0x04;
/// Masks of address and length fields.
const ALL: u8 = 0xff;

/// Ascending by operation code and service action.
#[rustfmt::skip]
pub(crate) static COMMANDS: &[Entry] = &[
    entry(&[0x00, 0, 0, 0, 0, CTL], unit_control::test_unit_ready),
    exempt(&[0x03, 0x01, 0, 0, ALL, CTL], unit_control::request_sense),
    entry(&[0x08, 0x1f, ALL, ALL, ALL, CTL], read_write::read),
    entry(&[0x0a, 0x1f, ALL, ALL, ALL, CTL], read_write::write),
    exempt(&[0x12, 0x03, ALL, ALL, ALL, CTL], inquiry::inquiry),
    entry(&[0x15, 0x11, 0, 0, ALL, CTL], mode::mode_select),
    entry(&[0x1a, 0x08, ALL, ALL, ALL, CTL], mode::mode_sense),
    entry(&[0x1b, 0x01, 0, 0, 0xf7, CTL], unit_control::start_stop_unit),
    entry(&[0x1d, 0xf7, 0, ALL, ALL, CTL], unit_control::send_diagnostic),
    entry(&[0x25, 0, ALL, ALL, ALL, ALL, 0, 0, 0x01, CTL], capacity::read_capacity_10),
    entry(&[0x28, 0xf8, ALL, ALL, ALL, ALL, 0, ALL, ALL, CTL], read_write::read),
    entry(&[0x2a, 0xf8, ALL, ALL, ALL, ALL, 0, ALL, ALL, CTL], read_write::write),
    entry(&[0x2e, 0xf6, ALL, ALL, ALL, ALL, 0, ALL, ALL, CTL], read_write::write_and_verify),
    entry(&[0x2f, 0xf6, ALL, ALL, ALL, ALL, 0, ALL, ALL, CTL], read_write::verify),
    entry(&[0x34, 0x02, ALL, ALL, ALL, ALL, 0, ALL, ALL, CTL], read_write::pre_fetch),
    entry(&[0x35, 0x02, ALL, ALL, ALL, ALL, 0, ALL, ALL, CTL], read_write::synchronize_cache),
    entry(&[0x41, 0xfe, ALL, ALL, ALL, ALL, 0, ALL, ALL, CTL], provisioning::write_same),
    entry(&[0x42, 0x01, 0, 0, 0, 0, 0, ALL, ALL, CTL], provisioning::unmap),
    entry(&[0x55, 0x11, 0, 0, 0, 0, 0, ALL, ALL, CTL], mode::mode_select),
    entry(&[0x5a, 0x18, ALL, ALL, 0, 0, 0, ALL, ALL, CTL], mode::mode_sense),
    entry(&[0x88, 0xf8, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], read_write::read),
    entry(&[0x89, 0xf8, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, 0, 0, ALL, 0, CTL], read_write::compare_and_write),
    entry(&[0x8a, 0xf8, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], read_write::write),
    entry(&[0x8e, 0xf6, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], read_write::write_and_verify),
    entry(&[0x8f, 0xf6, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], read_write::verify),
    entry(&[0x90, 0x02, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], read_write::pre_fetch),
    entry(&[0x91, 0x02, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], read_write::synchronize_cache),
    entry(&[0x93, 0xff, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], provisioning::write_same),
    entry(&[0x9c, 0xf8, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], read_write::write_atomic),
    action(0x10, &[0x9e, 0x10, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0x01, CTL], capacity::read_capacity_16),
    action(0x12, &[0x9e, 0x12, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], provisioning::lba_status),
    exempt(&[0xa0, 0, ALL, 0, 0, 0, ALL, ALL, ALL, ALL, 0, CTL], report::report_luns),
    action(0x0c, &[0xa3, 0x0c, 0x87, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], report::supported_operation_codes),
    action(0x0d, &[0xa3, 0x0d, 0x80, 0, 0, 0, ALL, ALL, ALL, ALL, 0, CTL], report::supported_task_management),
    entry(&[0xa8, 0xf8, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], read_write::read),
    entry(&[0xaa, 0xf8, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], read_write::write),
    entry(&[0xae, 0xf6, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], read_write::write_and_verify),
    entry(&[0xaf, 0xf6, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CTL], read_write::verify),
];

/// The row that serves this block.
///
/// # Errors
/// INVALID COMMAND OPERATION CODE, also for a service action we lack under an operation code we have: initiators probe
/// for commands with it and take it for "not supported".
pub(crate) fn find(cdb: &Cdb) -> Result<&'static Entry, Sense> {
    COMMANDS
        .iter()
        .find(|entry| {
            entry.opcode() == cdb.opcode()
                && entry.service_action.is_none_or(|action| action == cdb.u8(1) & 0x1f)
        })
        .ok_or(Sense::INVALID_OPERATION_CODE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdb::cdb_bytes;

    #[test]
    fn rows_are_ordered_unique_and_as_long_as_their_code_says() {
        let key = |entry: &Entry| (entry.opcode(), entry.service_action);
        assert!(COMMANDS.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])));
        for entry in COMMANDS {
            assert_eq!(Some(entry.usage.len()), cdb_bytes(entry.opcode()), "{:#x}", entry.opcode());
            if let Some(action) = entry.service_action {
                assert_eq!(entry.usage[1] & 0x1f, action);
            }
        }
    }
}
