use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{AnchorStore, Vouchers};
use crate::sql::Sql;

/// Requests to the object of the anchors, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// The log has grown: anchor it soon.
    Grown,
    /// What is vouched for of the log's first leaves, so many; without a number the newest.
    Covering(Option<u64>),
}

/// An HTTP status and a JSON text.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub body: String,
    /// [`super::Keeper::tend`] is to be called soon.
    pub due: bool,
}

/// Answers one request.
pub fn serve<S: Sql>(store: &AnchorStore<S>, vouchers: &Vouchers, body: &[u8]) -> Answered {
    let Ok(command) = serde_json::from_slice::<Command>(body) else {
        return refused(
            400,
            "invalid_command",
            "the body is no command of the anchors",
        );
    };
    match command {
        Command::Grown => Answered {
            status: 200,
            body: "null".to_owned(),
            due: !vouchers.is_nobody(),
        },
        Command::Covering(size) => match vouchers.judge(store, size) {
            Ok(anchoring) => Answered {
                status: 200,
                body: json!(anchoring).to_string(),
                due: false,
            },
            Err(error) => refused(503, "storage_failed", &error.to_string()),
        },
    }
}

fn refused(status: u16, code: &str, message: &str) -> Answered {
    Answered {
        status,
        body: json!({ "code": code, "message": message }).to_string(),
        due: false,
    }
}
