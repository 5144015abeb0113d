//! What the verbs of a client do: ask or start, wait, print. Nothing is decided here that the service decides.

mod array;
mod executable;
mod export;
mod judge;
mod lun;
mod lun_show;
mod plain;
mod pool;
mod portal_group;
mod provider;
mod work;

pub(crate) use judge::judge;

use crate::command::Noun;
use crate::context::Context;
use crate::failure::Failure;

/// Does one verb.
///
/// # Errors
/// Why it was not done.
pub(crate) async fn client(context: &Context, noun: Noun) -> Result<(), Failure> {
    match noun {
        Noun::Status => plain::status(context).await,
        Noun::Subsystem(verb) => array::subsystem(context, verb).await,
        Noun::Drive(verb) => array::drive(context, verb).await,
        Noun::Pool(verb) => pool::pool(context, verb).await,
        Noun::Lun(verb) => lun::lun(context, verb).await,
        Noun::Plex(verb) => lun_show::plex(context, verb).await,
        Noun::Operation(verb) => work::operation(context, verb).await,
        Noun::Target(verb) => export::target(context, verb).await,
        Noun::Portal(verb) => export::portal(context, verb).await,
        Noun::PortalGroup(verb) => portal_group::portal_group(context, verb).await,
        Noun::Session(verb) => export::session(context, verb).await,
        Noun::Provider(verb) => provider::provider(context, verb).await,
        Noun::Damage => plain::damage(context).await,
        Noun::Event => work::events(context).await,
        Noun::Serve(_)
        | Noun::Completion { .. }
        | Noun::Man { .. }
        | Noun::ProviderLauncher { .. } => {
            unreachable!("main does these without a service")
        }
    }
}

/// The beginning of an id, for tables; it will do as an argument as long as it is unique.
fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// Words joined by commas, or the sign for nothing.
fn joined(words: &[String]) -> String {
    words.join(", ")
}
