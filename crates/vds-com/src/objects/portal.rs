//! Portals: addresses at which targets listen.

use std::net::{IpAddr, SocketAddr};

use super::answer::{Answer, give, hand_out};
use super::labels;
use super::portal_group::PortalGroup;
use super::session::{Kind, Named, Place};
use super::subsystem::Subsystem;
use crate::abi::{
    E_INVALIDARG, IEnumVdsObject, IVdsIscsiPortal, IVdsIscsiPortalImpl, IVdsIscsiPortalLocal,
    IVdsIscsiPortalLocalImpl, IVdsSubSystem, VDS_E_NOT_SUPPORTED, VDS_IPADDRESS, VDS_IPS_UNKNOWN,
    VDS_IPT_IPV4, VDS_IPT_IPV6, VDS_IPT_TEXT, VDS_ISCSI_PORTAL_PROP, VDS_ISCSI_PORTAL_STATUS,
};
use crate::com::{Class, ComPtr, Face, HRESULT, Plain};

/// A portal.
pub(super) struct Portal(Place);

impl Named for Portal {
    const KIND: Kind = Kind::Portal;

    fn at(place: Place) -> Self {
        Self(place)
    }
}

impl Class for Portal {
    const FACES: &'static [Face] =
        &[IVdsIscsiPortal::face::<Self>(), IVdsIscsiPortalLocal::face::<Self>()];
}

/// An address as VDS has it: `host:port`, the host a number or a name.
fn address(text: &str) -> VDS_IPADDRESS {
    let mut address = VDS_IPADDRESS::zeroed();
    if let Ok(number) = text.parse::<SocketAddr>() {
        address.ulPort = number.port().into();
        match number.ip() {
            IpAddr::V4(ip) => {
                address.r#type = VDS_IPT_IPV4;
                address.ipv4Address = u32::from(ip).to_be();
            }
            IpAddr::V6(ip) => {
                address.r#type = VDS_IPT_IPV6;
                address.ipv6Address = ip.octets();
            }
        }
        return address;
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    address.r#type = VDS_IPT_TEXT;
    address.ulPort = port.parse().unwrap_or(0);
    let room = address.wszTextAddress.len() - 1;
    for (place, unit) in address.wszTextAddress.iter_mut().zip(host.encode_utf16().take(room)) {
        *place = unit;
    }
    address
}

impl Portal {
    fn view(&self) -> Answer<vds_api::Portal> {
        self.0.ask(|client, name| async move { client.portal(&name).await })
    }

    fn properties(&self) -> Answer<VDS_ISCSI_PORTAL_PROP> {
        let view = self.view()?;
        Ok(VDS_ISCSI_PORTAL_PROP {
            id: self.0.id(),
            address: address(view.announce.as_ref().unwrap_or(&view.listen)),
            status: labels::portal_status(&view.status),
        })
    }

    fn subsystem(&self) -> Answer<ComPtr<IVdsSubSystem>> {
        let view = self.view()?;
        self.0.session().interface::<Subsystem, _>(&view.subsystem)
    }

    fn groups(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        self.view()?;
        let targets = self.0.session().ask(|client| async move { client.targets().await })?;
        let name = self.0.name();
        let groups = targets.iter().flat_map(|target| &target.portal_groups);
        let ours = groups.filter(|group| group.portals.contains(&name));
        self.0.session().list::<PortalGroup>(ours.map(|group| group.id.as_str()))
    }
}

impl IVdsIscsiPortalImpl for Portal {
    fn GetProperties(&self, properties: &mut VDS_ISCSI_PORTAL_PROP) -> HRESULT {
        give(properties, self.properties())
    }

    fn GetSubSystem(&self, subsystem: &mut Option<ComPtr<IVdsSubSystem>>) -> HRESULT {
        hand_out(subsystem, self.subsystem())
    }

    fn QueryAssociatedPortalGroups(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.groups())
    }

    fn SetStatus(&self, status: VDS_ISCSI_PORTAL_STATUS) -> HRESULT {
        if status == VDS_IPS_UNKNOWN { E_INVALIDARG } else { VDS_E_NOT_SUPPORTED }
    }
}

// Reserved by VDS: every answer is that it is not supported.
impl IVdsIscsiPortalLocalImpl for Portal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lie_in_network_order() {
        let v4 = address("10.0.0.5:3260");
        assert_eq!((v4.r#type, v4.ulPort), (VDS_IPT_IPV4, 3260));
        assert_eq!(v4.ipv4Address.to_ne_bytes(), [10, 0, 0, 5]);
        let v6 = address("[::1]:3261");
        assert_eq!((v6.r#type, v6.ipv6Address[15], v6.ulPort), (VDS_IPT_IPV6, 1, 3261));
        let name = address("host.example:3262");
        assert_eq!((name.r#type, name.ulPort), (VDS_IPT_TEXT, 3262));
        assert_eq!(&name.wszTextAddress[..2], &[u16::from(b'h'), u16::from(b'o')]);
    }
}
