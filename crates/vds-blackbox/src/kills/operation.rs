//! The operations that kills are to hit: how each is started, and what its end promises.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::rest::Asked;

/// Something an operator may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Make a mirrored LUN.
    Create,
    /// Delete a LUN.
    Delete,
    /// Make the loaded LUNs larger, one after the other.
    Extend,
    /// A third copy for the loaded mirror.
    AddPlex,
    /// Take the third copy away.
    RemovePlex,
    /// Bring the loaded mirror back after the loss of a drive.
    Recover,
}

impl Kind {
    /// All of them, in an order in which each finds what it needs.
    pub const ALL: [Self; 6] =
        [Self::Create, Self::Delete, Self::Extend, Self::AddPlex, Self::RemovePlex, Self::Recover];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Extend => "extend",
            Self::AddPlex => "add plex",
            Self::RemovePlex => "remove plex",
            Self::Recover => "recover",
        }
    }

    /// Whether a crash may not end it: it goes on after the restart. The others may be rolled back.
    pub(super) fn resumes(self) -> bool {
        !matches!(self, Self::Create | Self::Extend)
    }
}

/// The LUN that copies are added to and taken from.
pub(super) const MIRROR: &str = "mirror";

/// One operation to be started, with what was there before.
pub(super) struct Work {
    pub(super) kind: Kind,
    pub(super) asked: Asked,
    /// The LUN it is about.
    pub(super) lun: String,
    before: Before,
}

/// What the LUN was.
struct Before {
    size_bytes: u64,
    plexes: usize,
    health: String,
}

/// By how much a LUN is extended.
const STEP_BYTES: u64 = 1 << 20;
/// The size of LUNs that come and go.
const PASSING_BYTES: u64 = 64 << 20;

impl Work {
    /// Prepares an operation of a kind: what it needs is made first, without a kill.
    pub(super) fn prepare(
        kind: Kind,
        number: u64,
        daemon: &Daemon,
        loaded: &[&str],
    ) -> Result<Self> {
        let name = format!("passing-{number}");
        let create = json!({
            "name": name, "type": "mirror", "size_bytes": PASSING_BYTES, "unmasking_list": "*",
        });
        let (lun, method, path, body) = match kind {
            Kind::Create => (name, "POST", "/v1/luns".to_owned(), Some(create)),
            Kind::Delete => {
                done(
                    daemon,
                    &Asked {
                        method: "POST",
                        path: "/v1/luns".into(),
                        body: Some(create),
                        key: None,
                    },
                )?;
                let path = format!("/v1/luns/{name}");
                (name, "DELETE", path, None)
            }
            Kind::Extend => {
                let index = usize::try_from(number)? % loaded.len();
                let path = format!("/v1/luns/{}/extend", loaded[index]);
                (loaded[index].to_owned(), "POST", path, Some(json!({"by_bytes": STEP_BYTES})))
            }
            Kind::AddPlex => {
                while plexes(&daemon.lun(MIRROR)?) > 2 {
                    done(daemon, &remove_plex(&daemon.lun(MIRROR)?)?)?;
                }
                (MIRROR.to_owned(), "POST", format!("/v1/luns/{MIRROR}/plexes"), Some(json!({})))
            }
            Kind::RemovePlex => {
                if plexes(&daemon.lun(MIRROR)?) < 3 {
                    let path = format!("/v1/luns/{MIRROR}/plexes");
                    done(
                        daemon,
                        &Asked { method: "POST", path, body: Some(json!({})), key: None },
                    )?;
                }
                let asked = remove_plex(&daemon.lun(MIRROR)?)?;
                (MIRROR.to_owned(), asked.method, asked.path, asked.body)
            }
            Kind::Recover => {
                lose_a_drive(daemon)?;
                (MIRROR.to_owned(), "POST", format!("/v1/luns/{MIRROR}/recover"), None)
            }
        };
        let before = match kind {
            Kind::Create => Before { size_bytes: 0, plexes: 0, health: String::new() },
            _ => Before::of(&daemon.lun(&lun)?),
        };
        let key = Some(format!("kill-{number}"));
        Ok(Self { kind, asked: Asked { method, path, body, key }, lun, before })
    }

