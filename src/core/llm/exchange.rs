//! One request to one provider, from its first byte to the answer's last.

use futures::StreamExt;
use futures::future::{Either, select};

use super::arriving::Arriving;
use super::draft::Fault;
use super::refusal::{Refusal, WANTED_HEADERS};
use super::scrub::scrub;
use super::stop::Wish;
use super::{Delta, Limits, ModelError, ModelRequest, Stop, Target};
use crate::ports::{Clock, Http, HttpError, HttpRequest, HttpResponse};

/// A token, in bytes of text.
const TOKEN_BYTES: usize = 4;

/// Whoever listens to a stream.
pub(super) struct Live<'a> {
    pub stop: &'a Stop,
    pub on_delta: &'a mut dyn FnMut(&Delta),
}

/// A request as it goes out, as often as it has to.
pub(super) struct Outgoing {
    http: HttpRequest,
    pub dropped: Vec<String>,
    pub default_max_tokens: Option<u32>,
}

impl Outgoing {
    pub fn new(
        request: &ModelRequest,
        target: &Target,
        streamed: bool,
        limits: &Limits,
    ) -> Result<Self, ModelError> {
        let provider = &*target.provider;
        let key = provider.key().ok_or_else(|| ModelError::NotConfigured {
            key_name: provider.key_name.clone(),
        })?;
        let protocol = provider.dialect.protocol();
        let encoded = protocol
            .encode(request, &target.model, streamed)
            .map_err(|unsupported| ModelError::Unsupported {
                provider: provider.title().to_owned(),
                parameter: unsupported.parameter,
                advice: unsupported.advice,
            })?;
        let body = serde_json::to_vec(&encoded.body).map_err(|error| {
            ModelError::Malformed(format!("the request has no JSON form: {error}"))
        })?;
        let mut headers = protocol.headers(key);
        headers.push(("content-type", "application/json".to_owned()));
        Ok(Self {
            http: HttpRequest {
                method: "POST",
                url: format!("{}{}", provider.base_url, protocol.path()),
                headers,
                body: body.into(),
                timeout_ms: if streamed {
                    limits.idle_ms
                } else {
                    limits.total_ms
                },
                want_headers: WANTED_HEADERS,
            },
            dropped: encoded.dropped,
            default_max_tokens: encoded.default_max_tokens,
        })
    }
}

/// Why an exchange gave no whole answer.
pub(super) enum Failure {
    /// With the pause after which it may be repeated.
    Error(ModelError, Option<u64>),
    Stopped,
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Error(error, None)
    }
}

pub(super) struct Exchange<'a> {
    pub http: &'a dyn Http,
    pub clock: &'a dyn Clock,
    pub target: &'a Target,
    pub limits: Limits,
    pub retries: u32,
}

