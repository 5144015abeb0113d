//! Commands about the unit as a whole: TEST UNIT READY, REQUEST SENSE, START STOP UNIT, SEND DIAGNOSTIC.

use crate::cdb::Cdb;
use crate::server::Refusal;
use crate::{Action, Command, DeviceServer, Sense, Task, UnitAttention};

/// TEST UNIT READY.
#[expect(clippy::unnecessary_wraps, reason = "every handler has one type")]
pub(crate) fn test_unit_ready(
    _server: &mut DeviceServer,
    _command: &Command<'_>,
    _cdb: &Cdb,
) -> Result<Task, Refusal> {
    Ok(Task::new(Action::TestReady, 0))
}

/// REQUEST SENSE: the next pending unit attention condition, else NO SENSE. Source: SPC-4 §6.39.
///
/// Everything else is told with the command it concerns, so nothing is ever left over for this one.
#[expect(clippy::unnecessary_wraps, reason = "every handler has one type")]
pub(crate) fn request_sense(
    server: &mut DeviceServer,
    command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    let sense = server.nexuses.take(command.nexus).map_or(Sense::NO_SENSE, UnitAttention::sense);
    let descriptor = cdb.bit(1, 0x01);
    Ok(Task::data(sense.encode(descriptor), usize::from(cdb.u8(4))))
}

/// START STOP UNIT. A LUN is always started and holds no medium to eject, so that only "start" can be done.
/// Source: SBC-3 §5.25.
pub(crate) fn start_stop_unit(
    _server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    const POWER_CONDITION: u8 = 0xf0;
    const LOEJ: u8 = 0x02;
    const START: u8 = 0x01;

    if cdb.bit(4, POWER_CONDITION) {
        return Err(Sense::invalid_cdb_field(4, Some(7)).into());
    }
    if cdb.bit(4, LOEJ) {
        return Err(Sense::invalid_cdb_field(4, Some(1)).into());
    }
    if !cdb.bit(4, START) {
        return Err(Sense::invalid_cdb_field(4, Some(0)).into());
    }
    Ok(Task::new(Action::TestReady, 0))
}

/// SEND DIAGNOSTIC: the default self-test asks the LUN whether it serves IO. Source: SPC-4 §6.42.
pub(crate) fn send_diagnostic(
    _server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    const SELF_TEST_CODE: u8 = 0xe0;
    const SELFTEST: u8 = 0x04;

    if cdb.bit(1, SELF_TEST_CODE) {
        return Err(Sense::invalid_cdb_field(1, Some(7)).into());
    }
    if cdb.u16(3) != 0 {
        return Err(Sense::invalid_cdb_field(3, None).into());
    }
    if cdb.bit(1, SELFTEST) { Ok(Task::new(Action::TestReady, 0)) } else { Ok(Task::good()) }
}
