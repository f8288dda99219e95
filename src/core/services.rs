//! What a worker's tools work with: the ports, made for one request, and the domain above.

use std::borrow::Cow;
use std::fmt::Display;
use std::rc::Rc;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::auth::protected_resource::ProtectedResource;
use crate::auth::{
    AuthError, Authenticator, Credential, DelegationError, Domain, Principal, RequestInfo,
};
use crate::front::Dependencies;
use crate::mcp::{Call, Host, ToolError};
use crate::oauth::WebRequest;
use crate::ports::{Background, Clock, Database, Entropy, Level, Log};
use crate::seal::Sealer;
use crate::signing_keys::SigningKeys;

/// The ports of one request.
#[derive(Clone)]
pub struct Platform {
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    pub database: Rc<dyn Database>,
    pub log: Rc<dyn Log>,
    pub sealer: Rc<Sealer>,
    pub background: Rc<dyn Background>,
    pub authenticator: Authenticator,
    /// Keys of access tokens, of the isolate.
    pub keys: Rc<SigningKeys>,
    /// The endpoint that was called. None outside a request.
    pub resource: Option<Rc<ProtectedResource>>,
    /// Short name of the worker, such as `fortress`.
    pub service: &'static str,
}

impl Platform {
    /// Who sends a request beside MCP: by a key, or an access token for this worker.
    pub async fn caller(&self, web: &WebRequest<'_>) -> Result<Rc<Principal>, AuthError> {
        let authorization = web.headers.get("authorization");
        let proof = web.headers.get("dpop");
        let credential = Credential {
            authorization: authorization.as_deref(),
            proof: proof.as_deref(),
            method: web.method,
            path: web.path,
        };
        let domain = self.resource.as_deref().map(|resource| Domain {
            resource,
            keys: &self.keys,
        });
        self.authenticator
            .admit(credential, domain, &web.info)
            .await
    }
}

/// A worker's domain on its platform.
pub struct Services<T> {
    pub platform: Platform,
    pub domain: T,
}

impl<T: 'static> Host for Services<T> {
    fn clock(&self) -> &dyn Clock {
        &*self.platform.clock
    }

    fn entropy(&self) -> &dyn Entropy {
        &*self.platform.entropy
    }

    fn sealer(&self) -> &Sealer {
        &self.platform.sealer
    }

    fn authorize(&self, call: &Call, action: &str, scopes: &[&str]) -> Result<(), AuthError> {
        let request = RequestInfo {
            request_id: call.request_id.clone(),
            service: self.platform.service,
            ..RequestInfo::default()
        };
        let authenticator = &self.platform.authenticator;
        authenticator.authorize(&call.principal, scopes, action, &request)
    }

    fn challenge(&self, error: &AuthError) -> Option<String> {
        error.challenge(self.platform.resource.as_deref())
    }

    fn report(&self, request_id: &str, cause: &str) {
        let fields = json!({ "request_id": request_id, "cause": cause });
        self.platform
            .log
            .record(Level::Error, "request_failed", fields);
    }
}

#[async_trait(?Send)]
impl<T: Dependencies + 'static> Dependencies for Services<T> {
    async fn check(&self) -> Vec<(&'static str, bool)> {
        let probe = crate::sql::Statement::new("SELECT 1 AS one");
        let database = self.platform.database.run(probe).await.is_ok();
        let mut found = vec![("database", database)];
        found.extend(self.domain.check().await);
        found
    }
}

/// Whose fault a tool's failure is: who hears of it, and in which words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// The caller can mend it and hears how; the log does not.
    Caller,
    /// Of a service or a setting that we stand on: the caller hears it, and so does the log,
    /// with the cause where that cannot repeat what the caller sent.
    Upstream(Option<String>),
    /// Our own: the cause is for the log alone.
    Ours,
}

impl<T> Services<T> {
    /// A tool's failure, logged and told as its [`Blame`] says. The caller has the request
    /// id, which finds the line in the log.
    pub fn failure(
        &self,
        code: impl Into<Cow<'static, str>>,
        error: &dyn Display,
        blame: Blame,
        details: Option<Value>,
    ) -> ToolError {
        let code = code.into();
        let log = |level, cause| {
            let fields = json!({ "code": code, "cause": cause });
            self.platform.log.record(level, "tool_failed", fields);
        };
        let message = match blame {
            Blame::Caller => error.to_string(),
            Blame::Upstream(cause) => {
                log(Level::Warn, cause);
                error.to_string()
            }
            Blame::Ours => {
                log(Level::Error, Some(error.to_string()));
                "the service could not do it just now: try again, and name the request id if it \
                 lasts"
                    .to_owned()
            }
        };
        ToolError::Failed {
            code,
            message,
            details,
        }
    }
}

impl From<DelegationError> for ToolError {
    fn from(error: DelegationError) -> Self {
        Self::new("USER_ID_REFUSED", error.to_string())
    }
}
