//! What happens while the service lives: operations, faults, time.

use std::rc::Rc;
use std::time::Duration;

use vds_model::{DriveStatus, Health, LunId, LunStatus};
use vds_operation::{ObjectRef, OperationKind};
use vds_provider::{NewDrive, Request, View, Wipe};

use crate::coverage::KINDS;
use crate::fault::FaultKind;
use crate::ledger::Taint;
use crate::life::Life;
use crate::proof::fault_of;
use crate::tap::Cut;

/// After so long the array has noticed whatever befell a drive: the deadline of a request, and some.
const NOTICED_NS: u64 = 12_000_000_000;

impl Life {
    /// One thing happens.
    pub(crate) async fn event(self: &Rc<Self>) {
        self.adopt();
        self.absolve();
        self.grant();
        self.proof.step(1);
        let chance = &self.proof.chance;
        match chance.below(20) {
            0..=4 => self.start_one(),
            5..=9 => self.start_under_a_fault(),
            10 | 11 => self.start_before_a_cut(),
            12 | 13 => self.repair().await,
            14 => self.strike_somebody(6),
            15 => self.proof.calm(),
            16 => self.meddle(),
            17 => {
                let seconds = if chance.one_in(4) { 40 } else { chance.between(1, 10) };
                self.sleep(Duration::from_secs(seconds)).await;
            }
            _ => {}
        }
        self.sleep(Duration::from_micros(chance.below(6000))).await;
    }

    /// Asks for something in the background.
    fn ask(self: &Rc<Self>, request: Request) {
        let (life, id) = (Rc::clone(self), self.book(&request));
        let task = async move {
            life.ask_for(id, request).await;
        };
        self.world.spawn.spawn("proof asks", Box::pin(task));
    }

    /// A kind of operation; without LUNs there is little to prove.
    fn draw_kind(&self) -> OperationKind {
        let (chance, luns) = (&self.proof.chance, self.proof.ledger.borrow().luns.len());
        if luns < 2 && chance.one_in(2) {
            return OperationKind::CreateLun;
        }
        *chance.pick(&KINDS)
    }

    fn start_one(self: &Rc<Self>) {
        let kind = self.draw_kind();
        if let Some(request) = self.draw(kind) {
            self.ask(request);
        }
    }

    /// Makes what a kind of operation needs, or else what is needed to make that.
    fn start_a_maker(self: &Rc<Self>, kind: OperationKind) {
        let has_portals = !self.proof.ledger.borrow().portals.is_empty();
        let mut maker = maker_of(kind, has_portals);
        while let Some(kind) = maker {
            if let Some(request) = self.draw(kind) {
                return self.ask(request);
            }
            maker = maker_of(kind, has_portals);
        }
    }

    fn start_under_a_fault(self: &Rc<Self>) {
        let focused = !self.proof.chance.one_in(4);
        let (of_focus, fault) = self.proof.manner.focus;
        let kind = if focused { of_focus } else { self.draw_kind() };
        let Some(request) = self.draw(kind) else {
            // What there is to be removed next time.
            if focused {
                self.start_a_maker(kind);
            }
            return;
        };
        if let Request::AddDrive { drive, .. } = &request
            && self.proof.manner.faulty
            && self.proof.ledger.borrow().victim.is_none()
            && self.proof.chance.one_in(2)
        {
            self.proof.choose_victim(&drive.path);
        }
        if !focused {
            self.strike_somebody(4);
            return self.ask(request);
        }
        if !self.has_victim() {
            return self.ask(request);
        }
        let present = self.victim_is_present();
        if FaultKind::RULES.contains(&fault) && present {
            self.proof.strike(fault, 1);
            let companions = companions_of(kind, fault).iter().filter_map(|it| self.draw(*it));
            companions.for_each(|companion| self.ask(companion));
            // What is over at once meets little.
            let times = match kind {
                OperationKind::OpenArray => 8,
                OperationKind::Refresh => 24,
                _ => 1,
            };
            for _ in 0..times {
                self.ask(request.clone());
            }
        } else {
            self.ask(request);
            self.strike_soon();
        }
    }