    /// Whether the LUN is what the end of the operation promises: `succeeded`, or as before.
    pub(super) fn check_end(&self, daemon: &Daemon, succeeded: bool) -> Result<()> {
        let luns = daemon.json(&["lun", "list"])?;
        let luns = luns["items"].as_array().context("a list")?;
        let found = luns.iter().find(|lun| lun["name"] == self.lun.as_str());
        let should_exist = match self.kind {
            Kind::Create => succeeded,
            Kind::Delete => !succeeded,
            _ => true,
        };
        ensure!(found.is_some() == should_exist, "{} exists: {}", self.lun, found.is_some());
        let Some(found) = found else { return Ok(()) };
        let now = Before::of(found);
        let mut wanted = match self.kind {
            Kind::Create => {
                Before { size_bytes: PASSING_BYTES, plexes: 2, health: "healthy".into() }
            }
            _ => Before { health: self.before.health.clone(), ..self.before },
        };
        match self.kind {
            Kind::Extend if succeeded => wanted.size_bytes += STEP_BYTES,
            Kind::AddPlex if succeeded => wanted.plexes += 1,
            Kind::RemovePlex if succeeded => wanted.plexes -= 1,
            Kind::Recover if succeeded => "healthy".clone_into(&mut wanted.health),
            _ => {}
        }
        let is_same = now.size_bytes == wanted.size_bytes
            && now.plexes == wanted.plexes
            && now.health == wanted.health;
        ensure!(
            is_same,
            "{} has {} B, {} plexes, is {}; wanted {} B, {} plexes, {}",
            self.lun,
            now.size_bytes,
            now.plexes,
            now.health,
            wanted.size_bytes,
            wanted.plexes,
            wanted.health
        );
        Ok(())
    }

    /// Takes away what the operation left, if it is of no further use.
    pub(super) fn clean_up(&self, daemon: &Daemon) -> Result<()> {
        if matches!(self.kind, Kind::Create | Kind::Delete) {
            let shown = daemon.try_verb(&["lun", "show", &self.lun])?;
            if shown.is_ok() {
                daemon.verb(&["lun", "delete", &self.lun, "--yes"])?;
            }
        }
        Ok(())
    }
}

impl Before {
    fn of(lun: &Value) -> Self {
        Self {
            size_bytes: lun["size_bytes"].as_u64().unwrap_or(0),
            plexes: plexes(lun),
            health: lun["health"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

fn plexes(lun: &Value) -> usize {
    lun["plexes"].as_array().map_or(0, Vec::len)
}

/// Takes the last copy away.
fn remove_plex(lun: &Value) -> Result<Asked> {
    let plexes = lun["plexes"].as_array().context("plexes")?;
    let plex = plexes.last().and_then(|plex| plex["id"].as_str()).context("a plex")?;
    Ok(Asked { method: "DELETE", path: format!("/v1/plexes/{plex}"), body: None, key: None })
}

/// A kill may have come before the recovery was begun: it is made up for.
pub(super) fn heal(daemon: &Daemon) -> Result<()> {
    if daemon.lun(MIRROR)?["health"] == "failed_redundancy" {
        daemon.verb(&["lun", "recover", MIRROR])?;
    }
    Ok(())
}

/// Declares a drive of the mirror failed.
fn lose_a_drive(daemon: &Daemon) -> Result<()> {
    let lun = daemon.lun(MIRROR)?;
    ensure!(lun["health"] == "healthy", "the mirror is {} before the loss", lun["health"]);
    let drive = lun["plexes"][0]["extents"][0]["drive_name"].as_str().context("a drive")?;
    daemon.verb(&["drive", "fail", drive, "--yes"])?;
    let degraded = daemon.lun(MIRROR)?;
    ensure!(degraded["health"] == "failed_redundancy", "the mirror is {}", degraded["health"]);
    Ok(())
}

/// Starts an operation and waits until it has succeeded.
fn done(daemon: &Daemon, asked: &Asked) -> Result<()> {
    let begun = daemon.ask(asked)?;
    let id = begun["id"].as_str().context("an operation")?;
    let ended = ended(daemon, id)?;
    ensure!(ended["state"] == "succeeded", "{asked:?} ended as {ended:#}");
    Ok(())
}

/// The operation as it ended.
pub(super) fn ended(daemon: &Daemon, id: &str) -> Result<Value> {
    let started = std::time::Instant::now();
    loop {
        let shown = daemon.ask(&Asked::get(format!("/v1/operations/{id}?wait_ms=5000")))?;
        if !shown["ended_unix_ms"].is_null() {
            return Ok(shown);
        }
        if started.elapsed() > Duration::from_mins(2) {
            bail!("the operation does not end: {shown:#}\n{}", daemon.log_end());
        }
    }
}
