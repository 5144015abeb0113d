//! What a target sends.

use super::{Bhs, Field, header, opcode};

header! {
    /// NOP-In (RFC 7143 §11.19).
    NopIn = opcode::NOP_IN, fixed 0x80, {
        /// Logical unit, of a ping.
        lun: u64 = 8,
        /// The tag of the NOP-Out this answers, none for a ping.
        task_tag: u32 = 16,
        /// The tag a ping is to be answered with, or none.
        transfer_tag: u32 = 20,
        /// Status number; a ping carries the next one and does not use it up.
        stat_sn: u32 = 24,
        /// The next command number we expect.
        exp_cmd_sn: u32 = 28,
        /// The last command number we take.
        max_cmd_sn: u32 = 32,
    }
}

header! {
    /// SCSI Response (RFC 7143 §11.4).
    ScsiResponse = opcode::SCSI_RESPONSE, fixed 0x80,
    byte1
        /// [`ScsiResponse::OVERFLOW`] or [`ScsiResponse::UNDERFLOW`], and the same for a bidirectional read.
        flags mask 0x1e,
    {
        /// iSCSI service response: 0 command completed, 1 target failure.
        response: u8 = 2,
        /// SCSI status.
        status: u8 = 3,
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// Status number.
        stat_sn: u32 = 24,
        /// The next command number we expect.
        exp_cmd_sn: u32 = 28,
        /// The last command number we take.
        max_cmd_sn: u32 = 32,
        /// How many Data-In and R2T PDUs we sent for the command.
        exp_data_sn: u32 = 36,
        /// Residual of a bidirectional read.
        bidirectional_residual: u32 = 40,
        /// Bytes not moved, or too few expected.
        residual: u32 = 44,
    }
}

impl ScsiResponse {
    /// Flag: the command had more to move than the initiator expected.
    pub const OVERFLOW: u8 = 0x04;
    /// Flag: the command had less to move than the initiator expected.
    pub const UNDERFLOW: u8 = 0x02;
}

header! {
    /// Task Management Function Response (RFC 7143 §11.6).
    TaskManagementResponse = opcode::TASK_MANAGEMENT_RESPONSE, fixed 0x80, {
        /// See `TaskResponse`.
        response: u8 = 2,
        /// Initiator task tag of the request.
        task_tag: u32 = 16,
        /// Status number.
        stat_sn: u32 = 24,
        /// The next command number we expect.
        exp_cmd_sn: u32 = 28,
        /// The last command number we take.
        max_cmd_sn: u32 = 32,
    }
}

header! {
    /// Login Response (RFC 7143 §11.13).
    LoginResponse = opcode::LOGIN_RESPONSE, fixed 0x00,
    byte1
        /// As in the request.
        flags mask 0xcf,
    {
        /// Highest version we speak.
        version_max: u8 = 2,
        /// The version in use.
        version_active: u8 = 3,
        /// Initiator's part of the session's identity.
        isid: [u8; 6] = 8,
        /// Our part of it, given in the last answer of a new session.
        tsih: u16 = 14,
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// Status number.
        stat_sn: u32 = 24,
        /// The next command number we expect.
        exp_cmd_sn: u32 = 28,
        /// The last command number we take.
        max_cmd_sn: u32 = 32,
        /// Class in the upper byte, detail in the lower.
        status: u16 = 36,
    }
}

header! {
    /// Text Response (RFC 7143 §11.11).
    TextResponse = opcode::TEXT_RESPONSE, fixed 0x00,
    byte1
        /// [`FINAL`](super::FINAL) and [`CONTINUE`](super::CONTINUE).
        flags mask 0xc0,
    {
        /// Logical unit.
        lun: u64 = 8,
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// The tag to go on with, or none.
        transfer_tag: u32 = 20,
        /// Status number.
        stat_sn: u32 = 24,
        /// The next command number we expect.
        exp_cmd_sn: u32 = 28,
        /// The last command number we take.
        max_cmd_sn: u32 = 32,
    }
}

