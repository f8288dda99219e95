//! Pages of ours beside the account's: who is looking at one.

use maud::Markup;

use super::flow::Back;
use super::trouble::Trouble;
use crate::auth::Principal;
use crate::http::HttpReply;
use crate::oauth::pages::forms;
use crate::oauth::{AuthorizationServer, WebRequest};

impl AuthorizationServer {
    /// Who is signed in at this browser, with a second factor where one is asked for. Else
    /// the page to show instead, 401: where it asks to sign in, the way leads back to this
    /// path.
    pub async fn visitor(&self, web: &WebRequest<'_>) -> Result<Principal, HttpReply> {
        let outcome = self.known(web).await;
        outcome.unwrap_or_else(|trouble| Err(self.settle(web, Err(trouble))))
    }

    async fn known(&self, web: &WebRequest<'_>) -> Result<Result<Principal, HttpReply>, Trouble> {
        let session = self.session(web).await?;
        let needed = self.settings.require_second_factor;
        let mut page = match &session {
            Some(session) if session.second_factor || !needed => {
                return Ok(Ok(session.principal()));
            }
            Some(session) if !self.has_second_factor(&session.user_id).await? => {
                self.page("Set up a second factor", forms::needs_second_factor(), None)
            }
            _ => {
                let browser = self.browser_or_new(web)?;
                self.sign_in_page(&browser, &Back::to_page(web.path), None, None)?
            }
        };
        page.status = 401;
        Ok(Err(page))
    }

    /// A page in the frame that all have.
    pub fn shown(&self, status: u16, title: &str, body: Markup) -> HttpReply {
        HttpReply {
            status,
            ..self.wide_page(title, body)
        }
    }
}
