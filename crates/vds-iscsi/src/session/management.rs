//! Task management and logout: tasks end before they are said to have ended.

use super::command::Standing;
use super::{Effect, Session, TaskId, Violation};
use crate::pdu::{
    Frame, LogoutRequest, LogoutResponse, NO_TAG, TaskManagementRequest, TaskManagementResponse,
};
use crate::session::RejectReason;

/// A function the driver takes part in. ABORT TASK and what is refused need no driver.
///
/// Source: RFC 7143 §11.5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagementFunction {
    /// All tasks of this session on the logical unit.
    AbortTaskSet,
    /// All tasks of every session on the logical unit.
    ClearTaskSet,
    /// The same, and the unit returns to its defaults.
    LogicalUnitReset,
    /// The same for every logical unit of the target.
    TargetWarmReset,
    /// The same, after which every session ends.
    TargetColdReset,
}

/// A function in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagementId(u64);

/// The answer to a task management function.
///
/// Source: RFC 7143 §11.6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TaskResponse {
    /// Done.
    Complete = 0,
    /// There is no such task.
    TaskDoesNotExist = 1,
    /// There is no such logical unit.
    LunDoesNotExist = 2,
    /// Tasks cannot be taken over by another connection.
    ReassignmentNotSupported = 4,
    /// The function is none of ours.
    NotSupported = 5,
    /// Not now.
    Rejected = 255,
}

/// Which tasks end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortScope {
    /// Those on one logical unit, as on the wire.
    Lun(u64),
    /// All.
    All,
}

/// Something that waits until tasks are at rest.
#[derive(Debug)]
pub(super) struct PendingAbort {
    waiting: Vec<TaskId>,
    then: Then,
}

#[derive(Debug)]
enum Then {
    /// Answer a function, once the driver has said how it went.
    Respond { id: ManagementId, tag: u32, response: Option<TaskResponse> },
    /// Tell the driver, who asked.
    Tell(u64),
    /// Answer the logout and close.
    Logout { tag: u32 },
}

/// One address for one unit: flat space addressing of a number below 256 names the same unit as peripheral addressing
/// (SAM-5 §4.7.7).
fn canonical(lun: u64) -> u64 {
    if lun >> 56 == 0x40 { lun & 0x00ff_ffff_ffff_ffff } else { lun }
}

impl Session {
    pub(super) fn management(&mut self, frame: &Frame) -> Result<(), Violation> {
        let request = TaskManagementRequest::decode(&frame.bhs);
        if request.task_tag == NO_TAG {
            return Err(Violation::Tag);
        }
        if self.logging_out || self.aborts.len() >= self.limits.management_max {
            self.reject(frame, RejectReason::TooManyImmediate);
            return Ok(());
        }
        let (scope, function) = match request.function {
            1 => {
                self.abort_task(&request);
                return Ok(());
            }
            2 => (AbortScope::Lun(request.lun), ManagementFunction::AbortTaskSet),
            4 => (AbortScope::Lun(request.lun), ManagementFunction::ClearTaskSet),
            5 => (AbortScope::Lun(request.lun), ManagementFunction::LogicalUnitReset),
            6 => (AbortScope::All, ManagementFunction::TargetWarmReset),
            7 => (AbortScope::All, ManagementFunction::TargetColdReset),
            8 => {
                self.respond(request.task_tag, TaskResponse::ReassignmentNotSupported);
                return Ok(());
            }
            _ => {
                self.respond(request.task_tag, TaskResponse::NotSupported);
                return Ok(());
            }
        };
        let id = ManagementId(self.next_management);
        self.next_management += 1;
        let waiting = self.end_tasks(scope);
        let then = Then::Respond { id, tag: request.task_tag, response: None };
        self.aborts.push(PendingAbort { waiting, then });
        self.effects.push_back(Effect::Management(id, function, request.lun));
        Ok(())
    }

    fn abort_task(&mut self, request: &TaskManagementRequest) {
        let found = self.find(request.referenced_tag).filter(|task| {
            self.tasks[task.index()]
                .as_ref()
                .is_some_and(|slot| canonical(slot.lun) == canonical(request.lun))
        });
        let Some(task) = found else {
            self.respond(request.task_tag, TaskResponse::TaskDoesNotExist);
            return;
        };
        let waiting: Vec<TaskId> = self.end_task(task).into_iter().collect();
        let id = ManagementId(self.next_management);
        self.next_management += 1;
        let response = Some(TaskResponse::Complete);
        let then = Then::Respond { id, tag: request.task_tag, response };
        self.aborts.push(PendingAbort { waiting, then });
        self.settle();
    }

