use chitty_core::ports::{Level, Log};
use serde_json::{Value, json};
use wasm_bindgen::JsValue;

/// One JSON object a line to the console, which Cloudflare's log tools index.
#[derive(Debug, Clone)]
pub struct ConsoleLog {
    /// Lines below are dropped.
    pub level: Level,
    /// The worker's name.
    pub service: &'static str,
    pub request_id: String,
}

impl Log for ConsoleLog {
    fn record(&self, level: Level, event: &str, fields: Value) {
        if level < self.level {
            return;
        }
        let line = JsValue::from(self.line(level, event, &fields));
        match level {
            Level::Debug => web_sys::console::debug_1(&line),
            Level::Info => web_sys::console::log_1(&line),
            Level::Warn => web_sys::console::warn_1(&line),
            Level::Error => web_sys::console::error_1(&line),
        }
    }
}

impl ConsoleLog {
    fn line(&self, level: Level, event: &str, fields: &Value) -> String {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        json!({
            "level": level,
            "service": self.service,
            "request_id": self.request_id,
            "event": event,
            "fields": fields,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let log = ConsoleLog {
            level: Level::Debug,
            service: "chatgpt",
            request_id: "req-1".into(),
        };
        let line = log.line(Level::Warn, "slow", &json!({"ms": 5, "note": "a\nb"}));
        assert!(!line.contains('\n'));
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["level"], "warn");
        assert_eq!(read["request_id"], "req-1");
        assert_eq!(read["fields"]["note"], "a\nb");
    }
}
