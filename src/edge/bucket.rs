//! R2 as the core's object storage.

use async_trait::async_trait;
use bytes::Bytes;
use chitty_core::ports::{Bucket, BucketError, Object};
use serde::Deserialize;
use serde_json::json;
use wasm_bindgen::JsValue;

use crate::clock::within;
use crate::web::Ticket;

const TIMEOUT_MS: u64 = 10_000;

/// An R2 bucket.
pub struct R2(JsValue);

/// What `web.js` says of an object before its bytes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    size: usize,
    content_type: String,
    cache_control: String,
    etag: String,
}

impl R2 {
    pub fn new(bucket: worker::Bucket) -> Self {
        Self(JsValue::from(bucket))
    }

    /// The new version, if `only_if` held.
    async fn upload(
        &self,
        key: &str,
        object: &Object,
        only_if: &serde_json::Value,
    ) -> Result<Option<String>, BucketError> {
        BucketError::check_size(object)?;
        let only_if = only_if.to_string();
        let told = settle(Ticket::upload(&self.0, key, object, &only_if)).await?;
        let version = String::from_utf8(told).map_err(|_| unavailable("an unreadable answer"))?;
        Ok((!version.is_empty()).then_some(version))
    }
}

#[async_trait(?Send)]
impl Bucket for R2 {
    async fn get(&self, key: &str, limit: usize) -> Result<Option<Object>, BucketError> {
        let told = settle(Ticket::download(&self.0, key, limit)).await?;
        if told.is_empty() {
            return Ok(None);
        }
        let (head, bytes) =
            split(&Bytes::from(told)).ok_or_else(|| unavailable("an unreadable answer"))?;
        if head.size > limit {
            let bytes = head.size;
            return Err(BucketError::TooLarge { bytes, limit });
        }
        Ok(Some(Object {
            bytes,
            content_type: head.content_type,
            cache_control: head.cache_control,
            version: head.etag,
        }))
    }

    async fn put(&self, key: &str, object: Object) -> Result<(), BucketError> {
        self.upload(key, &object, &json!(null)).await.map(drop)
    }

    async fn swap(
        &self,
        key: &str,
        object: Object,
        version: Option<&str>,
    ) -> Result<Option<String>, BucketError> {
        let only_if = match version {
            Some(version) => json!({ "etagMatches": version }),
            None => json!({ "etagDoesNotMatch": "*" }),
        };
        self.upload(key, &object, &only_if).await
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        BucketError::check_count(keys)?;
        let keys = json!(keys).to_string();
        settle(Ticket::erase(&self.0, &keys)).await.map(drop)
    }
}

async fn settle(ticket: Ticket) -> Result<Vec<u8>, BucketError> {
    let Some(told) = within(TIMEOUT_MS, ticket).await else {
        return Err(unavailable(&format!("no answer within {TIMEOUT_MS} ms")));
    };
    let fault = told.fault;
    told.bytes
        .ok_or_else(|| unavailable(&fault.unwrap_or_default()))
}

fn unavailable(cause: &str) -> BucketError {
    BucketError::Unavailable(cause.to_owned())
}

fn split(told: &Bytes) -> Option<(Head, Bytes)> {
    let (length, _) = told.split_first_chunk::<4>()?;
    let start = 4 + usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let head = serde_json::from_slice(told.get(4..start)?).ok()?;
    Some((head, told.slice(start..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_head_and_the_bytes() {
        let head = br#"{"size":3,"contentType":"text/plain","cacheControl":"","etag":"e"}"#;
        let mut told = u32::try_from(head.len()).unwrap().to_be_bytes().to_vec();
        told.extend(head);
        told.extend(b"abc");
        let told = Bytes::from(told);
        let (parsed, bytes) = split(&told).unwrap();
        assert_eq!(
            (parsed.size, parsed.content_type.as_str()),
            (3, "text/plain")
        );
        assert_eq!(bytes.as_ref(), b"abc");
        for cut in 0..4 + head.len() {
            assert!(split(&told.slice(..cut)).is_none(), "{cut}");
        }
    }
}
