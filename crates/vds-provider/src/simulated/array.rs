//! The simulated array: honest, in memory, and just large enough to be a provider.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use vds_model::{
    Bytes, DriveExtent, DriveId, HResult, IscsiName, LunId, LunType, OperationId, PlexExtent,
    PlexId, PlexType, PortalId, PortalProperties, PortalStatus, ProviderFlags, ProviderId,
    ProviderProperties, ProviderType, RebuildPriority, StripeSizes, SubsystemId, TargetId,
    TargetProperties,
};
use vds_operation::{Fingerprint, ObjectRef, OperationKind, Output};

use super::object::{drive_view, lun_view, plex_view, subsystem_view};
use crate::view::sum;
use crate::{
    CreateLun, DriveView, LunView, MaxSizeQuery, Plan, PlannedDrive, PlannedLayout, PlexView,
    PortalView, Refusal, Request, TargetChoice, TargetLun, TargetView, View, changed_mask,
};

/// What it allots space in.
const GRAIN_BYTES: u64 = 1 << 20;

/// Space of some drives, per plex.
type Allotted = Vec<Vec<(DriveId, u64)>>;

#[derive(Clone)]
pub(crate) struct Array {
    pub(crate) view: View,
    made: u64,
}

impl Array {
    pub(crate) fn new(provider: ProviderId, drive_bytes: &[u64]) -> Self {
        let properties = ProviderProperties {
            id: provider,
            name: "simulated".to_owned(),
            version_id: [1; 16],
            version: "1".to_owned(),
            provider_type: ProviderType::Hardware,
            flags: ProviderFlags::empty(),
            stripe_sizes: StripeSizes::empty(),
            rebuild_priority: RebuildPriority::LOWEST,
        };
        let mut array = Self { view: View::empty(properties), made: 0 };
        let subsystem = SubsystemId::from_bytes(array.new_id());
        array.view.subsystems.push(subsystem_view(subsystem));
        for size_bytes in drive_bytes {
            let id = DriveId::from_bytes(array.new_id());
            let slot = u16::try_from(array.view.drives.len()).unwrap_or(u16::MAX);
            array.view.drives.push(drive_view(subsystem, id, slot, *size_bytes));
        }
        array.changed();
        array
    }

    pub(crate) fn subsystem(&self) -> SubsystemId {
        self.view.subsystems[0].properties.id
    }

    /// A new id: the provider's own and a count, mixed. The same run makes the same ids.
    pub(crate) fn new_id(&mut self) -> [u8; 16] {
        self.made += 1;
        let mut seed = self.view.provider.id.to_bytes().to_vec();
        seed.extend_from_slice(&self.made.to_le_bytes());
        let mut bytes = Fingerprint::new(OperationKind::ProviderWork, &seed).to_bytes();
        bytes[6] = (bytes[6] & 0x0F) | 0x80;
        bytes[8] = (bytes[8] & 0x3F) | 0x80;
        bytes
    }

    /// Brings what follows from the LUNs in line with them: free space, generation.
    pub(crate) fn changed(&mut self) {
        let view = &mut self.view;
        view.generation += 1;
        let mut used: BTreeMap<(DriveId, LunId), u64> = BTreeMap::new();
        for extent in view.luns.iter().flat_map(|lun| &lun.plexes).flat_map(|plex| &plex.extents) {
            *used.entry((extent.drive, extent.lun)).or_default() += extent.size.0;
        }
        for drive in &mut view.drives {
            let id = drive.properties.id;
            let of_drive = used.iter().filter(|((drive, _), _)| *drive == id);
            drive.extents = of_drive
                .map(|((drive, lun), bytes)| DriveExtent {
                    drive: *drive,
                    lun: Some(*lun),
                    size: Bytes(*bytes),
                    is_used: true,
                })
                .collect();
            let used_bytes = sum(drive.extents.iter().map(|extent| extent.size));
            let free = Bytes(drive.properties.size.0.saturating_sub(used_bytes));
            drive.extents.push(DriveExtent { drive: id, lun: None, size: free, is_used: false });
        }
        let raw_bytes = sum(view.drives.iter().map(|drive| drive.properties.size));
        let free_bytes = view.drives.iter().map(DriveView::free_bytes).sum();
        for subsystem in &mut view.subsystems {
            subsystem.raw_bytes = raw_bytes;
            subsystem.free_bytes = free_bytes;
        }
        let objects: std::collections::BTreeSet<ObjectRef> = view.objects().collect();
        view.made_by.retain(|object, _| objects.contains(object));
    }

