//! Keys that sign access tokens, as an isolate knows them.

#[derive(Default)]
pub struct SigningKeys;
