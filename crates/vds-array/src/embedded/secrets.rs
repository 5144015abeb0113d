//! The secrets of a target: what initiators log in with, and what the target proves itself with.

use vds_format::{ChapInitiator, MutualSecret, TargetRecord};
use vds_model::{HResult, TargetId};
use vds_operation::OutputType;
use vds_provider::{Chap, ChapSecretChange, ChapSide, Refusal};

use super::array::Array;
use super::change::prepared;
use super::run::Prepared;
use super::targets::target_change;

/// Initiators with secrets of their own, of each side, that a target keeps.
const INITIATORS_MAX: usize = 256;

impl Array {
    pub(super) fn prepare_chap(
        &self,
        id: TargetId,
        chap: Option<&Chap>,
    ) -> Result<Prepared, Refusal> {
        let mut target = self.target_record(id)?;
        let summary = match chap {
            Some(_) => format!("ask initiators of {} for a secret", target.iscsi_name),
            None => format!("let initiators of {} in without a secret", target.iscsi_name),
        };
        target.initiators.clear();
        target.mutual_user.clear();
        target.mutual_secret.clear();
        target.mutual_initiators.clear();
        if let Some(chap) = chap {
            target.initiators.push(ChapInitiator {
                initiator: String::new(),
                user: chap.initiator.user.clone(),
                secret: chap.initiator.secret.expose().to_vec(),
            });
            if let Some(own) = &chap.target {
                target.mutual_user.clone_from(&own.user);
                target.mutual_secret = own.secret.expose().to_vec();
            }
        }
        Ok(with_secrets(summary, target))
    }

    /// One secret changes; the name that goes with it stays. Where there was none, the CHAP name that goes with an
    /// initiator's secret is the initiator's own name, and any where the secret is for everybody; the target's CHAP name
    /// is its iSCSI name.
    pub(super) fn prepare_secret(
        &self,
        id: TargetId,
        change: &ChapSecretChange,
    ) -> Result<Prepared, Refusal> {
        let mut target = self.target_record(id)?;
        let initiator = change.initiator.as_ref().map(|name| name.as_str().to_owned());
        let initiator = initiator.unwrap_or_default();
        let whom = if initiator.is_empty() { "everybody" } else { initiator.as_str() };
        let verb = if change.secret.is_some() { "set" } else { "take away" };
        let summary = match change.side {
            ChapSide::Initiator => {
                format!("{verb} the secret with which {whom} logs in to {}", target.iscsi_name)
            }
            ChapSide::Target => {
                format!(
                    "{verb} the secret with which {} proves itself to {whom}",
                    target.iscsi_name
                )
            }
        };
        let secret = change.secret.as_ref().map(|secret| secret.expose().to_vec());
        match change.side {
            ChapSide::Initiator => {
                let logins = &mut target.initiators;
                let known = logins.iter().find(|entry| entry.initiator == initiator);
                let user = known.map_or_else(|| initiator.clone(), |entry| entry.user.clone());
                logins.retain(|entry| entry.initiator != initiator);
                logins.extend(secret.map(|secret| ChapInitiator { initiator, user, secret }));
            }
            ChapSide::Target if initiator.is_empty() => {
                if secret.is_none() {
                    target.mutual_user.clear();
                }
                target.mutual_secret = secret.unwrap_or_default();
            }
            ChapSide::Target => {
                target.mutual_initiators.retain(|entry| entry.initiator != initiator);
                let entry = secret.map(|secret| MutualSecret { initiator, secret });
                target.mutual_initiators.extend(entry);
            }
        }
        check_secrets(&target)?;
        Ok(with_secrets(summary, target))
    }
}

/// Initiators are asked for a secret when there is one that they could know.
fn with_secrets(summary: String, mut target: TargetRecord) -> Prepared {
    let was_asked = std::mem::replace(&mut target.chap, !target.initiators.is_empty());
    let opens = was_asked && !target.chap;
    let keeps_any =
        target.chap || !target.mutual_secret.is_empty() || !target.mutual_initiators.is_empty();
    let mut prepared = prepared(summary, target_change(target, OutputType::SetTargetChap));
    if keeps_any {
        prepared.plan.risks.push("secrets lie readable on the array's drives".to_owned());
    }
    if opens {
        let risk = "whoever is on an unmasking list gets in without a secret";
        prepared.plan.risks.push(risk.to_owned());
    }
    prepared
}

/// Refuses a secret that would serve both directions of one login (RFC 7143, 12.1.3), and more than are kept.
fn check_secrets(target: &TargetRecord) -> Result<(), Refusal> {
    let lists = [target.initiators.len(), target.mutual_initiators.len()];
    if lists.iter().any(|count| *count > INITIATORS_MAX) {
        let message = format!("a target keeps secrets of at most {INITIATORS_MAX} initiators");
        return Err(Refusal::new(HResult::VDSX_E_TOO_LARGE, message)
            .with_hint("Set one secret for everybody, or use another target."));
    }
    let own = &target.mutual_secret;
    let same = target.initiators.iter().any(|entry| {
        let towards = target
            .mutual_initiators
            .iter()
            .filter(|it| entry.initiator.is_empty() || it.initiator == entry.initiator);
        entry.secret == *own || towards.into_iter().any(|it| it.secret == entry.secret)
    });
    if same {
        let message = "the initiator's secret and the target's are the same";
        return Err(Refusal::new(HResult::VDSX_E_SAME_SECRET, message));
    }
    Ok(())
}
