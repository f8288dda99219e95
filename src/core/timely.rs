//! Answers of strangers: whole within a time, or none.

use std::rc::Rc;

use async_trait::async_trait;
use futures::future::{Either, select};
use futures::{StreamExt, stream};

use crate::ports::{Clock, Http, HttpError, HttpRequest, HttpResponse};

/// Bytes of an answer.
const MOST: usize = 1 << 20;

/// Reads the whole answer before it is given on. A request's own time is between two pieces of the
/// answer, so whoever sends a byte at a time could hold its asker for days.
pub struct Timely {
    pub http: Rc<dyn Http>,
    pub clock: Rc<dyn Clock>,
    /// From the request to the answer's last byte.
    pub total_ms: u64,
}

impl Timely {
    async fn by<T>(&self, until_ms: i64, work: impl Future<Output = T>) -> Result<T, HttpError> {
        let late = HttpError::Timeout { ms: self.total_ms };
        let left_ms = until_ms.saturating_sub(self.clock.now_ms());
        let Ok(left_ms @ 1..) = u64::try_from(left_ms) else {
            return Err(late);
        };
        match select(std::pin::pin!(work), self.clock.sleep(left_ms)).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(_) => Err(late),
        }
    }
}

#[async_trait(?Send)]
impl Http for Timely {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let total_ms = i64::try_from(self.total_ms).unwrap_or(i64::MAX);
        let until_ms = self.clock.now_ms().saturating_add(total_ms);
        let mut response = self.by(until_ms, self.http.send(request)).await??;
        let mut whole = Vec::new();
        while let Some(piece) = self.by(until_ms, response.body.next()).await? {
            whole.extend_from_slice(&piece?);
            if whole.len() > MOST {
                return Err(HttpError::TooLarge { limit: MOST });
            }
        }
        Ok(HttpResponse {
            body: stream::iter([Ok(whole.into())]).boxed_local(),
            ..response
        })
    }
}
