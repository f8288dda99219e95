//! One JSON object a line on standard error. Never content, never a key.

use chitty_core::ports::Clock;
use serde_json::{Value, json};

use super::system::System;

/// `fields` is an object.
pub fn log(level: &str, event: &str, fields: &Value) {
    let time = chitty_core::time::to_rfc3339(System.now_ms());
    eprintln!(
        "{}",
        json!({ "time": time, "level": level, "event": event, "fields": fields })
    );
}