    /// The driver's part of a function is done, and went so. The answer goes out when this session's own tasks are at
    /// rest as well.
    pub fn management_done(&mut self, done: ManagementId, how: TaskResponse) {
        for abort in &mut self.aborts {
            if let Then::Respond { id, response, .. } = &mut abort.then
                && *id == done
            {
                *response = Some(how);
            }
        }
        self.settle();
    }

    /// Ends tasks for somebody else: another session's function, or a LUN that is gone. [`Effect::Aborted`] with this
    /// number tells when they are at rest. No answer to them is sent.
    pub fn abort(&mut self, scope: AbortScope, number: u64) {
        let waiting = self.end_tasks(scope);
        self.aborts.push(PendingAbort { waiting, then: Then::Tell(number) });
        self.settle();
    }

    pub(super) fn logout(&mut self, frame: &Frame) -> Result<(), Violation> {
        let request = LogoutRequest::decode(&frame.bhs);
        if request.task_tag == NO_TAG {
            return Err(Violation::Tag);
        }
        let refusal = match request.reason {
            0 => None,
            1 if request.cid == self.cid => None,
            1 => Some(1),
            _ => Some(2),
        };
        if let Some(response) = refusal {
            self.answer_logout(request.task_tag, response);
            return Ok(());
        }
        if self.logging_out {
            self.reject(frame, RejectReason::WaitingForLogout);
            return Ok(());
        }
        self.logging_out = true;
        let waiting = self.end_tasks(AbortScope::All);
        let then = Then::Logout { tag: request.task_tag };
        self.aborts.push(PendingAbort { waiting, then });
        self.settle();
        Ok(())
    }

    /// Ends every task in `scope` and returns those that the driver is still at.
    fn end_tasks(&mut self, scope: AbortScope) -> Vec<TaskId> {
        let mut waiting = Vec::new();
        for at in 0..self.tasks.len() {
            let Some(slot) = &self.tasks[at] else { continue };
            let meant = match scope {
                AbortScope::Lun(lun) => canonical(slot.lun) == canonical(lun),
                AbortScope::All => true,
            };
            if meant {
                let task = TaskId(u32::try_from(at).expect("slots are numbered in 32 bits"));
                waiting.extend(self.end_task(task));
            }
        }
        waiting
    }

    /// Ends a task; returned if the driver is still at it, and what it does may still reach the drives.
    fn end_task(&mut self, task: TaskId) -> Option<TaskId> {
        let slot = self.tasks[task.index()].as_mut().expect("a live task");
        match slot.standing() {
            Standing::Running => {
                slot.aborted = true;
                return Some(task);
            }
            Standing::Gathering => {
                self.release(task);
                self.effects.push_back(Effect::Dropped(task));
            }
            Standing::Held => {
                self.release(task);
            }
        }
        None
    }

    /// An aborted task came to rest.
    pub(super) fn task_ended(&mut self, task: TaskId) {
        for abort in &mut self.aborts {
            abort.waiting.retain(|waiting| *waiting != task);
        }
        self.settle();
    }

    /// Says what has become true.
    fn settle(&mut self) {
        let mut at = 0;
        while at < self.aborts.len() {
            let abort = &self.aborts[at];
            let undecided = matches!(abort.then, Then::Respond { response: None, .. });
            if !abort.waiting.is_empty() || undecided {
                at += 1;
                continue;
            }
            match self.aborts.remove(at).then {
                Then::Respond { tag, response, .. } => {
                    self.respond(tag, response.expect("decided, as was just checked"));
                }
                Then::Tell(number) => self.effects.push_back(Effect::Aborted(number)),
                Then::Logout { tag } => {
                    self.answer_logout(tag, 0);
                    self.effects.push_back(Effect::Close);
                }
            }
        }
    }

    fn respond(&mut self, task_tag: u32, response: TaskResponse) {
        let response = TaskManagementResponse {
            response: response as u8,
            task_tag,
            stat_sn: self.take_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
        };
        self.send(response.encode());
    }

    fn answer_logout(&mut self, task_tag: u32, response: u8) {
        let response = LogoutResponse {
            response,
            task_tag,
            stat_sn: self.take_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
            time2wait: self.parameters.time2wait_s,
            time2retain: self.parameters.time2retain_s,
        };
        self.send(response.encode());
    }
}
