use super::runner::RemoteError;
use crate::chain::fact::FactError;
use crate::cursor::BadCursor;
use crate::gateway::GatewayError;
use crate::ledger::LedgerError;
use crate::llm::{ModelError, ProviderError};
use crate::ports::EntropyError;
use crate::seal::SealError;
use crate::sql::DatabaseError;

#[derive(Debug, thiserror::Error)]
pub enum FortressError {
    #[error(transparent)]
    Model(ModelError),
    /// Not admitted: nothing was asked.
    #[error(transparent)]
    Gateway(GatewayError),
    #[error("the run is bound by its policy: {0}")]
    Policy(String),
    #[error("the run with this evidence_id failed: {0}. To run again, use a new evidence_id")]
    Failed(String),
    #[error("the run with this evidence_id is still under way: ask again in a minute")]
    InProgress,
    #[error("this evidence_id belongs to a run of another prompt or model: use a new one")]
    Conflict,
    #[error("there is no input of that id among yours: put it in with fortress_ingest_content")]
    InputNotFound,
    #[error("there is no output file of that name among your runs: fortress_run_agent names it")]
    OutputNotFound,
    #[error("there is no run of that id among yours")]
    JobNotFound,
    #[error("the content of this run was erased by law: what is left of it are its facts")]
    Erased,
    #[error("there is no run or evidence of that id among yours: check job_id and evidence_id")]
    TrailNotFound,
    #[error("name what the trail is of: give job_id, evidence_id, or both")]
    NothingNamed,
    #[error("this idempotency_key was used for something else: use a new one")]
    KeyConflict,
    #[error(
        "this source is the service's own, so nobody else may speak under it: use another name"
    )]
    SourceTaken,
    #[error(
        "subjects that begin with row: or fortress:, and the predicates recorded, content_erased and custody_event are the service's own: use other names"
    )]
    NameTaken,
    #[error("the fact cannot be logged: {0}")]
    Fact(#[from] FactError),
    #[error(transparent)]
    Cursor(#[from] BadCursor),
    #[error(
        "the run took too long and was ended before its answer was signed: run it again, with a new evidence_id"
    )]
    Interrupted,
    #[error(
        "the run cannot be signed ({0}): the operator must check PGP_PRIVATE_KEY and PGP_PUBLIC_KEY"
    )]
    Signing(String),
    #[error(
        "the run is signed but not logged yet ({0}): ask again with the same evidence_id, or leave it, and it is logged within minutes"
    )]
    Unlogged(LedgerError),
    #[error("{0}; ask again: it is logged once, however often it is asked")]
    Ledger(#[from] LedgerError),
    #[error("there is no key of that fingerprint: /keys/history.json names them")]
    KeyNotFound,
    #[error(
        "another key signs by now, and not the successor of this one: /keys/history.json names it"
    )]
    KeyNotActive,
    #[error("this key signs: replace it first with fortress_key_rotate, then revoke it")]
    KeyInUse,
    #[error("this key is revoked already, for as grave a reason: /keys/history.json tells which")]
    RevokedAlready,
    #[error(
        "this key's row was changed meanwhile, or is not there: look at /keys/history.json and ask again"
    )]
    KeyChanged,
    #[error(
        "the run on file is not the one that the fortress signed ({0}), so it is not logged: run it again, with a new evidence_id"
    )]
    NotAsSigned(String),
    #[error(
        "the private half of this key is here no more: revoke it with gpg, and give its public key as revoked_key"
    )]
    HalfGone,
    #[error("PGP_NEXT_PRIVATE_KEY is not set, or is a key that was used before")]
    NoNextKey,
    #[error(
        "the Fortress server signs runs and must have the next key too: put it into PGP_NEXT_PRIVATE_KEY and ask with use_secret"
    )]
    KeyOfTheServer,
    #[error("{0}")]
    InvalidInput(String),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl FortressError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model(error) => error.code(),
            Self::Gateway(error) => error.code(),
            Self::Policy(_) => "POLICY_EXCEEDED",
            Self::Failed(_) => "RUN_FAILED",
            Self::InProgress => "RUN_IN_PROGRESS",
            Self::Conflict => "EVIDENCE_ID_CONFLICT",
            Self::InputNotFound => "INPUT_NOT_FOUND",
            Self::OutputNotFound => "OUTPUT_NOT_FOUND",
            Self::JobNotFound => "JOB_NOT_FOUND",
            Self::Erased => "CONTENT_ERASED",
            Self::TrailNotFound => "RECORD_NOT_FOUND",
            Self::NothingNamed | Self::Cursor(_) | Self::InvalidInput(_) => "INVALID_INPUT",
            Self::KeyConflict => "IDEMPOTENCY_KEY_CONFLICT",
            Self::SourceTaken => "SOURCE_TAKEN",
            Self::NameTaken => "NAME_TAKEN",
            Self::Fact(_) => "INVALID_FACT",
            Self::Interrupted => "RUN_INTERRUPTED",
            Self::Signing(_) => "SIGNING_FAILED",
            Self::Unlogged(error) | Self::Ledger(error) => error.code(),
            Self::Remote(error) => error.code(),
            Self::KeyNotFound => "KEY_NOT_FOUND",
            Self::KeyNotActive => "KEY_NOT_ACTIVE",
            Self::KeyInUse => "KEY_IN_USE",
            Self::RevokedAlready => "KEY_REVOKED_ALREADY",
            Self::KeyChanged => "KEY_CHANGED",
            Self::NotAsSigned(_) => "RUN_NOT_AS_SIGNED",
            Self::HalfGone => "PRIVATE_HALF_GONE",
            Self::NoNextKey | Self::KeyOfTheServer => "NO_NEXT_KEY",
            Self::Database(_) => "DATABASE_UNAVAILABLE",
            Self::Seal(_) | Self::Entropy(_) => "INTERNAL",
        }
    }

    /// What is kept on file of it, and shown to the owner.
    pub(super) fn reason(&self) -> String {
        if self.is_internal() {
            return "the service could not write down what came of it".to_owned();
        }
        self.to_string()
    }

    /// Whether the cause is ours and its words are for the log only.
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Seal(_) | Self::Entropy(_))
    }
}

impl From<GatewayError> for FortressError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Model(error) => Self::Model(without_providers_words(error)),
            other => Self::Gateway(other),
        }
    }
}

/// The error without what the provider wrote, which may repeat the prompt: the reason of a
/// failed run is stored in clear.
fn without_providers_words(error: ModelError) -> ModelError {
    let words = "its words are left out of sealed runs";
    let bare = |error: ProviderError| ProviderError {
        body: words.to_owned(),
        ..error
    };
    match error {
        ModelError::InvalidRequest(error) => ModelError::InvalidRequest(bare(error)),
        ModelError::UnknownModel { model, error } => ModelError::UnknownModel {
            model,
            error: bare(error),
        },
        ModelError::Unauthorized { error, key_name } => ModelError::Unauthorized {
            error: bare(error),
            key_name,
        },
        ModelError::RateLimited {
            error,
            retry_after_ms,
        } => ModelError::RateLimited {
            error: bare(error),
            retry_after_ms,
        },
        ModelError::QuotaExhausted(error) => ModelError::QuotaExhausted(bare(error)),
        ModelError::Unavailable {
            cause,
            may_have_billed,
        } => ModelError::Unavailable {
            cause: match cause.split_once(" - ") {
                Some((status, _)) => format!("{status} - {words}"),
                None => cause,
            },
            may_have_billed,
        },
        ModelError::Malformed(_) => ModelError::Malformed(words.to_owned()),
        other => other,
    }
}