    fn candidates(&self, drives: Option<&Vec<DriveId>>) -> Result<Vec<(DriveId, u64)>, Refusal> {
        let free = |drive: &DriveView| {
            (drive.properties.id, drive.free_bytes() / GRAIN_BYTES * GRAIN_BYTES)
        };
        let Some(drives) = drives else {
            return Ok(self.view.drives.iter().map(free).collect());
        };
        drives
            .iter()
            .map(|id| {
                self.view.drive(*id).map(free).ok_or_else(|| not_found(ObjectRef::Drive(*id)))
            })
            .collect()
    }

    fn layout(
        &self,
        lun_type: LunType,
        copies: Option<u16>,
        listed: usize,
    ) -> Result<PlannedLayout, Refusal> {
        let (concrete, reason) = match lun_type {
            LunType::Default | LunType::NonFaultTolerant => {
                (LunType::Simple, "one drive is enough")
            }
            LunType::FaultTolerant => (LunType::Mirror, "a mirror survives the loss of a drive"),
            LunType::Simple | LunType::Span | LunType::Stripe | LunType::Mirror => {
                (lun_type, "the caller named it")
            }
            other => {
                let message = format!("LUNs of type {other} are not offered");
                return Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message));
            }
        };
        let listed = u16::try_from(listed).unwrap_or(u16::MAX);
        let (columns, copies) = match concrete {
            LunType::Mirror => (1, copies.unwrap_or(if listed == 0 { 2 } else { listed })),
            LunType::Stripe if listed > 0 => (listed, 1),
            LunType::Stripe => (u16::try_from(self.view.drives.len()).unwrap_or(u16::MAX), 1),
            _ => (1, 1),
        };
        Ok(PlannedLayout { lun_type: concrete, columns, copies, reason: reason.to_owned() })
    }

    fn allot(&self, create: &CreateLun) -> Result<(PlannedLayout, u64, Allotted), Refusal> {
        if create.subsystem != self.subsystem() {
            return Err(not_found(ObjectRef::Subsystem(create.subsystem)));
        }
        let listed = create.drives.as_ref().map_or(0, Vec::len);
        let layout = self.layout(create.lun_type, create.copies, listed)?;
        let free = self.candidates(create.drives.as_ref())?;
        let size_bytes = create.size_bytes.checked_next_multiple_of(GRAIN_BYTES);
        let size_bytes = size_bytes.ok_or_else(|| no_space(create.size_bytes, &free))?;
        let allotted = match layout.lun_type {
            LunType::Mirror => allot_mirror(&free, usize::from(layout.copies), size_bytes)?,
            LunType::Stripe => vec![allot_stripe(&free, usize::from(layout.columns), size_bytes)?],
            LunType::Span => vec![allot_span(&free, size_bytes)?],
            _ => {
                let fits = free.iter().find(|(_, free_bytes)| *free_bytes >= size_bytes);
                let (drive, _) = fits.ok_or_else(|| no_space(size_bytes, &free))?;
                vec![vec![(*drive, size_bytes)]]
            }
        };
        Ok((layout, size_bytes, allotted))
    }

    pub(crate) fn plan(&self, request: &Request) -> Result<Plan, Refusal> {
        request.check()?;
        let generation = self.view.generation;
        if let Request::CreateLun(create) = request {
            let (layout, usable_bytes, allotted) = self.allot(create)?;
            let drives: Vec<PlannedDrive> = allotted
                .iter()
                .flatten()
                .map(|(drive, bytes)| PlannedDrive { drive: *drive, reserved_bytes: *bytes })
                .collect();
            let raw_bytes = drives.iter().map(|drive| drive.reserved_bytes).sum();
            let summary = format!("a {} LUN of {}", layout.lun_type, Bytes(usable_bytes));
            let is_safe = layout.lun_type == LunType::Mirror;
            let risk = "the loss of any of its drives loses data".to_owned();
            let risks = if is_safe { Vec::new() } else { vec![risk] };
            let layout = Some(layout);
            return Ok(Plan {
                summary,
                layout,
                drives,
                usable_bytes,
                raw_bytes,
                risks,
                generation,
            });
        }
        // Everything else is small: doing it on a copy shows whether it can be done.
        self.clone().apply(request, OperationId::nil())?;
        let summary = request.kind().code().replace('_', " ");
        Ok(Plan { summary, generation, ..Plan::default() })
    }

    pub(crate) fn max_size(&self, query: &MaxSizeQuery) -> Result<u64, Refusal> {
        query.check()?;
        let listed = query.drives.as_ref().map_or(0, Vec::len);
        let layout = self.layout(query.lun_type, query.copies, listed)?;
        let mut free: Vec<u64> =
            self.candidates(query.drives.as_ref())?.into_iter().map(|(_, bytes)| bytes).collect();
        free.sort_unstable_by(|a, b| b.cmp(a));
        let at =
            |members: u16| free.get(usize::from(members).saturating_sub(1)).copied().unwrap_or(0);
        Ok(match layout.lun_type {
            LunType::Mirror => at(layout.copies),
            LunType::Stripe => at(layout.columns).saturating_mul(u64::from(layout.columns)),
            LunType::Span => free.iter().sum(),
            _ => at(1),
        })
    }

    /// Does the work, whole or not at all.
    pub(crate) fn apply(
        &mut self,
        request: &Request,
        operation: OperationId,
    ) -> Result<Output, Refusal> {
        let mut changed = self.clone();
        let output = changed.change(request, operation)?;
        changed.changed();
        *self = changed;
        Ok(output)
    }

    fn lun_mut(&mut self, id: LunId) -> Result<&mut LunView, Refusal> {
        let lun = self.view.luns.iter_mut().find(|lun| lun.properties.id == id);
        lun.ok_or_else(|| not_found(ObjectRef::Lun(id)))
    }

    fn target_mut(&mut self, id: TargetId) -> Result<&mut TargetView, Refusal> {
        let target = self.view.targets.iter_mut().find(|target| target.properties.id == id);
        target.ok_or_else(|| not_found(ObjectRef::Target(id)))
    }

    fn change(&mut self, request: &Request, operation: OperationId) -> Result<Output, Refusal> {
        let output = Output::Done(request.kind().output_type());
        match request {
            Request::CreateLun(create) => return self.create_lun(create, operation),
            Request::DeleteLun { lun } => {
                self.lun_mut(*lun)?;
                self.view.luns.retain(|entry| entry.properties.id != *lun);
                for target in &mut self.view.targets {
                    target.luns.retain(|entry| entry.lun != *lun);
                }
            }
            Request::ExtendLun { lun, by_bytes, drives } => {
                self.extend(*lun, *by_bytes, drives.as_ref())?;
            }
            Request::RecoverLun { lun } => {
                if self.lun_mut(*lun)?.plexes.len() < 2 {
                    let message = format!("LUN {lun} has one plex");
                    return Err(Refusal::new(HResult::VDSX_E_NOT_REDUNDANT, message));
                }
            }
            Request::ChangeLunMask { lun, add, remove } => {
                let list = &mut self.lun_mut(*lun)?.properties.unmasking_list;
                *list = changed_mask(list, add, remove)?;
            }
            Request::SetLunMask { lun, unmasking_list } => {
                self.lun_mut(*lun)?.properties.unmasking_list = unmasking_list.clone();
            }
            Request::SetLunName { lun, name } => {
                self.lun_mut(*lun)?.properties.friendly_name.clone_from(name);
            }
            Request::SetLunStatus { lun, status } => {
                self.lun_mut(*lun)?.properties.status = *status;
            }
            Request::SetLunCaching { lun, caching } => self.lun_mut(*lun)?.caching = *caching,
            Request::ApplyLunHints { lun, hints } => self.lun_mut(*lun)?.hints = *hints,
            Request::CreateTarget { iqn, name, .. } => {
                let id =
                    self.create_target(Some(iqn).filter(|iqn| !iqn.is_empty()), name, operation)?;
                return Ok(Output::CreateTarget(id));
            }
            Request::DeleteTarget { target } => {
                self.target_mut(*target)?;
                self.view.targets.retain(|entry| entry.properties.id != *target);
            }
            Request::SetTargetChap { target, chap } => {
                let target = self.target_mut(*target)?;
                target.properties.is_chap_enabled = chap.is_some();
                target.has_common_secret = chap.is_some();
                target.is_chap_mutual = chap.as_ref().is_some_and(|chap| chap.target.is_some());
                target.chap_user =
                    chap.as_ref().map_or_else(String::new, |chap| chap.initiator.user.clone());
            }
            Request::SetTargetName { target, name } => {
                self.target_mut(*target)?.properties.friendly_name.clone_from(name);
            }
            Request::SetLunTarget { lun, target } => self.set_lun_target(*lun, *target)?,
            Request::AddPortal { listen, announce, .. } => {
                return Ok(Output::AddPortal(self.add_portal(*listen, *announce, operation)));
            }
            Request::RemovePortal { portal } => {
                self.view.portal(*portal).ok_or_else(|| not_found(ObjectRef::Portal(*portal)))?;
                self.view.portals.retain(|entry| entry.properties.id != *portal);
            }
            Request::Refresh | Request::Reenumerate => {}
            other => {
                let message = format!("the simulated array does not {}", other.kind().code());
                return Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message));
            }
        }
        Ok(output)
    }

    fn set_lun_target(&mut self, lun: LunId, target: Option<TargetId>) -> Result<(), Refusal> {
        self.lun_mut(lun)?;
        if let Some(target) = target {
            self.target_mut(target)?;
        }
        for entry in &mut self.view.targets {
            entry.luns.retain(|it| it.lun != lun);
            if Some(entry.properties.id) == target {
                let is_free = |number: &u16| entry.luns.iter().all(|it| it.number != *number);
                let number = (0..=u16::MAX).find(is_free).expect("not every number is used");
                entry.luns.push(TargetLun { lun, number });
            }
        }
        Ok(())
    }

    fn add_portal(
        &mut self,
        listen: SocketAddr,
        announce: Option<SocketAddr>,
        operation: OperationId,
    ) -> PortalId {
        let id = PortalId::from_bytes(self.new_id());
        let properties =
            PortalProperties { id, address: listen.into(), status: PortalStatus::Online };
        let announced = announce.map(Into::into);
        let subsystem = self.subsystem();
        self.view.portals.push(PortalView { subsystem, properties, announced });
        self.view.made_by.insert(ObjectRef::Portal(id), operation);
        id
    }

    fn create_lun(
        &mut self,
        create: &CreateLun,
        operation: OperationId,
    ) -> Result<Output, Refusal> {
        let (layout, size_bytes, allotted) = self.allot(create)?;
        let id = LunId::from_bytes(self.new_id());
        let plex_type = PlexType::of_lun_type(layout.lun_type).unwrap_or(PlexType::Simple);
        let plexes: Vec<PlexView> = allotted
            .into_iter()
            .map(|extents| {
                let plex = PlexId::from_bytes(self.new_id());
                plex_view(id, plex, plex_type, size_bytes, extents)
            })
            .collect();
        match &create.target {
            TargetChoice::None => {}
            TargetChoice::New => {
                let target = self.create_target(None, "", operation)?;
                self.attach(target, id)?;
            }
            TargetChoice::Named(iqn) => {
                let target = self.create_target(Some(iqn), "", operation)?;
                self.attach(target, id)?;
            }
            TargetChoice::Existing(target) => self.attach(*target, id)?,
        }
        let lun = lun_view(self.subsystem(), id, layout.lun_type, size_bytes, create, plexes);
        self.view.luns.push(lun);
        self.view.made_by.insert(ObjectRef::Lun(id), operation);
        Ok(Output::CreateLun(id))
    }

    fn attach(&mut self, target: TargetId, lun: LunId) -> Result<(), Refusal> {
        let target = self.target_mut(target)?;
        let number = target.luns.iter().map(|entry| entry.number + 1).max().unwrap_or(0);
        target.luns.push(TargetLun { lun, number });
        Ok(())
    }

    fn create_target(
        &mut self,
        iqn: Option<&String>,
        name: &str,
        operation: OperationId,
    ) -> Result<TargetId, Refusal> {
        let id = TargetId::from_bytes(self.new_id());
        let own = format!("iqn.2025-01.org.example:{id}");
        let text = iqn.map_or(own.as_str(), String::as_str);
        let iscsi_name = IscsiName::parse(text)
            .map_err(|error| Refusal::new(HResult::VDSX_E_BAD_TARGET_NAME, error.to_string()))?;
        if self.view.targets.iter().any(|target| target.properties.iscsi_name == iscsi_name) {
            let message = format!("there is a target {text} already");
            return Err(Refusal::new(HResult::VDS_E_NAME_NOT_UNIQUE, message));
        }
        let properties = TargetProperties {
            id,
            iscsi_name,
            friendly_name: name.to_owned(),
            is_chap_enabled: false,
        };
        self.view.targets.push(TargetView {
            subsystem: self.subsystem(),
            properties,
            chap_user: String::new(),
            is_chap_mutual: false,
            chap_initiators: Vec::new(),
            mutual_initiators: Vec::new(),
            has_common_secret: false,
            portal_groups: Vec::new(),
            luns: Vec::new(),
        });
        self.view.made_by.insert(ObjectRef::Target(id), operation);
        Ok(id)
    }

    /// More of each plex: from the listed drives first, then from any.
    fn extend(
        &mut self,
        lun: LunId,
        by_bytes: u64,
        drives: Option<&Vec<DriveId>>,
    ) -> Result<(), Refusal> {
        let mut free = self.candidates(drives)?;
        for other in self.candidates(None)? {
            if !free.iter().any(|(drive, _)| *drive == other.0) {
                free.push(other);
            }
        }
        let by_bytes = by_bytes
            .checked_next_multiple_of(GRAIN_BYTES)
            .ok_or_else(|| no_space(by_bytes, &free))?;
        let plexes = self.lun_mut(lun)?.plexes.len();
        let mut additions = Vec::new();
        for _ in 0..plexes {
            let fits = free.iter_mut().find(|(_, free_bytes)| *free_bytes >= by_bytes);
            let Some((drive, free_bytes)) = fits else {
                return Err(no_space(by_bytes, &free));
            };
            *free_bytes -= by_bytes;
            additions.push(*drive);
        }
        let lun = self.lun_mut(lun)?;
        lun.properties.size = Bytes(lun.properties.size.0 + by_bytes);
        for (plex, drive) in lun.plexes.iter_mut().zip(additions) {
            plex.properties.size = lun.properties.size;
            let (id, lun) = (plex.properties.id, lun.properties.id);
            plex.extents.push(PlexExtent { plex: id, lun, drive, size: Bytes(by_bytes) });
        }
        Ok(())
    }
}

