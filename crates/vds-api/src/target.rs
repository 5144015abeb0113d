//! iSCSI targets, portals and sessions. Secrets go in and never come out.

use serde::{Deserialize, Serialize};

/// An iSCSI target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its id.
    pub id: String,
    /// Its subsystem, by id.
    pub subsystem: String,
    /// Its iSCSI name.
    pub iscsi_name: String,
    /// A name for people: the iSCSI alias.
    pub name: String,
    /// Whether initiators need a secret to log in.
    pub is_chap_enabled: bool,
    /// The name that goes with the secret for all; empty where any name does, and where there is no such secret.
    pub chap_user: String,
    /// Whether the target proves itself to them too.
    pub is_chap_mutual: bool,
    /// Initiators that log in with a secret of their own, by iSCSI name.
    #[serde(default)]
    pub chap_initiators: Vec<String>,
    /// Initiators to which the target proves itself with a secret for them alone, by iSCSI name.
    #[serde(default)]
    pub mutual_initiators: Vec<String>,
    /// Whether there is a secret for all initiators that have none of their own.
    #[serde(default)]
    pub has_common_secret: bool,
    /// Its portal groups.
    pub portal_groups: Vec<PortalGroup>,
    /// Its LUNs by number.
    pub luns: Vec<TargetLun>,
}

/// Portals through which a target is reached together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalGroup {
    /// Its id.
    pub id: String,
    /// Its target, by id.
    #[serde(default)]
    pub target: String,
    /// Its number within the target.
    pub tag: u16,
    /// Its portals, by id.
    pub portals: Vec<String>,
}

/// A LUN behind a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetLun {
    /// The LUN, by id.
    pub lun: String,
    /// The LUN's name.
    pub lun_name: String,
    /// The number initiators address it by.
    pub number: u16,
}

/// An address at which targets listen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portal {
    /// Its id.
    pub id: String,
    /// Its subsystem, by id.
    pub subsystem: String,
    /// Where it listens, `host:port`.
    pub listen: String,
    /// The address told to initiators, if it is another.
    pub announce: Option<String>,
    /// How available it is: `online`, `not_ready`, `offline`, `failed`.
    pub status: String,
    /// Whether only this machine reaches it.
    pub is_loopback: bool,
    /// Why it does not listen, if it does not.
    pub reason: Option<String>,
}

/// An initiator that is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its number: the target's session handle, unique while the service runs.
    pub id: String,
    /// The initiator's iSCSI name.
    pub initiator: String,
    /// The target's iSCSI name; null in a discovery session.
    pub target: Option<String>,
    /// From where it came, `host:port`.
    pub peer: String,
    /// The portal it came through, by id, if that is known.
    pub portal: Option<String>,
    /// Since when.
    pub since_unix_ms: Option<u64>,
}

/// Make an iSCSI target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTarget {
    /// Where, by id or name; may be left out when there is only one subsystem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsystem: Option<String>,
    /// Its iSCSI name; empty leaves it to the provider.
    #[serde(default)]
    pub iscsi_name: String,
    /// A name for people.
    #[serde(default)]
    pub name: String,
}

/// A name with its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChapCredential {
    /// The name.
    pub user: String,
    /// The secret, 12 to 16 bytes.
    pub secret: String,
}

/// Hides the secret.
impl std::fmt::Debug for ChapCredential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ChapCredential({:?}, secret hidden)", self.user)
    }
}

/// How initiators log in to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chap {
    /// What the initiator must know.
    pub initiator: ChapCredential,
    /// What the target proves to know in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ChapCredential>,
}

/// Set or take away the secrets of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetTargetChap {
    /// The secrets; null lets initiators in without.
    pub chap: Option<Chap>,
}

/// Who proves itself with a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChapSide {
    /// The initiator, towards the target.
    Initiator,
    /// The target, towards the initiator.
    Target,
}

/// Set or take away one secret of a target; its others stay. Initiators need a secret as long as there is one that an
/// initiator could prove itself with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetTargetSecret {
    /// Who proves itself with it.
    pub side: ChapSide,
    /// The initiator it is for, by iSCSI name, which then is its CHAP name too; null for everybody who has none of their
    /// own, under any CHAP name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// The secret, 12 to 16 bytes, as two hexadecimal digits each; null takes it away.
    #[serde(rename = "secret_hex", with = "hex_option")]
    pub secret: Option<Vec<u8>>,
}

mod hex_option {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use vds_model::hex;

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_deref().map(hex::encode).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        hex::decode(&text)
            .map(Some)
            .ok_or_else(|| D::Error::custom("no hexadecimal digits in pairs"))
    }
}

/// Hides the secret.
impl std::fmt::Debug for SetTargetSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.secret.is_some() { "secret hidden" } else { "no secret" };
        write!(formatter, "SetTargetSecret({:?}, {:?}, {what})", self.side, self.initiator)
    }
}

/// Change a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeTarget {
    /// The new friendly name.
    pub name: String,
}

/// Listen on one more address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddPortal {
    /// Where, by id or name; may be left out when there is only one subsystem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsystem: Option<String>,
    /// The address to listen on, `host:port`; port 0 asks for any free one.
    pub listen: String,
    /// The address told to initiators, if it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announce: Option<String>,
    /// Whether LUNs unmasked to `*` may be reached through it from beyond this machine. Without it a portal off the
    /// loopback is refused while there are such LUNs.
    #[serde(default)]
    pub confirm_exposed: bool,
}
