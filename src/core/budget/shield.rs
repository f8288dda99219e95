use async_trait::async_trait;

/// What stands before the accounts: a coarse count by key and of all, at once and near the
/// caller, that keeps a flood from the objects and bounds what all users together can ask of a
/// place. It is no exact count: limits and budgets are the accounts'.
#[async_trait(?Send)]
pub trait Shield {
    /// Counts one more request of a key, by its id. Where it cannot be counted it passes: what
    /// costs money is decided by the account.
    async fn passes(&self, key_id: &str) -> bool;
}
