//! Finding objects by what people call them: an id, a unique beginning of an id, or a name.

use std::sync::Arc;

use vds_model::{HResult, ProviderId, SubsystemStatus};
use vds_provider::{
    DriveView, LunView, PlexView, PoolView, PortalGroupView, PortalView, Refusal, SubsystemView,
    TargetView, View,
};

/// Fewest characters of an id that name an object.
const ID_PREFIX_MIN: usize = 4;
/// Most candidates that a message lists.
const LISTED_MAX: usize = 5;

/// What all providers showed at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The views with their providers, in the order of the providers.
    pub views: Vec<(ProviderId, Arc<View>)>,
}

/// An object with the provider and the view it is in.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a, T> {
    /// Its provider.
    pub provider: ProviderId,
    /// The view it was found in.
    pub view: &'a View,
    /// The object: by reference where the view has it, by value where it follows from the view.
    pub object: T,
}

struct Candidate<'a, T> {
    id: String,
    names: Vec<String>,
    found: Found<'a, T>,
}

macro_rules! lookups {
    ($($(#[$meta:meta])* $name:ident: $view:ident, $noun:literal, $result:ident, $objects:expr, $names:expr;)*) => { $(
        $(#[$meta])*
        ///
        /// # Errors
        /// Nothing, or more than one object, goes by that name.
        pub fn $name(&self, name: &str) -> Result<Found<'_, &$view>, Refusal> {
            let objects: fn(&View) -> Vec<&$view> = $objects;
            let names: fn(&$view) -> Vec<String> = $names;
            let candidates = self.candidates(objects, |object| {
                (object.properties.id.to_string(), names(object))
            });
            self.one($noun, HResult::$result, name, candidates)
        }
    )* };
}

impl Snapshot {
    fn candidates<'a, T>(
        &'a self,
        objects: impl Fn(&'a View) -> Vec<T>,
        describe: impl Fn(&T) -> (String, Vec<String>),
    ) -> Vec<Candidate<'a, T>> {
        let mut candidates = Vec::new();
        for (provider, view) in &self.views {
            for object in objects(view) {
                let (id, names) = describe(&object);
                let found = Found { provider: *provider, view, object };
                candidates.push(Candidate { id, names, found });
            }
        }
        candidates
    }

    lookups! {
        /// The subsystem called so.
        subsystem: SubsystemView, "subsystem", VDS_E_OBJECT_NOT_FOUND,
            |view| view.subsystems.iter().collect(),
            |subsystem| vec![subsystem.properties.friendly_name.clone()];
        /// The drive called so; its path will do as well.
        drive: DriveView, "drive", VDSX_E_NO_SUCH_DRIVE,
            |view| view.drives.iter().collect(),
            |drive| vec![drive.properties.friendly_name.clone(), drive.path.clone()];
        /// The LUN called so.
        lun: LunView, "LUN", VDS_E_OBJECT_NOT_FOUND,
            |view| view.luns.iter().collect(),
            |lun| vec![lun.properties.friendly_name.clone()];
        /// The plex called so: plexes have no names.
        plex: PlexView, "plex", VDS_E_OBJECT_NOT_FOUND,
            |view| view.luns.iter().flat_map(|lun| &lun.plexes).collect(),
            |_| Vec::new();
        /// The target called so; its iSCSI name will do as well.
        target: TargetView, "target", VDS_E_OBJECT_NOT_FOUND,
            |view| view.targets.iter().collect(),
            |target| vec![
                target.properties.friendly_name.clone(),
                target.properties.iscsi_name.to_string(),
            ];
        /// The portal called so: by its id or the address it listens on.
        portal: PortalView, "portal", VDS_E_OBJECT_NOT_FOUND,
            |view| view.portals.iter().collect(),
            |portal| vec![portal.properties.address.to_string()];
        /// The portal group called so: groups have no names.
        portal_group: PortalGroupView, "portal group", VDS_E_OBJECT_NOT_FOUND,
            |view| view.targets.iter().flat_map(|target| &target.portal_groups).collect(),
            |_| Vec::new();
    }

    /// The pool called so. One that follows from its array has the array's name.
    ///
    /// # Errors
    /// Nothing, or more than one object, goes by that name.
    pub fn pool(&self, name: &str) -> Result<Found<'_, PoolView>, Refusal> {
        let candidates = self.candidates(View::all_pools, |pool: &PoolView| {
            (pool.properties.id.to_string(), vec![pool.properties.name.clone()])
        });
        self.one("pool", HResult::VDS_E_OBJECT_NOT_FOUND, name, candidates)
    }

    fn one<'a, T>(
        &self,
        noun: &str,
        missing: HResult,
        name: &str,
        candidates: Vec<Candidate<'a, T>>,
    ) -> Result<Found<'a, T>, Refusal> {
        choose(noun, missing, name, candidates).map_err(|refusal| {
            if refusal.result == missing { self.or_opening(refusal) } else { refusal }
        })
    }

    /// What is not found may be on an array that is not open yet.
    fn or_opening(&self, refusal: Refusal) -> Refusal {
        let mut subsystems = self.views.iter().flat_map(|(_, view)| &view.subsystems);
        let opening = subsystems.find(|it| it.properties.status == SubsystemStatus::NotReady);
        let Some(opening) = opening else { return refusal };
        let name = &opening.properties.friendly_name;
        let message = format!("{}, but array {name} is still being opened", refusal.message);
        Refusal::new(HResult::VDSX_E_ARRAY_OPENING, message)
    }

    /// The subsystem called so, or, without a name, the only one there is.
    ///
    /// # Errors
    /// Nothing, or more than one, goes by that name; without a name there are none or several.
    pub fn subsystem_or_only(
        &self,
        name: Option<&str>,
    ) -> Result<Found<'_, &SubsystemView>, Refusal> {
        if let Some(name) = name {
            return self.subsystem(name);
        }
        let mut all = self.candidates(
            |view| view.subsystems.iter().collect(),
            |subsystem: &&SubsystemView| {
                (
                    subsystem.properties.id.to_string(),
                    vec![subsystem.properties.friendly_name.clone()],
                )
            },
        );
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Ok(only.found),
            (None, _) => {
                let message = "there is no subsystem yet";
                Err(Refusal::new(HResult::VDSX_E_NO_ARRAY, message)
                    .with_hint("Make one first: vds subsystem create NAME --drive PATH…"))
            }
            (Some(last), false) => {
                all.push(last);
                let message = format!("there are several subsystems: {}", list(&all));
                Err(Refusal::new(HResult::VDSX_E_SEVERAL_ARRAYS, message)
                    .with_hint("Say which one."))
            }
        }
    }

    /// The view of this provider.
    pub fn view(&self, provider: ProviderId) -> Option<&Arc<View>> {
        self.views.iter().find(|(id, _)| *id == provider).map(|(_, view)| view)
    }
}