fn not_found(object: ObjectRef) -> Refusal {
    Refusal::new(HResult::VDS_E_OBJECT_NOT_FOUND, format!("there is no {object}"))
}

fn no_space(wanted_bytes: u64, free: &[(DriveId, u64)]) -> Refusal {
    let free_bytes: u64 = free.iter().map(|(_, bytes)| bytes).sum();
    let message = format!("{free_bytes} B are free, {wanted_bytes} B are wanted");
    Refusal::new(HResult::VDS_E_NOT_ENOUGH_SPACE, message)
}

fn too_few(wanted: usize, found: usize) -> Refusal {
    let message = format!("{wanted} drives are needed, {found} can be used");
    Refusal::new(HResult::VDS_E_NOT_ENOUGH_DRIVE, message)
}

fn allot_mirror(
    free: &[(DriveId, u64)],
    copies: usize,
    size_bytes: u64,
) -> Result<Allotted, Refusal> {
    if copies < 2 || free.len() < copies {
        return Err(too_few(copies.max(2), free.len()));
    }
    let fits = free.iter().filter(|(_, free_bytes)| *free_bytes >= size_bytes);
    let chosen: Allotted = fits.take(copies).map(|(drive, _)| vec![(*drive, size_bytes)]).collect();
    if chosen.len() == copies { Ok(chosen) } else { Err(no_space(size_bytes, free)) }
}

fn allot_stripe(
    free: &[(DriveId, u64)],
    columns: usize,
    size_bytes: u64,
) -> Result<Vec<(DriveId, u64)>, Refusal> {
    if columns < 2 || free.len() < columns {
        return Err(too_few(columns.max(2), free.len()));
    }
    let each_bytes = size_bytes.div_ceil(columns as u64).next_multiple_of(GRAIN_BYTES);
    let members = &free[..columns];
    if members.iter().any(|(_, free_bytes)| *free_bytes < each_bytes) {
        return Err(no_space(size_bytes, free));
    }
    Ok(members.iter().map(|(drive, _)| (*drive, each_bytes)).collect())
}

fn allot_span(free: &[(DriveId, u64)], size_bytes: u64) -> Result<Vec<(DriveId, u64)>, Refusal> {
    let mut rest = size_bytes;
    let mut extents = Vec::new();
    for (drive, free_bytes) in free {
        let taken = rest.min(*free_bytes);
        if taken > 0 {
            extents.push((*drive, taken));
            rest -= taken;
        }
    }
    if rest == 0 { Ok(extents) } else { Err(no_space(size_bytes, free)) }
}