    /// Lets something befall the victim while what was just asked for is under way.
    pub(crate) fn strike_soon(self: &Rc<Self>) {
        let chance = &self.proof.chance;
        if !self.proof.manner.faulty || self.proof.ledger.borrow().victim.is_none() {
            return;
        }
        let pause = Duration::from_micros(chance.below(*chance.pick(&[1, 30, 300, 3000])));
        let life = Rc::clone(self);
        let task = async move {
            life.sleep(pause).await;
            let path = life.proof.ledger.borrow().victim.as_ref().map(|it| it.path.clone());
            let Some(path) = path.filter(|_| !life.is_ending.get()) else { return };
            let here = life.proof.drive(&path).is_present();
            // Where a drive is to return amid something, it has to go first, and not for long.
            let (_, wanted) = life.proof.manner.focus;
            let returns = wanted == FaultKind::Return;
            let kinds =
                [FaultKind::Vanish, if returns { FaultKind::Vanish } else { FaultKind::Rot }];
            let kind = if here { *life.proof.chance.pick(&kinds) } else { FaultKind::Return };
            life.proof.strike(kind, 0);
            if kind == FaultKind::Vanish && (returns || life.proof.chance.one_in(2)) {
                let away = life.proof.chance.below(100);
                life.sleep(if returns { Duration::from_micros(away) } else { pause }).await;
                if !life.is_ending.get() && !life.proof.drive(&path).is_present() {
                    life.proof.strike(FaultKind::Return, 0);
                }
            }
        };
        self.world.spawn.spawn("proof strikes", Box::pin(task));
    }

    fn start_before_a_cut(self: &Rc<Self>) {
        let kind = self.draw_kind();
        let Some(request) = self.draw(kind) else { return };
        let moment = *self.proof.chance.pick(&crate::boundary::Moment::ALL);
        let mode = self.proof.draw_mode();
        let skip = self.proof.chance.below(*self.proof.chance.pick(&[4, 16, 40]));
        let cut = Cut { at: None, skip, moment, mode };
        self.proof.say(format!("{} is to come: {cut:?}", fault_of(mode).name()));
        self.proof.tap.arm(cut);
        self.ask(request);
    }

    /// A fault for the victim; if there is none, one is chosen where that breaks no precondition.
    fn strike_somebody(&self, skip_max: u64) {
        if self.has_victim() {
            let kind = self.draw_fault_kind();
            self.proof.strike(kind, skip_max);
        }
    }

    /// Whether there is a drive that may misbehave; one is chosen where that breaks no precondition.
    fn has_victim(&self) -> bool {
        if !self.proof.manner.faulty {
            return false;
        }
        if self.proof.ledger.borrow().victim.is_none() {
            let paths: Vec<String> = {
                let ledger = self.proof.ledger.borrow();
                if ledger.drives.len() < 2 {
                    return false;
                }
                ledger.drives.values().map(|drive| drive.path.clone()).collect()
            };
            let path = self.proof.chance.pick(&paths);
            self.proof.choose_victim(path);
        }
        true
    }

    fn victim_is_present(&self) -> bool {
        let path = self.proof.ledger.borrow().victim.as_ref().map(|it| it.path.clone());
        path.is_some_and(|path| self.proof.drive(&path).is_present())
    }

    /// A kind that can befall the victim as it is.
    pub(crate) fn draw_fault_kind(&self) -> FaultKind {
        if !self.victim_is_present() {
            return FaultKind::Return;
        }
        let kinds = [FaultKind::Vanish, FaultKind::Rot];
        let chance = &self.proof.chance;
        if chance.one_in(5) { *chance.pick(&kinds) } else { *chance.pick(&FaultKind::RULES) }
    }

    /// Cancels, pauses or lets go on some operation.
    fn meddle(&self) {
        let open: Vec<_> = {
            let ledger = self.proof.ledger.borrow();
            ledger.open().filter(|(_, it)| it.is_started).map(|(id, _)| id).collect()
        };
        if open.is_empty() {
            return;
        }
        let id = *self.proof.chance.pick(&open);
        let Some(operation) = self.embedded.find_operation(id) else { return };
        // Whether it can be paused at all is not the question here.
        match self.proof.chance.below(3) {
            0 => self.proof.say(format!("{id} cancel: {:?}", operation.request_cancel())),
            1 => self.proof.say(format!("{id} pause: {:?}", operation.pause())),
            _ => self.proof.say(format!("{id} resume: {:?}", operation.resume_work())),
        }
    }

