//! Pages for people. They work without JavaScript and fetch nothing.

pub(super) mod account;
mod app;
pub(super) mod consent;
pub(super) mod forms;
mod layout;
pub(super) mod text;

use maud::Markup;

pub(super) use app::{AppShown, Destination};
pub(super) use layout::PRODUCT;

use super::{AuthorizationServer, WebRequest};
use crate::http::HttpReply;
use layout::Page;

/// A message may name what somebody sent.
const MAX_MESSAGE_CHARS: usize = 400;

impl AuthorizationServer {
    pub(super) fn page(&self, title: &str, body: Markup, app: Option<&AppShown>) -> HttpReply {
        let form_targets = app.map_or("", |app| app.form_targets.as_str());
        self.framed(title, body, form_targets, false)
    }

    pub(super) fn wide_page(&self, title: &str, body: Markup) -> HttpReply {
        self.framed(title, body, "", true)
    }

    fn framed(&self, title: &str, body: Markup, form_targets: &str, wide: bool) -> HttpReply {
        let page = Page {
            origin: self.settings.issuer.as_deref().unwrap_or(&self.origin),
            title,
            body,
            form_targets,
            wide,
        };
        page.reply(200)
    }

    /// A page that says what is wrong, for people; never a redirect.
    pub(super) fn error_page(&self, status: u16, message: &str, web: &WebRequest<'_>) -> HttpReply {
        let request_id = &web.info.request_id;
        let body = forms::error(&text::shown(message, MAX_MESSAGE_CHARS), request_id);
        let reply = HttpReply {
            status,
            ..self.page("This did not work", body, None)
        };
        reply.with_header("x-request-id", request_id.clone())
    }

    /// The same with a link back to the app that sent the person here.
    pub(super) fn way_back_page(
        &self,
        web: &WebRequest<'_>,
        view: &forms::WayBackView<'_>,
    ) -> HttpReply {
        let request_id = &web.info.request_id;
        let body = forms::way_back(view, request_id);
        let reply = HttpReply {
            status: 400,
            ..self.page("This did not work", body, None)
        };
        reply.with_header("x-request-id", request_id.clone())
    }
}

#[cfg(test)]
mod tests;
