//! Commands on their way through the device server to the LUN and back, and task management beyond the session.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use vds_iscsi::session::{
    AbortScope, Command, Completion, Effect, ManagementFunction, ManagementId, TaskId, TaskResponse,
};
use vds_scsi::{Action, Response, unknown_lun};

use super::full_feature::{End, FullFeature};
use crate::action::{Outcome, Running};
use crate::outgoing::DataIn;
use crate::server::{Message, Peer, Scope};
use crate::unit::Unit;

/// A task between the device server and the LUN.
pub(super) struct Slot {
    unit: Rc<Unit>,
    action: Action,
    transfer_bytes: u64,
    /// What it counts for in the bytes being read.
    reading_bytes: usize,
}

impl FullFeature {
    /// Does everything the session asks for.
    pub(super) fn take_effects(&mut self, context: &mut Context<'_>) {
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Command(command) => self.command(command, context),
                Effect::Data(task, data) => self.data_arrived(task, data, context),
                other => self.apply(other),
            }
        }
    }

    /// Does what begins no work on a LUN.
    pub(super) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Send(pdu) => self.out.push(pdu),
            Effect::Reply(reply) => self.out.push_reply(reply, &DataIn::Nothing),
            Effect::Dropped(task) => self.slots[task.index()] = None,
            Effect::Management(id, function, lun) => self.management(id, function, lun),
            Effect::Aborted(number) => drop(self.barriers.remove(&number)),
            Effect::SendTargets(which) => {
                let own =
                    which.map(|name| if name.is_empty() { self.target.clone() } else { name });
                let found = self.shared.discovered(&self.initiator, own.as_deref(), self.local);
                self.session.targets(&found);
            }
            Effect::Close => self.ending = Some(End::LoggedOut),
            Effect::Command(_) | Effect::Data(..) => {
                unreachable!("only PDUs of the initiator make these, and take_effects does them")
            }
        }
    }

    fn command(&mut self, command: Command, context: &mut Context<'_>) {
        let count = &self.peer.counters.commands;
        count.set(count.get() + 1);
        let Some(unit) = self.luns.find(command.lun).cloned() else {
            let response = unknown_lun(&command.cdb, self.luns.numbers());
            let transfer_bytes = response.data_in.len() as u64;
            self.respond(command.task, response, transfer_bytes);
            return;
        };
        unit.follow_shape();
        let scsi = vds_scsi::Command {
            nexus: self.luns.nexus(),
            cdb: &command.cdb,
            data_out_bytes: command.data_out_bytes.into(),
            luns: self.luns.numbers(),
        };
        let task = unit.server.borrow_mut().handle(&scsi);
        if task.lists_luns {
            self.luns.listed();
        }
        let needed = task.action.data_out_bytes(unit.sector_bytes());
        let slot = Slot {
            unit,
            action: task.action,
            transfer_bytes: task.transfer_bytes,
            reading_bytes: 0,
        };
        if needed == 0 {
            self.proceed(command.task, slot, Bytes::new(), context);
        } else if let Some(data) = self.session.want(command.task, needed) {
            self.proceed(command.task, slot, data, context);
        } else {
            self.slots[command.task.index()] = Some(slot);
        }
    }

    fn data_arrived(&mut self, task: TaskId, data: Bytes, context: &mut Context<'_>) {
        let slot = self.slots[task.index()].take().expect("it waited for this data");
        // Masked away meanwhile: what was not begun is not begun any more.
        if !self.luns.units().iter().any(|unit| Rc::ptr_eq(unit, &slot.unit)) {
            let response = unknown_lun(&[0; 6], self.luns.numbers());
            self.respond(task, response, slot.transfer_bytes);
            return;
        }
        self.proceed(task, slot, data, context);
    }

    /// The data-out is here: carry the action out.
    fn proceed(&mut self, task: TaskId, mut slot: Slot, data: Bytes, context: &mut Context<'_>) {
        if let Action::Collect(list) = &slot.action {
            let mut server = slot.unit.server.borrow_mut();
            let action = server.data_out_arrived(self.luns.nexus(), list, &data);
            drop(server);
            slot.action = action;
        }
        if let Action::Respond(response) = slot.action {
            self.respond(task, response, slot.transfer_bytes);
            return;
        }
        let mut running = Running::begin(task, slot.unit.io(), &slot.action, data);
        if let Action::Read { range, .. } = &slot.action {
            slot.reading_bytes = usize::try_from(range.len_bytes).unwrap_or(usize::MAX);
            self.reading_bytes = self.reading_bytes.saturating_add(slot.reading_bytes);
        }
        self.slots[task.index()] = Some(slot);
        // At once, and not when its turn comes: what is submitted first is ordered first.
        match Pin::new(&mut running).poll(context) {
            Poll::Ready((task, outcome)) => self.finish(task, outcome),
            Poll::Pending => self.running.push(running),
        }
    }

    /// The LUN is done with the task.
    pub(super) fn finish(&mut self, task: TaskId, outcome: Outcome) {
        let slot = self.slots[task.index()].take().expect("its action was under way");
        self.reading_bytes = self.reading_bytes.saturating_sub(slot.reading_bytes);
        let mut server = slot.unit.server.borrow_mut();
        let nexus = self.luns.nexus();
        let (response, data) = match outcome {
            Ok(data) => {
                let response = server.complete(nexus, &slot.action, Ok(()));
                (response, DataIn::Read(data))
            }
            Err(fault) => (server.complete(nexus, &slot.action, Err(fault)), DataIn::Nothing),
        };
        drop(server);
        self.answer(task, response, &data, slot.transfer_bytes);
    }

    /// Answers with what the device server says.
    fn respond(&mut self, task: TaskId, mut response: Response, transfer_bytes: u64) {
        let made = std::mem::take(&mut response.data_in);
        let data = if made.is_empty() { DataIn::Nothing } else { DataIn::Made(made.into()) };
        self.answer(task, response, &data, transfer_bytes);
    }

    fn answer(&mut self, task: TaskId, response: Response, data: &DataIn, transfer_bytes: u64) {
        let completion = Completion {
            status: response.status as u8,
            sense: response.sense,
            data_in_bytes: data.len() as u64,
            transfer_bytes,
        };
        if let Some(reply) = self.session.complete(task, completion) {
            self.out.push_reply(reply, data);
        }
    }

    pub(super) fn message(&mut self, message: Message) {
        match message {
            Message::Refresh => self.refresh(),
            Message::RequestLogout(seconds) => self.session.request_logout(seconds),
            Message::Abort { scope, reset, barrier } => {
                let (scopes, units) = match scope {
                    Scope::Unit(unit) => {
                        let addresses = self.luns.addresses_of(&unit);
                        (addresses.into_iter().map(AbortScope::Lun).collect(), Vec::new())
                    }
                    Scope::Target => (vec![AbortScope::All], self.luns.units().to_vec()),
                };
                for unit in units.iter().filter(|_| reset) {
                    unit.server.borrow_mut().reset();
                }
                for scope in scopes {
                    self.next_barrier += 1;
                    self.barriers.insert(self.next_barrier, barrier.clone());
                    self.session.abort(scope, self.next_barrier);
                }
            }
            Message::AbortedElsewhere(id) => {
                self.session.management_done(id, TaskResponse::Complete);
                if self.closes_after_reset {
                    self.ending = Some(End::Closed);
                }
            }
            Message::Close => self.ending = Some(End::Closed),
        }
    }

    /// Looks whether the session may still be, and which LUNs it has.
    pub(super) fn refresh(&mut self) {
        if self.target.is_empty() {
            return;
        }
        let directory = &self.shared.directory;
        let reachable = directory.target(&self.target).is_some_and(|info| {
            // Through another group it would be another session.
            let own = info.portal_groups.iter().find(|group| group.tag == self.portal_group_tag);
            own.is_some_and(|group| group.portals.contains(&self.peer.portal))
        });
        // A session for which something else would have to be proved today has proved nothing; one for which nothing need be
        // proved any more goes on.
        let access = directory.access(&self.target, &self.initiator);
        let admitted =
            access.is_some_and(|chap| !chap.is_required() || chap.accepted == self.accepted);
        if reachable && admitted {
            let luns = directory.luns(&self.target, &self.initiator);
            self.luns.replace(&self.shared.units, &luns);
        } else {
            self.ending = Some(End::Closed);
        }
    }

    fn management(&mut self, id: ManagementId, function: ManagementFunction, lun: u64) {
        let target_wide = matches!(
            function,
            ManagementFunction::TargetWarmReset | ManagementFunction::TargetColdReset
        );
        let unit = self.luns.find(lun).cloned();
        let scope = match unit {
            _ if target_wide => Scope::Target,
            None => return self.session.management_done(id, TaskResponse::LunDoesNotExist),
            Some(_) if function == ManagementFunction::AbortTaskSet => {
                return self.session.management_done(id, TaskResponse::Complete);
            }
            Some(unit) => Scope::Unit(unit),
        };
        let reset = function != ManagementFunction::ClearTaskSet;
        // This session's own tasks are ended already; its device servers are not.
        match &scope {
            Scope::Unit(unit) if reset => unit.server.borrow_mut().reset(),
            Scope::Unit(_) => {}
            Scope::Target => {
                for unit in self.luns.units() {
                    unit.server.borrow_mut().reset();
                }
            }
        }
        let barrier = self.peer.barrier(id);
        let own = self.peer.id;
        let others = |peer: &Peer| peer.id != own && (!target_wide || peer.is_with(&self.target));
        self.shared.registry.tell(others, || Message::Abort {
            scope: scope.clone(),
            reset: reset && target_wide,
            barrier: barrier.clone(),
        });
        if function == ManagementFunction::TargetColdReset {
            // After their tasks have ended: messages are read in order. This session ends once it has answered.
            self.shared.registry.tell(others, || Message::Close);
            self.closes_after_reset = true;
        }
    }
}