    /// One drive at a time: the next one may misbehave as soon as nothing relies on this one being whole.
    pub(crate) fn absolve(&self) {
        let Some(victim) = self.proof.ledger.borrow().victim.clone() else { return };
        let drive = self.proof.drive(&victim.path);
        let joins = {
            let ledger = self.proof.ledger.borrow();
            let mut open = ledger.open();
            open.any(|(_, it)| {
                matches!(it.kind(), OperationKind::AddDrive | OperationKind::RemoveDrive)
            })
        };
        if joins {
            return;
        }
        let view = self.embedded.view();
        let is_member = self.proof.ledger.borrow().drives.values().any(|it| it.path == victim.path);
        if !is_member {
            // LUNs may have left it for homes that do not hold everything yet: another failure now would be a second one.
            if !self.all_whole(&view) {
                return;
            }
            drive.heal();
            drive.come_back();
            drive.wipe();
            self.proof.say(format!("{} is on the shelf again, wiped", victim.path));
            self.proof.ledger.borrow_mut().victim = None;
            return;
        }
        let calm = victim.rule.is_none() && drive.is_present() && drive.hung() == 0;
        // What befell it may not have been noticed yet.
        let noticed = self.proof.sim.now_ns() - victim.last_ns > NOTICED_NS;
        let shown = victim.id.and_then(|id| view.drive(id));
        // One that is used for its data alone is online and no member: another failure would be a second one.
        let well = shown.is_some_and(|it| {
            it.properties.status == DriveStatus::Online && it.properties.health == Health::Healthy
        });
        if !calm || !noticed || !well || victim.is_corrupt() || !self.all_whole(&view) {
            return;
        }
        self.proof.say(format!("{} is well again", victim.path));
        let mut ledger = self.proof.ledger.borrow_mut();
        ledger.victim = None;
        for lun in ledger.luns.values_mut().filter(|lun| lun.taint == Taint::Shaky) {
            lun.taint = Taint::Clean;
        }
        ledger.note_drives(&view);
    }

    /// Whether every LUN shows that it has all its copies.
    fn all_whole(&self, view: &View) -> bool {
        let ledger = self.proof.ledger.borrow();
        view.luns.iter().all(|lun| {
            let is_lossy =
                ledger.luns.get(&lun.properties.id).is_some_and(|it| it.taint == Taint::Lossy);
            let is_up = matches!(lun.properties.status, LunStatus::Online | LunStatus::Offline);
            is_lossy || (is_up && lun.properties.health == Health::Healthy)
        })
    }

    /// Does what an operator would do next about a drive that misbehaves.
    async fn repair(self: &Rc<Self>) {
        let Some(victim) = self.proof.ledger.borrow().victim.clone() else { return };
        let Some(id) = victim.id else { return };
        let view = self.embedded.view();
        let Some(shown) = view.drive(id).filter(|it| it.subsystem.is_some()) else { return };
        let busy = self.proof.ledger.borrow().open().any(|(_, it)| {
            matches!(
                it.kind(),
                OperationKind::AddDrive | OperationKind::RemoveDrive | OperationKind::FailDrive
            )
        });
        if busy {
            return;
        }
        let on_it: Vec<LunId> = shown.extents.iter().filter_map(|extent| extent.lun).collect();
        if let Some(request) = match shown.properties.status {
            DriveStatus::Online if victim.is_corrupt() => Some(Request::FailDrive { drive: id }),
            DriveStatus::Online => {
                self.proof.calm();
                let request = self.draw_recovery(&view);
                if request.is_none() {
                    self.sleep(Duration::from_nanos(NOTICED_NS)).await;
                }
                request
            }
            _ if !victim.is_corrupt() && self.proof.chance.one_in(2) => {
                self.proof.calm();
                match shown.properties.status {
                    DriveStatus::Removed => Some(Request::Reenumerate),
                    _ => self.add_drive(&victim.path, Wipe::No),
                }
            }
            _ if on_it.is_empty() => Some(Request::RemoveDrive { drive: id }),
            _ => self.leave_drive(&view, &on_it),
        } {
            self.ask(request);
        }
    }

