//! `iscsi://host[:port]/target/lun`: how a LUN is named on a command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use anyhow::{Context, bail};

/// The port iSCSI has where none is given.
const DEFAULT_PORT: u16 = 3260;

/// A LUN's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Host and port.
    pub portal: String,
    /// The target's iSCSI name.
    pub target: String,
    /// The logical unit's number, below 256.
    pub lun: u8,
}

impl Url {
    /// The address behind the host.
    ///
    /// # Errors
    /// When the name leads nowhere.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        let mut found = self.portal.to_socket_addrs().with_context(|| self.portal.clone())?;
        found.next().with_context(|| format!("{} has no address", self.portal))
    }
}

impl FromStr for Url {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let rest = text.strip_prefix("iscsi://").context("a URL begins with iscsi://")?;
        let parts: Vec<&str> = rest.split('/').collect();
        let [portal, target, lun] = parts[..] else {
            bail!("a URL is iscsi://host[:port]/target/lun");
        };
        let has_port = portal.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let portal = if has_port { portal.to_owned() } else { format!("{portal}:{DEFAULT_PORT}") };
        let lun = lun.parse().context("a LUN's number is below 256")?;
        Ok(Self { portal, target: target.to_owned(), lun })
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "iscsi://{}/{}/{}", self.portal, self.target, self.lun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let found = text.parse::<Url>().ok().map(|url| url.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn urls_are_read() {
        check("iscsi://h:1/iqn.x:y/3", Some("iscsi://h:1/iqn.x:y/3"));
        check("iscsi://h/iqn.x:y/0", Some("iscsi://h:3260/iqn.x:y/0"));
        check("iscsi://[::1]/t/0", Some("iscsi://[::1]:3260/t/0"));
        check("iscsi://h/t", None);
        check("iscsi://h/t/256", None);
        check("nbd://h/t/0", None);
    }
}
