//! Who is at the other end of the socket, as the kernel says.

use std::fs;

use vds_operation::Owner;

/// The process at the other end of a Unix socket, as it was when it connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) credentials: Option<Credentials>,
}

/// What SO_PEERCRED tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) pid: Option<i32>,
}

impl Peer {
    /// The peer of a connection.
    pub(super) fn of(stream: &tokio::net::UnixStream) -> Self {
        let credentials = stream.peer_cred().ok().map(|peer| Credentials {
            uid: peer.uid(),
            gid: peer.gid(),
            pid: peer.pid(),
        });
        Self { credentials }
    }

    /// Who: the user's name, or its number where it has none.
    pub(crate) fn who(&self) -> String {
        match self.credentials {
            None => "unknown".to_owned(),
            Some(Credentials { uid, .. }) => {
                name_of("/etc/passwd", uid).unwrap_or_else(|| format!("uid {uid}"))
            }
        }
    }

    /// From where.
    pub(crate) fn from(&self) -> String {
        match self.credentials {
            None => "unix socket".to_owned(),
            Some(Credentials { uid, gid, pid }) => {
                let pid = pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
                format!("unix socket, uid/gid/pid {uid}/{gid}/{pid}")
            }
        }
    }

    /// The owner of what the peer starts.
    pub(crate) fn owner(&self) -> Owner {
        Owner::Client { name: self.who(), from: self.from() }
    }
}

/// The name of an id in a file such as `/etc/passwd`: `name:x:id:…`.
fn name_of(file: &str, id: u32) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

/// The id of a name in a file such as `/etc/group`.
pub(super) fn id_of(file: &str, name: &str) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_a_stranger_a_number() {
        let peer = |uid| Peer { credentials: Some(Credentials { uid, gid: 7, pid: Some(42) }) };
        assert_eq!(peer(0).who(), "root");
        assert_eq!(peer(4_000_000_000).who(), "uid 4000000000");
        assert_eq!(peer(0).from(), "unix socket, uid/gid/pid 0/7/42");
        assert_eq!(id_of("/etc/group", "root"), Some(0));
        assert_eq!(id_of("/etc/group", "no such group"), None);
    }
}
