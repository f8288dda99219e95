//! Templates that sessions begin from (`session_templates`): a user's own, and public ones,
//! which everybody may read and only their owner may change. Those that ship have no owner.

mod service;
mod statements;
mod types;

pub use service::PUBLISH_SCOPE;
pub use types::{
    Template, TemplateCreateInput, TemplateDeleteInput, TemplateDeleteOutput, TemplateGetInput,
    TemplateListInput, TemplateListOutput, TemplateOutput, TemplateUpdateInput, TemplateView,
};
