//! What a run asked of the model, as the proxy saw it.

use chitty_core::fortress::{Provider, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One call, in the provider's words, without what was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// HTTP; none if no answer came.
    pub status: Option<u16>,
    pub model: Option<String>,
    pub request_id: Option<String>,
    pub response_id: Option<String>,
    pub service_tier: Option<String>,
    pub system_fingerprint: Option<String>,
    pub finish_reason: Option<String>,
    /// As the provider reported it.
    pub usage: Option<Value>,
    /// Of what was sent: no prompt has more tokens than bytes.
    pub request_bytes: usize,
    pub started_ms: i64,
    pub total_ms: i64,
}

impl Call {
    /// A call that began; `answer` fills it.
    pub fn begun(started_ms: i64, request_bytes: usize) -> Self {
        Self {
            status: None,
            model: None,
            request_id: None,
            response_id: None,
            service_tier: None,
            system_fingerprint: None,
            finish_reason: None,
            usage: None,
            request_bytes,
            started_ms,
            total_ms: 0,
        }
    }

    pub fn answered(&mut self, status: u16, request_id: Option<String>, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |pointer: &str| body.pointer(pointer)?.as_str().map(str::to_owned);
        self.status = Some(status);
        self.request_id = request_id;
        self.model = text("/model");
        self.response_id = text("/id");
        self.service_tier = text("/service_tier");
        self.system_fingerprint = text("/system_fingerprint");
        self.finish_reason = text("/choices/0/finish_reason");
        self.usage = body.get("usage").filter(|usage| usage.is_object()).cloned();
    }

    fn is_good(&self) -> bool {
        self.status.is_some_and(|status| status == 200)
    }
}

/// The provider, by its last good answer; empty where there was none.
pub fn provider(calls: &[Call], host: &str) -> Provider {
    let last = calls.iter().rev().find(|call| call.is_good());
    let of = |field: fn(&Call) -> &Option<String>| last.and_then(|call| field(call).clone());
    Provider {
        host: host.to_owned(),
        request_id: of(|call| &call.request_id),
        response_id: of(|call| &call.response_id),
        service_tier: of(|call| &call.service_tier),
        system_fingerprint: of(|call| &call.system_fingerprint),
        finish_reason: of(|call| &call.finish_reason).unwrap_or_default(),
    }
}

/// The model that gave the last good answer.
pub fn model(calls: &[Call]) -> String {
    let last = calls.iter().rev().find(|call| call.is_good());
    last.and_then(|call| call.model.clone()).unwrap_or_default()
}

/// The sum over all good answers; none if there was none, one of them lacks it, or one may have
/// been given that never came.
pub fn usage(calls: &[Call]) -> Option<Usage> {
    let mut sum: Option<Usage> = None;
    let may_have_used = |call: &&Call| call.is_good() || call.status.is_none();
    for call in calls.iter().filter(may_have_used) {
        let one: Usage = counts(call.usage.as_ref()?)?;
        let so_far = sum.get_or_insert(Usage {
            prompt_tokens: 0,
            completion_tokens: 0,
            total_tokens: 0,
        });
        so_far.prompt_tokens += one.prompt_tokens;
        so_far.completion_tokens += one.completion_tokens;
        so_far.total_tokens += one.total_tokens;
    }
    sum
}

fn counts(usage: &Value) -> Option<Usage> {
    let count = |name: &str| usage.get(name)?.as_u64().filter(|&count| count < 1 << 40);
    Some(Usage {
        prompt_tokens: count("prompt_tokens")?,
        completion_tokens: count("completion_tokens")?,
        total_tokens: count("total_tokens")?,
    })
}

/// What went wrong last, for the reason of a failed run.
pub fn last_trouble(calls: &[Call]) -> Option<String> {
    match calls.last()?.status {
        Some(200) => None,
        Some(status) => Some(format!("the model's last answer was HTTP {status}")),
        None => Some("the model gave no answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(status: u16, body: &Value) -> Call {
        let mut call = Call::begun(1, 9);
        call.answered(status, Some("req".to_owned()), body.to_string().as_bytes());
        call
    }

    #[test]
    fn usage_is_the_sum_or_unknown() {
        let usage_of = |prompt: u64| json!({"usage": {"prompt_tokens": prompt, "completion_tokens": 1, "total_tokens": prompt + 1}});
        let two = [
            call(200, &usage_of(3)),
            call(500, &json!({})),
            call(200, &usage_of(4)),
        ];
        let sum = usage(&two).unwrap();
        assert_eq!(
            (sum.prompt_tokens, sum.completion_tokens, sum.total_tokens),
            (7, 2, 9)
        );
        assert!(usage(&[call(200, &usage_of(3)), call(200, &json!({}))]).is_none());
        assert!(usage(&[call(200, &json!({"usage": {"prompt_tokens": -1}}))]).is_none());
        assert!(usage(&[]).is_none());
        assert!(usage(&[call(200, &usage_of(3)), Call::begun(1, 9)]).is_none());
    }

    #[test]
    fn the_last_good_answer_names_model_and_provider() {
        let calls = [
            call(
                200,
                &json!({"model": "gpt-4-0613", "id": "r-1", "choices": [{"finish_reason": "stop"}]}),
            ),
            call(429, &json!({})),
        ];
        assert_eq!(model(&calls), "gpt-4-0613");
        let provider = provider(&calls, "model.test");
        assert_eq!(provider.response_id.as_deref(), Some("r-1"));
        assert_eq!(provider.finish_reason, "stop");
        assert_eq!(
            last_trouble(&calls).as_deref(),
            Some("the model's last answer was HTTP 429")
        );
        assert_eq!(last_trouble(&calls[..1]), None);
        assert_eq!(last_trouble(&[]), None);
    }
}
