//! What an initiator sends.

use super::{Bhs, Field, header, opcode};

header! {
    /// NOP-Out (RFC 7143 §11.18).
    NopOut = opcode::NOP_OUT, fixed 0x80, {
        /// Logical unit, of an answer to a ping of ours.
        lun: u64 = 8,
        /// Initiator task tag; none for an answer.
        task_tag: u32 = 16,
        /// The tag of our ping that this answers, or none.
        transfer_tag: u32 = 20,
        /// Command sequence number.
        cmd_sn: u32 = 24,
        /// The next status number the initiator expects.
        exp_stat_sn: u32 = 28,
    }
}

header! {
    /// SCSI Command (RFC 7143 §11.3).
    ScsiCommand = opcode::SCSI_COMMAND, fixed 0x00,
    byte1
        /// [`FINAL`](super::FINAL), [`ScsiCommand::READ`], [`ScsiCommand::WRITE`] and the task attribute.
        flags mask 0xff,
    {
        /// Logical unit.
        lun: u64 = 8,
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// Bytes the initiator expects to move.
        expected_bytes: u32 = 20,
        /// Command sequence number.
        cmd_sn: u32 = 24,
        /// The next status number the initiator expects.
        exp_stat_sn: u32 = 28,
        /// The command descriptor block's first 16 bytes.
        cdb: [u8; 16] = 32,
    }
}

impl ScsiCommand {
    /// Flag: the command reads.
    pub const READ: u8 = 0x40;
    /// Flag: the command writes.
    pub const WRITE: u8 = 0x20;
    /// Mask of the task attribute.
    pub const ATTRIBUTE: u8 = 0x07;
}

header! {
    /// Task Management Function Request (RFC 7143 §11.5).
    TaskManagementRequest = opcode::TASK_MANAGEMENT, fixed 0x80,
    byte1
        /// The function's number.
        function mask 0x7f,
    {
        /// Logical unit.
        lun: u64 = 8,
        /// Initiator task tag of this request.
        task_tag: u32 = 16,
        /// The task to be aborted.
        referenced_tag: u32 = 20,
        /// Command sequence number.
        cmd_sn: u32 = 24,
        /// The next status number the initiator expects.
        exp_stat_sn: u32 = 28,
        /// `CmdSN` of the task to be aborted.
        ref_cmd_sn: u32 = 32,
        /// Data number, of a reassignment.
        exp_data_sn: u32 = 36,
    }
}

header! {
    /// Login Request (RFC 7143 §11.12).
    LoginRequest = opcode::LOGIN, fixed 0x00,
    byte1
        /// [`FINAL`](super::FINAL) here means transit; then [`CONTINUE`](super::CONTINUE), current stage in bits 2–3, next in bits 0–1.
        flags mask 0xcf,
    {
        /// Highest version the initiator speaks.
        version_max: u8 = 2,
        /// Lowest version the initiator speaks.
        version_min: u8 = 3,
        /// Initiator's part of the session's identity.
        isid: [u8; 6] = 8,
        /// Our part of it, zero for a new session.
        tsih: u16 = 14,
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// Connection within the session.
        cid: u16 = 20,
        /// Command sequence number.
        cmd_sn: u32 = 24,
        /// The next status number the initiator expects.
        exp_stat_sn: u32 = 28,
    }
}

header! {
    /// Text Request (RFC 7143 §11.10).
    TextRequest = opcode::TEXT, fixed 0x00,
    byte1
        /// [`FINAL`](super::FINAL) and [`CONTINUE`](super::CONTINUE).
        flags mask 0xc0,
    {
        /// Logical unit, copied from our answer when one goes on.
        lun: u64 = 8,
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// Our tag when an exchange goes on, or none.
        transfer_tag: u32 = 20,
        /// Command sequence number.
        cmd_sn: u32 = 24,
        /// The next status number the initiator expects.
        exp_stat_sn: u32 = 28,
    }
}

header! {
    /// SCSI Data-Out (RFC 7143 §11.7).
    DataOut = opcode::DATA_OUT, fixed 0x00,
    byte1
        /// [`FINAL`](super::FINAL): the last of its sequence.
        flags mask 0x80,
    {
        /// Logical unit, of solicited data.
        lun: u64 = 8,
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// The tag of our ready-to-transfer, or none for unsolicited data.
        transfer_tag: u32 = 20,
        /// The next status number the initiator expects.
        exp_stat_sn: u32 = 28,
        /// Number of the PDU in its sequence.
        data_sn: u32 = 36,
        /// The data's place in the command's buffer.
        buffer_offset: u32 = 40,
    }
}

header! {
    /// Logout Request (RFC 7143 §11.14).
    LogoutRequest = opcode::LOGOUT, fixed 0x80,
    byte1
        /// 0 close the session, 1 close the connection, 2 remove it for recovery.
        reason mask 0x7f,
    {
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// The connection to be closed.
        cid: u16 = 20,
        /// Command sequence number.
        cmd_sn: u32 = 24,
        /// The next status number the initiator expects.
        exp_stat_sn: u32 = 28,
    }
}

header! {
    /// SNACK Request (RFC 7143 §11.16).
    SnackRequest = opcode::SNACK, fixed 0x80,
    byte1
        /// What is asked for again.
        kind mask 0x0f,
    {
        /// Logical unit.
        lun: u64 = 8,
        /// Initiator task tag.
        task_tag: u32 = 16,
        /// Target transfer tag or SNACK tag.
        transfer_tag: u32 = 20,
        /// The next status number the initiator expects.
        exp_stat_sn: u32 = 28,
        /// First number asked for.
        begin: u32 = 40,
        /// How many, zero for all from `begin`.
        run_length: u32 = 44,
    }
}