    /// The next step to get LUNs off a drive that will not come back.
    fn leave_drive(self: &Rc<Self>, view: &View, on_it: &[LunId]) -> Option<Request> {
        let chance = &self.proof.chance;
        if chance.one_in(4)
            && let Some(request) = self.draw(OperationKind::AddDrive)
        {
            return Some(request);
        }
        let id = *chance.pick(on_it);
        let lun = view.lun(id)?;
        if lun.plexes.len() > 1 {
            let free = self.is_free(id, &[OperationKind::RecoverLun]);
            return free.then_some(Request::RecoverLun { lun: id });
        }
        self.is_free(id, &[OperationKind::DeleteLun]).then_some(Request::DeleteLun { lun: id })
    }

    fn draw_recovery(&self, view: &View) -> Option<Request> {
        let lacking: Vec<LunId> = view
            .luns
            .iter()
            .filter(|lun| lun.plexes.len() > 1 && lun.properties.health != Health::Healthy)
            .map(|lun| lun.properties.id)
            .filter(|id| self.is_free(*id, &[OperationKind::RecoverLun]))
            .collect();
        (!lacking.is_empty())
            .then(|| Request::RecoverLun { lun: *self.proof.chance.pick(&lacking) })
    }

    /// Whether nothing of these kinds is being done to a LUN.
    pub(crate) fn is_free(&self, lun: LunId, kinds: &[OperationKind]) -> bool {
        let ledger = self.proof.ledger.borrow();
        ledger.luns.contains_key(&lun)
            && !ledger.open().any(|(_, it)| {
                let on_it =
                    it.lun == Some(lun) || it.request.subject() == Some(ObjectRef::Lun(lun));
                (on_it && kinds.contains(&it.kind()))
                    || (it.ends() == Some(lun) && kinds.contains(&OperationKind::DeleteLun))
            })
    }

    pub(crate) fn add_drive(&self, path: &str, wipe: Wipe) -> Option<Request> {
        let subsystem = self.proof.ledger.borrow().array?;
        let drive = NewDrive { path: path.to_owned(), wipe };
        Some(Request::AddDrive { subsystem, drive })
    }
}

/// The kind of operation that makes what this one works on or takes away.
fn maker_of(kind: OperationKind, has_portals: bool) -> Option<OperationKind> {
    match kind {
        OperationKind::RemovePortal => Some(OperationKind::AddPortal),
        OperationKind::AddToPortalGroup if !has_portals => Some(OperationKind::AddPortal),
        OperationKind::CreatePortalGroup | OperationKind::DeleteTarget => {
            Some(OperationKind::CreateTarget)
        }
        OperationKind::RemoveFromPortalGroup => Some(OperationKind::AddToPortalGroup),
        OperationKind::AddToPortalGroup | OperationKind::DeletePortalGroup => {
            Some(OperationKind::CreatePortalGroup)
        }
        OperationKind::RemoveDrive => Some(OperationKind::AddDrive),
        OperationKind::RemovePlex => Some(OperationKind::AddPlex),
        _ => None,
    }
}

/// What is asked for beside a kind of operation, so that the drives get requests meanwhile which the fault can befall.
fn companions_of(kind: OperationKind, fault: FaultKind) -> &'static [OperationKind] {
    match (kind, fault) {
        // An open array is opened as soon as nobody looks for drives, and writes nothing for that.
        (OperationKind::OpenArray, FaultKind::ReadError) => {
            &[OperationKind::Refresh, OperationKind::Scrub]
        }
        (OperationKind::OpenArray, _) => &[OperationKind::Refresh, OperationKind::AddPortal],
        (
            OperationKind::DeleteTarget
            | OperationKind::RemovePortal
            | OperationKind::DeletePortalGroup
            | OperationKind::AddToPortalGroup
            | OperationKind::RemoveFromPortalGroup
            | OperationKind::RemoveDrive,
            FaultKind::ReadError,
        ) => &[OperationKind::Scrub],
        _ => &[],
    }
}