impl Exchange<'_> {
    /// Sends, and reads the answer into `arriving`, for `left_ms` at most.
    pub async fn run(
        &self,
        outgoing: &Outgoing,
        left_ms: u64,
        arriving: &mut Arriving,
        live: Option<&mut Live<'_>>,
    ) -> Result<(), Failure> {
        let stop = live.as_ref().map(|live| live.stop.clone());
        let work = Box::pin(self.work(outgoing, arriving, live));
        let over = Box::pin(self.over(stop));
        let bound = select(over, self.clock.sleep(left_ms));
        match select(work, bound).await {
            Either::Left((ended, _)) => ended,
            Either::Right((Either::Left(_), _)) => Err(Failure::Stopped),
            Either::Right((Either::Right(_), _)) => Err(timeout(self.limits.total_ms).into()),
        }
    }

    async fn work(
        &self,
        outgoing: &Outgoing,
        arriving: &mut Arriving,
        live: Option<&mut Live<'_>>,
    ) -> Result<(), Failure> {
        let request = outgoing.http.clone();
        let response = match live {
            Some(_) => self.http.send(request).await,
            None => self.http.ask(request, self.limits.max_answer_bytes).await,
        };
        let response = match response {
            Ok(response) if response.status / 100 == 2 => response,
            Ok(response) => return Err(self.refused(response, arriving).await),
            // workerd says the same of a host that took the request and hung up, so the work
            // may be done and billed.
            Err(HttpError::Unreachable(cause)) => {
                let error = ModelError::Unavailable {
                    cause: format!("the connection failed: {cause}"),
                    may_have_billed: true,
                };
                return Err(error.into());
            }
            Err(error) => return Err(broken(error).into()),
        };
        arriving.begun = true;
        arriving.provider_request_id = request_id(&response);
        match live {
            Some(live) => self.read_stream(response, arriving, live).await,
            None => self.read_whole(response, arriving).await,
        }
    }

    async fn read_whole(
        &self,
        response: HttpResponse,
        arriving: &mut Arriving,
    ) -> Result<(), Failure> {
        let limit = self.limits.max_answer_bytes;
        let body = response.bytes(limit).await.map_err(broken)?;
        arriving.take_whole(&body).map_err(|fault| match fault {
            Fault::Shape(cause) => ModelError::Malformed(cause),
            Fault::TooLarge(limit) => too_large(limit),
            Fault::Provider(words) => ModelError::Unavailable {
                cause: self.scrubbed(&words),
                may_have_billed: true,
            },
        })?;
        if arriving.draft.is_whole() {
            return Ok(());
        }
        let missing = "it has no choice, model or finish_reason".to_owned();
        Err(ModelError::Malformed(missing).into())
    }

    async fn read_stream(
        &self,
        response: HttpResponse,
        arriving: &mut Arriving,
        live: &mut Live<'_>,
    ) -> Result<(), Failure> {
        let mut body = response.body;
        let mut heard_bytes = None;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(broken)?;
            let Live { stop, on_delta } = live;
            let mut hand_on = |delta: &Delta| {
                if stop.wished() == Wish::GoOn {
                    on_delta(delta);
                }
            };
            let ended = arriving
                .take(&piece, self.clock.now_ms(), &mut hand_on)
                .map_err(|fault| self.cut(fault))?;
            if ended {
                break;
            }
            if stop.wished() != Wish::GoOn {
                let heard = *heard_bytes.get_or_insert(arriving.draft.bytes);
                let drained = (arriving.draft.bytes - heard) / TOKEN_BYTES;
                let cap = usize::try_from(self.limits.drain_tokens).unwrap_or(usize::MAX);
                if stop.wished() == Wish::Abort || drained > cap {
                    return Err(Failure::Stopped);
                }
            }
        }
        if arriving.draft.is_whole() {
            return Ok(());
        }
        Err(interrupted("the stream ended before the answer did".to_owned()).into())
    }

    /// Ready when the client wants no more, or has left and the time for draining is over.
    async fn over(&self, stop: Option<Stop>) {
        let Some(stop) = stop else {
            return std::future::pending().await;
        };
        stop.until(Wish::Drain).await;
        let aborted = Box::pin(stop.until(Wish::Abort));
        select(aborted, self.clock.sleep(self.limits.drain_ms)).await;
    }

    async fn refused(&self, response: HttpResponse, arriving: &mut Arriving) -> Failure {
        arriving.provider_request_id = request_id(&response);
        let refusal = Refusal::read(response).await;
        let error = refusal.error(&self.target.provider, &self.target.model);
        let pause_ms = refusal.pause_ms(&error, self.retries);
        Failure::Error(error, pause_ms)
    }

    fn cut(&self, fault: Fault) -> ModelError {
        match fault {
            Fault::Shape(cause) => interrupted(cause),
            Fault::Provider(words) => interrupted(self.scrubbed(&words)),
            Fault::TooLarge(limit) => too_large(limit),
        }
    }

    fn scrubbed(&self, words: &str) -> String {
        scrub(words, self.target.provider.key().unwrap_or_default())
    }
}

fn request_id(response: &HttpResponse) -> Option<String> {
    let id = response.header("x-request-id");
    id.or_else(|| response.header("request-id"))
        .map(str::to_owned)
}

fn timeout(ms: u64) -> ModelError {
    ModelError::Timeout {
        ms,
        partial: String::new(),
    }
}

fn interrupted(cause: String) -> ModelError {
    ModelError::Interrupted {
        cause,
        partial: String::new(),
    }
}

fn too_large(limit: usize) -> ModelError {
    ModelError::TooLarge {
        limit,
        partial: String::new(),
    }
}

/// An error after the request went out.
fn broken(error: HttpError) -> ModelError {
    match error {
        HttpError::Timeout { ms } => timeout(ms),
        HttpError::TooLarge { limit } => too_large(limit),
        HttpError::Unreachable(cause) | HttpError::Interrupted(cause) => interrupted(cause),
    }
}
