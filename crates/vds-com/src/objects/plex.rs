//! Plexes of a LUN.

use super::answer::{Answer, give, hand_out};
use super::drive::hand_out_extents;
use super::lun::Lun;
use super::session::{Kind, Named, Place, guid};
use super::{hints, labels};
use crate::abi::{
    IVdsLun, IVdsLunPlex, IVdsLunPlexImpl, VDS_DRIVE_EXTENT, VDS_HINTS, VDS_LUN_PLEX_PROP,
};
use crate::com::{BOOL, Class, ComPtr, Face, HRESULT};

/// A plex.
pub(super) struct Plex(Place);

impl Named for Plex {
    const KIND: Kind = Kind::Plex;

    fn at(place: Place) -> Self {
        Self(place)
    }
}

impl Class for Plex {
    const FACES: &'static [Face] = &[IVdsLunPlex::face::<Self>()];
}

impl Plex {
    fn view(&self) -> Answer<vds_api::Plex> {
        self.0.ask(|client, name| async move { client.plex(&name).await })
    }

    fn properties(&self) -> Answer<VDS_LUN_PLEX_PROP> {
        let view = self.view()?;
        Ok(VDS_LUN_PLEX_PROP {
            id: self.0.id(),
            ullSize: view.size_bytes,
            r#type: labels::plex_type(&view.plex_type),
            status: labels::plex_status(&view.status),
            health: labels::health(&view.health),
            TransitionState: labels::transition(&view.transition),
            ulFlags: labels::plex_flags(&view.flags),
            ulStripeSize: view.stripe_bytes,
            sRebuildPriority: labels::short(view.rebuild_priority),
        })
    }

    fn lun(&self) -> Answer<ComPtr<IVdsLun>> {
        let view = self.view()?;
        self.0.session().interface::<Lun, _>(&view.lun)
    }

    fn extents(&self) -> Answer<Vec<VDS_DRIVE_EXTENT>> {
        let view = self.view()?;
        let lun = guid(&view.lun)?;
        let extent = |of: &vds_api::PlexExtent| {
            Ok(VDS_DRIVE_EXTENT {
                id: guid(&of.drive)?,
                LunId: lun,
                ullSize: of.size_bytes,
                bUsed: BOOL::from(true),
            })
        };
        view.extents.iter().map(extent).collect()
    }

    /// Those of its LUN: plexes have none of their own.
    fn hints(&self) -> Answer<VDS_HINTS> {
        let lun = self.view()?.lun;
        let view = self.0.session().ask(|client| async move { client.lun(&lun).await })?;
        hints::hints(&view.hints)
    }
}

impl IVdsLunPlexImpl for Plex {
    fn GetProperties(&self, properties: &mut VDS_LUN_PLEX_PROP) -> HRESULT {
        give(properties, self.properties())
    }

    fn GetLun(&self, lun: &mut Option<ComPtr<IVdsLun>>) -> HRESULT {
        hand_out(lun, self.lun())
    }

    fn QueryExtents(&self, extents: &mut *mut VDS_DRIVE_EXTENT, count: &mut i32) -> HRESULT {
        hand_out_extents(self.extents(), extents, count)
    }

    fn QueryHints(&self, place: &mut VDS_HINTS) -> HRESULT {
        give(place, self.hints())
    }
}
