//! What the domain needs from outside: time, entropy, HTTP, a database, object storage.
//!
//! Futures are not `Send`: an isolate has one thread.

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::LocalBoxFuture;
use futures::stream::LocalBoxStream;

use crate::sql::{DatabaseError, Outcome, Statement};

/// Wall clock and timer.
pub trait Clock {
    /// Milliseconds since the Unix epoch. On Workers it moves only with I/O.
    fn now_ms(&self) -> i64;
    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()>;
}

/// The time zones of the IANA database.
pub trait TimeZones {
    /// What `zone`, such as `Europe/Berlin`, is ahead of UTC at `at_ms`, in milliseconds.
    /// None if there is no such zone.
    fn offset_ms(&self, zone: &str, at_ms: i64) -> Option<i64>;
}

/// Cryptographically secure random bytes.
pub trait Entropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

#[derive(Debug, thiserror::Error)]
#[error("the platform gave no random bytes: {0}")]
pub struct EntropyError(pub String);

/// An outgoing HTTP request. Also the form of calls over service bindings and to
/// Durable Objects, whose adapters ignore the host.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// Until the response's headers, and again between two chunks of its body.
    pub timeout_ms: u64,
    /// Response headers to bring back, lower case: each read crosses into JavaScript.
    pub want_headers: &'static [&'static str],
}

pub type ByteStream = LocalBoxStream<'static, Result<Bytes, HttpError>>;

pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: ByteStream,
}

impl HttpResponse {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The whole body, refused past `limit` bytes.
    pub async fn bytes(mut self, limit: usize) -> Result<Vec<u8>, HttpError> {
        use futures::StreamExt;
        let mut whole = Vec::new();
        while let Some(chunk) = self.body.next().await {
            let chunk = chunk?;
            if whole.len() + chunk.len() > limit {
                return Err(HttpError::TooLarge { limit });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    #[error("no answer within {ms} ms")]
    Timeout { ms: u64 },
    /// No answer came. The host may have taken the request before it hung up.
    #[error("the host could not be reached: {0}")]
    Unreachable(String),
    #[error("the connection broke in the middle of the answer: {0}")]
    Interrupted(String),
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
}

#[async_trait(?Send)]
pub trait Http {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;

    /// The same for whoever reads the whole body, of `limit` bytes at most: it may be awaited with
    /// the headers, and be one piece.
    async fn ask(&self, request: HttpRequest, limit: usize) -> Result<HttpResponse, HttpError> {
        let _whenever = limit;
        self.send(request).await
    }

    /// The status that a GET of `url` is answered with, and the whole body where it is 200, refused
    /// past `limit` bytes.
    async fn get(
        &self,
        url: &str,
        limit: usize,
        timeout_ms: u64,
    ) -> Result<(u16, Vec<u8>), HttpError> {
        let request = HttpRequest {
            method: "GET",
            url: url.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            timeout_ms,
            want_headers: &[],
        };
        let response = self.send(request).await?;
        match response.status {
            200 => Ok((200, response.bytes(limit).await?)),
            status => Ok((status, Vec::new())),
        }
    }
}

/// A relational database: D1 or Postgres, by the same SQL text (see [`crate::sql`]).
#[async_trait(?Send)]
pub trait Database {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError>;
    /// All statements in one transaction, or none of them.
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError>;
}

/// What is kept in a [`Bucket`] under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub bytes: Bytes,
    pub content_type: String,
    /// The `Cache-Control` it is to be served with; empty if it never is.
    pub cache_control: String,
    /// What the storage calls this state of it; empty in one that is to be put.
    pub version: String,
}

/// Most bytes of one object.
pub const MAX_OBJECT_BYTES: usize = 32 * 1024 * 1024;
/// Most keys of one [`Bucket::delete`].
pub const MAX_DELETED_OBJECTS: usize = 1000;

/// Object storage, strongly consistent. After any error of a write it is open whether the write
/// was done: repeat it.
#[async_trait(?Send)]
pub trait Bucket {
    /// `None` if there is no such object; one of more than `limit` bytes is not read.
    async fn get(&self, key: &str, limit: usize) -> Result<Option<Object>, BucketError>;
    /// Replaces what is there.
    async fn put(&self, key: &str, object: Object) -> Result<(), BucketError>;
    /// Replaces nothing but that version, and nothing at all if it is `None`. The version it
    /// becomes, or `None` if something else is there.
    async fn swap(
        &self,
        key: &str,
        object: Object,
        version: Option<&str>,
    ) -> Result<Option<String>, BucketError>;
    /// At most [`MAX_DELETED_OBJECTS`] at once; those that are not there are passed over.
    async fn delete(&self, keys: &[String]) -> Result<(), BucketError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    #[error("object storage did not do it, try again: {0}")]
    Unavailable(String),
    #[error("the object has {bytes} bytes, at most {limit} are taken")]
    TooLarge { bytes: usize, limit: usize },
    #[error("{keys} objects are too many to delete at once: at most {MAX_DELETED_OBJECTS}")]
    TooMany { keys: usize },
}

impl BucketError {
    /// Refuses an object of more than [`MAX_OBJECT_BYTES`].
    pub fn check_size(object: &Object) -> Result<(), Self> {
        match object.bytes.len() {
            bytes if bytes > MAX_OBJECT_BYTES => Err(Self::TooLarge {
                bytes,
                limit: MAX_OBJECT_BYTES,
            }),
            _ => Ok(()),
        }
    }

    /// Refuses more than [`MAX_DELETED_OBJECTS`] keys.
    pub fn check_count(keys: &[String]) -> Result<(), Self> {
        match keys.len() {
            keys if keys > MAX_DELETED_OBJECTS => Err(Self::TooMany { keys }),
            _ => Ok(()),
        }
    }
}

/// ES256 (RFC 7518 section 3.4) by the platform, whose own code is many times faster than
/// ours. Keys are JWKs in JSON; `kid` names one for good, so that it need not be read again.
/// Signatures are `r || s`, 64 bytes.
#[async_trait(?Send)]
pub trait Es256 {
    /// `jwk` holds the private member `d`.
    async fn sign(&self, kid: &str, jwk: &str, message: &[u8]) -> Result<Vec<u8>, Es256Error>;
    async fn verify(
        &self,
        kid: &str,
        jwk: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Es256Error>;
}

#[derive(Debug, thiserror::Error)]
#[error("the key could not be used: {0}")]
pub struct Es256Error(pub String);

/// Work that outlives the response, such as audit rows. The platform keeps the isolate
/// alive for it.
pub trait Background {
    fn spawn(&self, work: LocalBoxFuture<'static, ()>);
}

/// Structured log lines. A line never holds a body, a prompt, a token or a key.
pub trait Log {
    /// `event` is a constant name; what varies stands in `fields`, an object.
    fn record(&self, level: Level, event: &str, fields: serde_json::Value);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}
