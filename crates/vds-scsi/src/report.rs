//! The REPORT commands: LUNs, supported operation codes, supported task management functions.

use crate::cdb::Cdb;
use crate::commands::{self, COMMANDS, Entry};
use crate::server::Refusal;
use crate::{Command, DeviceServer, Lun, Response, Sense, Task, UnitAttention, inquiry};

/// The least allocation length of REPORT LUNS. Source: SPC-3 §6.21.
const REPORT_LUNS_ALLOCATION_MIN: u32 = 16;

/// RCTD in byte 2: return command timeouts descriptors.
const RCTD: u8 = 0x80;

/// REPORT LUNS.
pub(crate) fn report_luns(
    server: &mut DeviceServer,
    command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    let list = lun_list(cdb, command.luns)?;
    // SPC-4 §6.33: looking at the list ends the condition that asked to look at it.
    server.nexuses.clear(command.nexus, UnitAttention::ReportedLunsChanged);
    Ok(Task { lists_luns: true, ..Task::data(list, cdb.allocation32(6)) })
}

/// Serves a command to a LUN that this initiator does not have: INQUIRY says so, REPORT LUNS and REQUEST SENSE work,
/// everything else is LOGICAL UNIT NOT SUPPORTED. Sense data is in fixed format. Source: SAM-5 §4.7.2, §5.11.
pub fn unknown_lun(cdb: &[u8], luns: &[Lun]) -> Response {
    let answer = || {
        let cdb = Cdb::parse(cdb).map_err(|_| Sense::LOGICAL_UNIT_NOT_SUPPORTED)?;
        match cdb.opcode() {
            0x03 => {
                let sense = Sense::LOGICAL_UNIT_NOT_SUPPORTED.encode(cdb.bit(1, 0x01));
                Ok(Response::data(sense, usize::from(cdb.u8(4))))
            }
            0x12 => {
                cdb.check_control()?;
                inquiry::inquiry_without_unit(&cdb)
            }
            0xa0 => {
                cdb.check_control()?;
                Ok(Response::data(lun_list(&cdb, luns)?, cdb.allocation32(6)))
            }
            _ => Err(Sense::LOGICAL_UNIT_NOT_SUPPORTED),
        }
    };
    answer().unwrap_or_else(|sense| Response::check_condition(&sense, false))
}

/// The list that SELECT REPORT asks for. There are no well-known LUNs.
fn lun_list(cdb: &Cdb, luns: &[Lun]) -> Result<Vec<u8>, Sense> {
    let reported = match cdb.u8(2) {
        0x00 | 0x02 => luns,
        0x01 => &[],
        _ => return Err(Sense::invalid_cdb_field(2, None)),
    };
    if cdb.u32(6) < REPORT_LUNS_ALLOCATION_MIN {
        return Err(Sense::invalid_cdb_field(6, None));
    }
    let bytes = u32::try_from(reported.len() * 8).expect("at most 16384 LUNs of 8 bytes");
    let mut data = bytes.to_be_bytes().to_vec();
    data.extend_from_slice(&[0; 4]);
    data.extend(reported.iter().flat_map(|lun| lun.to_wire()));
    Ok(data)
}

/// REPORT SUPPORTED OPERATION CODES. Source: SPC-4 §6.35.
pub(crate) fn supported_operation_codes(
    _server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    let timeouts = cdb.bit(2, RCTD);
    let opcode = cdb.u8(3);
    let wanted_action = cdb.u16(4);
    let has_actions =
        COMMANDS.iter().any(|entry| entry.opcode() == opcode && entry.service_action.is_some());
    let data = match cdb.u8(2) & 0x07 {
        0 => all_commands(timeouts),
        1 if has_actions => return Err(Sense::invalid_cdb_field(2, Some(2)).into()),
        1 => one_command(find(opcode, None), timeouts),
        2 if is_served(opcode) && !has_actions => {
            return Err(Sense::invalid_cdb_field(2, Some(2)).into());
        }
        2 => one_command(find(opcode, Some(wanted_action)), timeouts),
        3 if has_actions => one_command(find(opcode, Some(wanted_action)), timeouts),
        3 if wanted_action == 0 => one_command(find(opcode, None), timeouts),
        3 => one_command(None, timeouts),
        _ => return Err(Sense::invalid_cdb_field(2, Some(2)).into()),
    };
    Ok(Task::data(data, cdb.allocation32(6)))
}

/// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS. Source: SPC-4 §6.36.
#[expect(clippy::unnecessary_wraps, reason = "every handler has one type")]
pub(crate) fn supported_task_management(
    _server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    const REPD: u8 = 0x80;
    // ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET.
    const FUNCTIONS: u8 = 0x80 | 0x40 | 0x10 | 0x08;
    // I_T NEXUS RESET is iSCSI's session reinstatement, not a function: not claimed.
    let mut data = vec![FUNCTIONS, 0, 0, 0];
    if cdb.bit(2, REPD) {
        data[3] = 0x0c;
        data.extend_from_slice(&[0; 12]); // No time-outs reported.
    }
    Ok(Task::data(data, cdb.allocation32(6)))
}

fn is_served(opcode: u8) -> bool {
    COMMANDS.iter().any(|entry| entry.opcode() == opcode)
}

fn find(opcode: u8, service_action: Option<u16>) -> Option<&'static Entry> {
    COMMANDS.iter().find(|entry| {
        entry.opcode() == opcode && entry.service_action.map(u16::from) == service_action
    })
}

/// Twelve bytes that say no time-out is known.
fn timeouts_descriptor() -> [u8; 12] {
    let mut descriptor = [0; 12];
    descriptor[1] = 0x0a;
    descriptor
}

fn all_commands(timeouts: bool) -> Vec<u8> {
    let mut data = vec![0; 4];
    for entry in COMMANDS {
        let mut flags = 0;
        if timeouts {
            flags |= 0x02; // CTDP
        }
        if entry.service_action.is_some() {
            flags |= 0x01; // SERVACTV
        }
        let bytes = u8::try_from(entry.usage.len()).expect("at most 16 bytes");
        let action = entry.service_action.unwrap_or(0);
        data.extend_from_slice(&[entry.opcode(), 0, 0, action, 0, flags, 0, bytes]);
        if timeouts {
            data.extend_from_slice(&timeouts_descriptor());
        }
    }
    let length = u32::try_from(data.len() - 4).expect("a short table");
    data[..4].copy_from_slice(&length.to_be_bytes());
    data
}

fn one_command(entry: Option<&'static commands::Entry>, timeouts: bool) -> Vec<u8> {
    const NOT_SUPPORTED: u8 = 0x01;
    const SUPPORTED: u8 = 0x03;
    const CTDP: u8 = 0x80;

    let Some(entry) = entry else { return vec![0, NOT_SUPPORTED, 0, 0] };
    let bytes = u8::try_from(entry.usage.len()).expect("at most 16 bytes");
    let mut data = vec![0, SUPPORTED, 0, bytes];
    data.extend_from_slice(entry.usage);
    if timeouts {
        data[1] |= CTDP;
        data.extend_from_slice(&timeouts_descriptor());
    }
    data
}
