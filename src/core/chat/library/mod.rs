//! What is kept, apart from completions: sessions, messages, templates and configs, read and
//! changed by their owner. Every statement states the owner, so none can touch what is
//! somebody else's, which reads as not there.

mod create;
mod delete;
mod export;
mod history;
mod inputs;
mod links;
mod list;
mod messages;
mod outputs;
mod owners;
mod search;
mod sessions;
#[cfg(test)]
mod tests;
mod user_data;
mod user_export;

use std::rc::Rc;

pub(crate) use delete::deletion;
pub use history::Loaded;
pub use inputs::{
    ExportFormat, MessageAddInput, SearchInput, SessionArchiveInput, SessionDeleteInput,
    SessionExportInput, SessionGetInput, SessionListInput, SessionUpdateInput, UserDataDeleteInput,
    UserDataExportInput,
};
pub use outputs::{
    MessageAddOutput, SearchHit, SearchOutput, SessionDeleteOutput, SessionExportOutput,
    SessionGetOutput, SessionListOutput, SessionOutput, UserDataDeleteOutput, UserDataExportOutput,
};
pub use user_data::ErasureOrder;

use crate::ports::{Clock, Database, Entropy};

/// The stored things of users. Owners are user ids that the caller has checked already.
#[derive(Clone)]
pub struct Library {
    pub db: Rc<dyn Database>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
}
