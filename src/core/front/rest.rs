//! The REST face, the same for all workers.

use serde_json::{Map, Value};

use super::actions::Face;
use super::paths::{open_preflight, with_open_cors};
use super::{Dependencies, Front, Incoming, Routes};
use crate::actions::{Asked, error_reply};
use crate::http::HttpReply;
use crate::mcp::tool::INVALID_ARGUMENTS;
use crate::rest::{Operation, PathField, Place, from_query, join};

impl<T: Dependencies + Routes + 'static> Front<'_, T> {
    pub(super) async fn rest(
        &self,
        incoming: &dyn Incoming,
        method: &str,
        place: Place<'_>,
    ) -> HttpReply {
        if let Some(refused) = self.foreign_host(incoming) {
            return refused;
        }
        let allow = place.allow();
        let wanted = if method == "HEAD" { "GET" } else { method };
        match place {
            _ if method == "OPTIONS" => return open_preflight(&allow),
            Place::Document if wanted == "GET" => return self.document(incoming, Face::Rest),
            Place::Document => {}
            Place::Resource(held) => {
                let mut held = held.into_iter();
                if let Some((operation, path)) = held.find(|(one, _)| one.rest.method == wanted) {
                    return with_open_cors(self.operation(incoming, operation, &path).await);
                }
            }
        }
        with_open_cors(self.wrong_method(method).with_header("allow", allow))
    }

    async fn operation(
        &self,
        incoming: &dyn Incoming,
        operation: Operation<'_>,
        path: &[PathField],
    ) -> HttpReply {
        let principal = match self.identify(incoming).await {
            Ok(principal) => principal,
            Err(refused) => return self.refused_entry(&refused),
        };
        let fields = match self.fields(incoming, operation, path).await {
            Ok(fields) => fields,
            Err(refused) => return refused,
        };
        let asked = Asked {
            tool: operation.about.name,
            request_id: self.request_id,
            status: operation.rest.status,
            max_bytes: usize::MAX,
        };
        self.called(incoming, principal, fields, asked).await
    }

    async fn fields(
        &self,
        incoming: &dyn Incoming,
        operation: Operation<'_>,
        path: &[PathField],
    ) -> Result<Map<String, Value>, HttpReply> {
        let unfit =
            |message: String| error_reply(400, INVALID_ARGUMENTS, &message, self.request_id);
        let schema = operation.schema("inputSchema");
        let query = incoming.query();
        let mut fields = from_query(&operation.rest, &schema, &query).map_err(unfit)?;
        if operation.rest.takes_body() {
            fields = self.arguments(incoming).await?;
        }
        join(&mut fields, &schema, path).map_err(unfit)?;
        Ok(fields)
    }
}
