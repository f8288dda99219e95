//! Authorities over HTTP, in turns.

use std::cell::RefCell;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;

use super::super::client::{AskError, Authorities, MAX_OFF_MS, Stamped};
use super::super::{StampError, TimestampRequest};
use super::authority::{Authority, p256};
use super::request;
use crate::ports::{Http, HttpError, HttpRequest, HttpResponse};
use crate::testing::block_on;

/// Hosts `ok…` stamp, `down…` do not answer, `busy…` answer 503, `huge…` too much, `old…` with
/// a reply to another request.
struct Hosts {
    authority: Authority,
    asked: RefCell<Vec<String>>,
}

#[async_trait(?Send)]
impl Http for Hosts {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let content_type = ("content-type", "application/timestamp-query".to_owned());
        assert!(request.method == "POST" && request.headers.contains(&content_type));
        assert!(request.timeout_ms <= 10_000);
        let host = request.url.strip_prefix("http://").unwrap().to_owned();
        self.asked.borrow_mut().push(host.clone());
        let (status, body) = match host.trim_end_matches(char::is_numeric) {
            "ok" => (200, self.authority.reply(&request.body)),
            "busy" => (503, Vec::new()),
            "huge" => (200, vec![0; 100_000]),
            "old" => {
                let other = TimestampRequest::new(super::request().hash, [9; 8]);
                (200, self.authority.reply(&other.to_der()))
            }
            _ => return Err(HttpError::Timeout { ms: 10_000 }),
        };
        Ok(HttpResponse {
            status,
            headers: Vec::new(),
            body: Box::pin(stream::iter([Ok(Bytes::from(body))])),
        })
    }
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn hosts() -> Hosts {
    Hosts {
        authority: p256(),
        asked: RefCell::default(),
    }
}

/// What comes of asking, and who was asked.
fn ask(
    http: &Hosts,
    names: &[&str],
    turn: u64,
    now_ms: i64,
) -> (Option<Stamped>, Vec<AskError>, Vec<String>) {
    let authorities = Authorities {
        urls: names.iter().map(|host| format!("http://{host}")).collect(),
        anchors: http.authority.anchors(),
    };
    let (stamped, failed) = block_on(authorities.stamp(http, &request(), turn, now_ms));
    let errors = failed.into_iter().map(|failed| failed.error).collect();
    (stamped, errors, http.asked.take())
}

#[test]
fn authorities_take_turns() {
    let http = hosts();
    for (turn, first) in [(0, "ok0"), (1, "ok1"), (2, "ok0"), (u64::MAX, "ok1")] {
        let (stamped, failed, asked) = ask(&http, &["ok0", "ok1"], turn, now_ms());
        assert_eq!((asked, failed), (vec![first.to_owned()], vec![]));
        let stamped = stamped.unwrap();
        assert_eq!(stamped.url, format!("http://{first}"));
        // The reply as it came.
        assert!(
            http.authority
                .openssl_accepts(&request().to_der(), &stamped.reply)
        );
    }
}

#[test]
fn the_next_is_asked_when_one_fails() {
    let names = ["down", "busy", "huge", "old", "ok"];
    let (stamped, failed, asked) = ask(&hosts(), &names, 0, now_ms());
    assert_eq!(stamped.unwrap().url, "http://ok");
    assert_eq!(asked, names);
    assert!(matches!(failed[0], AskError::Unavailable(_)));
    assert_eq!(failed[1], AskError::Status(503));
    assert!(matches!(failed[2], AskError::Unavailable(_)));
    assert_eq!(failed[3], AskError::Stamp(StampError::OtherRequest));
}

#[test]
fn each_is_asked_once_and_none_where_there_is_none() {
    let (stamped, failed, asked) = ask(&hosts(), &["down1", "down2"], 1, now_ms());
    assert!(stamped.is_none());
    assert_eq!(
        (failed.len(), asked),
        (2, vec!["down2".to_owned(), "down1".to_owned()])
    );
    let (stamped, failed, _) = ask(&hosts(), &[], 5, 0);
    assert!(stamped.is_none() && failed.is_empty());
}

#[test]
fn a_clock_that_is_off_is_noticed() {
    let http = hosts();
    for off_ms in [-MAX_OFF_MS - 60_000, MAX_OFF_MS + 60_000] {
        let (stamped, failed, _) = ask(&http, &["ok"], 0, now_ms() + off_ms);
        assert!(stamped.is_none());
        assert!(matches!(
            failed[0],
            AskError::Stamp(StampError::NotNow { .. })
        ));
    }
}
