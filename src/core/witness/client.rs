//! The log's side of `add-checkpoint` (C2SP tlog-witness v1.0.0).

use async_trait::async_trait;
use bytes::Bytes;

use super::keys::{Cosignature, WitnessKey};
use super::request::{AddCheckpoint, RequestError};
use super::server::SIZE_TYPE;
use crate::chain::checkpoint::parse_decimal;
use crate::chain::hash::Hash;
use crate::chain::note::Note;
use crate::ports::{Http, HttpError, HttpRequest};

/// How long a witness may take to answer.
const TIMEOUT_MS: u64 = 10_000;
/// Largest answer, in bytes: some cosignatures.
const MAX_ANSWER: usize = 64 * 1024;
/// Longest text of a refusal that is passed on.
const MAX_REASON_CHARS: usize = 200;

/// Where a witness is, and what it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteWitness {
    pub key: WitnessKey,
    /// Submission prefix, without a slash at the end.
    pub url: String,
}

/// Who proves that a log only grew.
#[async_trait(?Send)]
pub trait Prover {
    /// The proof from the tree of `first` leaves to that of `second` (RFC 6962 section 2.1.2).
    async fn prove(&self, first: u64, second: u64) -> Result<Vec<Hash>, String>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    #[error("the witness did not answer: {0}")]
    Unavailable(String),
    #[error("the log could not prove that it only grew: {0}")]
    NoProof(String),
    #[error("the checkpoint cannot be sent: {0}")]
    Request(#[from] RequestError),
    #[error(
        "the witness does not know the log's key, or finds the signature wrong (403): give its operator the log's verifier key"
    )]
    NotSigned,
    #[error(
        "the witness does not know this log (404): give its operator the log's verifier key, and check the URL"
    )]
    UnknownLog,
    #[error(
        "the witness has cosigned {witnessed} leaves of this log and was sent {size}: a newer head is out, or the log was set back"
    )]
    Behind { witnessed: u64, size: u64 },
    #[error(
        "the witness has cosigned another tree of the same {size} leaves: the log has forked, stop writing and compare the heads that the witness kept"
    )]
    Forked { size: u64 },
    #[error(
        "the witness does not find the checkpoint consistent with the {witnessed} leaves it has seen (422): the log was rewritten, or a proof is damaged"
    )]
    Inconsistent { witnessed: u64 },
    #[error("the witness's state changed while it was asked, ask again later")]
    Busy,
    #[error("the witness answered {status}: {reason}")]
    Refused { status: u16, reason: String },
    #[error("the witness answered without a cosignature of its key that holds")]
    NotCosigned,
}

enum Answered {
    Cosigned(Box<Cosignature>),
    /// 409, with the size to prove from.
    Expects(u64),
}

impl RemoteWitness {
    /// Has `note`, a signed checkpoint, cosigned. `known_size` is what the witness is thought
    /// to have seen; 0 does, for it then says what it has.
    ///
    /// # Errors
    /// What kept it, and what to do.
    pub async fn cosign(
        &self,
        http: &dyn Http,
        prover: &dyn Prover,
        note: &Note,
        known_size: u64,
    ) -> Result<Cosignature, WitnessError> {
        let size = AddCheckpoint::new(0, Vec::new(), note.clone())?.head.size;
        let first = known_size.min(size);
        let expected = match self.add(http, prover, note, (first, size)).await? {
            Answered::Cosigned(cosignature) => return Ok(*cosignature),
            Answered::Expects(expected) => expected,
        };
        // Once only: a witness that says a third size is being sent others' checkpoints.
        if expected == first && expected == size {
            return Err(WitnessError::Forked { size });
        }
        if expected > size {
            let witnessed = expected;
            return Err(WitnessError::Behind { witnessed, size });
        }
        match self.add(http, prover, note, (expected, size)).await? {
            Answered::Cosigned(cosignature) => Ok(*cosignature),
            Answered::Expects(again) if again == expected && again == size => {
                Err(WitnessError::Forked { size })
            }
            Answered::Expects(_) => Err(WitnessError::Busy),
        }
    }

    async fn add(
        &self,
        http: &dyn Http,
        prover: &dyn Prover,
        note: &Note,
        (old_size, size): (u64, u64),
    ) -> Result<Answered, WitnessError> {
        let proof = if old_size == 0 || old_size == size {
            Vec::new()
        } else {
            let proof = prover.prove(old_size, size).await;
            proof.map_err(WitnessError::NoProof)?
        };
        let request = AddCheckpoint::new(old_size, proof, note.clone())?;
        let (status, media_type, body) = self.post(http, request.to_string()).await?;
        match status {
            200 => self
                .read_cosignature(note, &body)
                .map(|cosignature| Answered::Cosigned(Box::new(cosignature)))
                .ok_or(WitnessError::NotCosigned),
            403 => Err(WitnessError::NotSigned),
            404 => Err(WitnessError::UnknownLog),
            409 if media_type == SIZE_TYPE => body
                .strip_suffix('\n')
                .and_then(parse_decimal)
                .map(Answered::Expects)
                .ok_or_else(|| refused(status, &body)),
            // Another root of the same size; newer witnesses answer 422 to that.
            409 | 422 if old_size == size => Err(WitnessError::Forked { size }),
            422 => Err(WitnessError::Inconsistent {
                witnessed: old_size,
            }),
            _ => Err(refused(status, &body)),
        }
    }

    async fn post(
        &self,
        http: &dyn Http,
        body: String,
    ) -> Result<(u16, String, String), WitnessError> {
        let unavailable = |error: HttpError| WitnessError::Unavailable(error.to_string());
        let response = http
            .send(HttpRequest {
                method: "POST",
                url: format!("{}/add-checkpoint", self.url),
                headers: vec![("content-type", "text/plain; charset=utf-8".to_owned())],
                body: Bytes::from(body),
                timeout_ms: TIMEOUT_MS,
                want_headers: &["content-type"],
            })
            .await
            .map_err(unavailable)?;
        let status = response.status;
        let media_type = response.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default();
        let media_type = media_type.trim().to_owned();
        let body = response.bytes(MAX_ANSWER).await.map_err(unavailable)?;
        Ok((
            status,
            media_type,
            String::from_utf8_lossy(&body).into_owned(),
        ))
    }

    /// The signature lines of the answer stand behind the checkpoint's own, as the
    /// specification proposes; those of other keys are ignored.
    fn read_cosignature(&self, note: &Note, lines: &str) -> Option<Cosignature> {
        let answered = Note::parse(&format!("{note}{lines}")).ok()?;
        // An empty line among them would make the log's own signatures part of the text.
        if answered.text() != note.text() {
            return None;
        }
        let newest = self.key.cosignatures(&answered).ok()?;
        newest.into_iter().max_by_key(|found| found.time_s)
    }
}

fn refused(status: u16, body: &str) -> WitnessError {
    WitnessError::Refused {
        status,
        reason: body.chars().take(MAX_REASON_CHARS).collect(),
    }
}