header! {
    /// SCSI Data-In (RFC 7143 §11.7).
    DataIn = opcode::DATA_IN, fixed 0x00,
    byte1
        /// [`FINAL`](super::FINAL), [`DataIn::STATUS`], and the residual flags when status is carried.
        flags mask 0xc7,
    {
        /// SCSI status, with [`DataIn::STATUS`].
        status: u8 = 3,
        /// Logical unit.
        lun: u64 = 8,
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// None, as we ask for no acknowledgement.
        transfer_tag: u32 = 20,
        /// Status number, with [`DataIn::STATUS`].
        stat_sn: u32 = 24,
        /// The next command number we expect.
        exp_cmd_sn: u32 = 28,
        /// The last command number we take.
        max_cmd_sn: u32 = 32,
        /// Number of the PDU within the command.
        data_sn: u32 = 36,
        /// The data's place in the command's buffer.
        buffer_offset: u32 = 40,
        /// Bytes not moved, or too few expected; with [`DataIn::STATUS`].
        residual: u32 = 44,
    }
}

impl DataIn {
    /// Flag: the PDU carries the command's status as well.
    pub const STATUS: u8 = 0x01;
}

header! {
    /// Logout Response (RFC 7143 §11.15).
    LogoutResponse = opcode::LOGOUT_RESPONSE, fixed 0x80, {
        /// 0 closed, 1 no such connection, 2 recovery not supported, 3 cleanup failed.
        response: u8 = 2,
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// Status number.
        stat_sn: u32 = 24,
        /// The next command number we expect.
        exp_cmd_sn: u32 = 28,
        /// The last command number we take.
        max_cmd_sn: u32 = 32,
        /// Seconds to wait before coming back.
        time2wait: u16 = 40,
        /// Seconds for which tasks are kept.
        time2retain: u16 = 42,
    }
}

header! {
    /// Ready To Transfer (RFC 7143 §11.8).
    ReadyToTransfer = opcode::READY_TO_TRANSFER, fixed 0x80, {
        /// Logical unit.
        lun: u64 = 8,
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// The tag the data comes back with.
        transfer_tag: u32 = 20,
        /// The next status number; not used up.
        stat_sn: u32 = 24,
        /// The next command number we expect.
        exp_cmd_sn: u32 = 28,
        /// The last command number we take.
        max_cmd_sn: u32 = 32,
        /// Number of this PDU within the command.
        r2t_sn: u32 = 36,
        /// Where the wanted data starts in the command's buffer.
        buffer_offset: u32 = 40,
        /// How much is wanted.
        desired_bytes: u32 = 44,
    }
}

header! {
    /// Asynchronous Message (RFC 7143 §11.9).
    AsyncMessage = opcode::ASYNC_MESSAGE, fixed 0x80, {
        /// Logical unit, of a SCSI event.
        lun: u64 = 8,
        /// Always none.
        task_tag: u32 = 16,
        /// Status number.
        stat_sn: u32 = 24,
        /// The next command number we expect.
        exp_cmd_sn: u32 = 28,
        /// The last command number we take.
        max_cmd_sn: u32 = 32,
        /// What happened: 1 asks for a logout, 2 and 3 announce an end.
        event: u8 = 36,
        /// Vendor's code.
        vendor_code: u8 = 37,
        /// Connection, where the event has one.
        parameter1: u16 = 38,
        /// Seconds to wait before coming back.
        parameter2: u16 = 40,
        /// Seconds until something happens.
        parameter3: u16 = 42,
    }
}

header! {
    /// Reject (RFC 7143 §11.17).
    Reject = opcode::REJECT, fixed 0x80, {
        /// See `RejectReason`.
        reason: u8 = 2,
        /// Always none.
        task_tag: u32 = 16,
        /// Status number.
        stat_sn: u32 = 24,
        /// The next command number we expect.
        exp_cmd_sn: u32 = 28,
        /// The last command number we take.
        max_cmd_sn: u32 = 32,
        /// Next number of the data sequence, of a refused SNACK.
        data_sn: u32 = 36,
    }
}