fn list<T>(candidates: &[Candidate<'_, T>]) -> String {
    let shown = candidates.iter().take(LISTED_MAX).map(|candidate| {
        match candidate.names.iter().find(|name| !name.is_empty()) {
            Some(name) => format!("{name} ({})", candidate.id),
            None => candidate.id.clone(),
        }
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if candidates.len() > LISTED_MAX {
        text.push('…');
    }
    text
}

/// An id beats a name, a name beats a beginning of an id: what a script writes out in full is never ambiguous.
fn choose<'a, T>(
    noun: &str,
    not_found: HResult,
    wanted: &str,
    candidates: Vec<Candidate<'a, T>>,
) -> Result<Found<'a, T>, Refusal> {
    let lower = wanted.to_ascii_lowercase();
    let is_prefix = lower.len() >= ID_PREFIX_MIN;
    let rank = |candidate: &Candidate<'a, T>| {
        if candidate.id == lower {
            0
        } else if !wanted.is_empty() && candidate.names.iter().any(|name| name == wanted) {
            1
        } else if is_prefix && candidate.id.starts_with(&lower) {
            2
        } else {
            3
        }
    };
    let best = candidates.iter().map(rank).min().unwrap_or(3);
    if best == 3 {
        return Err(Refusal::new(not_found, format!("there is no {noun} {wanted:?}")));
    }
    let mut matching: Vec<_> =
        candidates.into_iter().filter(|candidate| rank(candidate) == best).collect();
    match (matching.pop(), matching.is_empty()) {
        (Some(only), true) => Ok(only.found),
        (Some(last), false) => {
            matching.push(last);
            let message = format!("{noun} {wanted:?} could be {}", list(&matching));
            Err(Refusal::new(HResult::VDSX_E_AMBIGUOUS_NAME, message))
        }
        (None, _) => unreachable!("some candidate has the best rank"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: &str, expected: Result<u8, HResult>) {
        let objects = [1u8, 2, 3, 4];
        let view = View::empty(vds_model::ProviderProperties {
            id: ProviderId::nil(),
            name: String::new(),
            version_id: [0; 16],
            version: String::new(),
            provider_type: vds_model::ProviderType::Hardware,
            flags: vds_model::ProviderFlags::empty(),
            stripe_sizes: vds_model::StripeSizes::empty(),
            rebuild_priority: vds_model::RebuildPriority::LOWEST,
        });
        let rows = [
            ("aaaa1111-0000-4000-8000-000000000000", "db"),
            ("aaaa2222-0000-4000-8000-000000000000", "twice"),
            ("bbbb1111-0000-4000-8000-000000000000", "twice"),
            ("cccc1111-0000-4000-8000-000000000000", "bbbb"),
        ];
        let candidates = rows
            .iter()
            .zip(&objects)
            .map(|((id, name), object)| Candidate {
                id: (*id).to_owned(),
                names: vec![(*name).to_owned(), String::new()],
                found: Found { provider: ProviderId::nil(), view: &view, object },
            })
            .collect();
        let found = choose("thing", HResult::VDS_E_OBJECT_NOT_FOUND, wanted, candidates);
        assert_eq!(found.map(|f| *f.object).map_err(|r| r.result), expected, "{wanted:?}");
    }

    #[test]
    fn an_id_beats_a_name_and_a_name_a_beginning() {
        check("AAAA1111-0000-4000-8000-000000000000", Ok(1));
        check("db", Ok(1));
        check("aaaa1", Ok(1));
        check("aaaa", Err(HResult::VDSX_E_AMBIGUOUS_NAME));
        check("twice", Err(HResult::VDSX_E_AMBIGUOUS_NAME));
        check("bbbb", Ok(4));
        check("bbb", Err(HResult::VDS_E_OBJECT_NOT_FOUND));
        check("", Err(HResult::VDS_E_OBJECT_NOT_FOUND));
    }
}
