//! Model settings under a name (`model_configs`): a user's own, one of them the default, and
//! those that ship for everybody.

mod resolve;
mod service;
mod statements;
mod types;

use resolve::{DEFAULT_MAX_TOKENS, DEFAULT_MODEL, DEFAULT_TEMPERATURE};
pub use resolve::{ModelSettings, Resolved, Stated, resolve};
pub use types::{
    ConfigCreateInput, ConfigDeleteInput, ConfigDeleteOutput, ConfigGetInput, ConfigListInput,
    ConfigListOutput, ConfigOutput, ConfigUpdateInput, ConfigView,
};

/// Owner of the settings that ship.
pub const SHIPPED: &str = "system";
