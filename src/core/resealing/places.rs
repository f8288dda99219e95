//! Columns that hold sealed texts, and what these are bound to.

use crate::sql::Statement;

/// A column of sealed texts, whose rows have one text as their key.
pub(super) struct Place {
    pub table: &'static str,
    pub id: &'static str,
    /// Bound before the id, where rows have owners.
    pub owner: Option<&'static str>,
    pub column: &'static str,
    pub purpose: &'static str,
}

pub(super) const PLACES: [Place; 9] = [
    owned("secure_executions", "prompt", "prompt"),
    owned("secure_executions", "chatgpt_response", "response"),
    owned("secure_executions", "fortress_output", "output"),
    owned("fortress_jobs", "sealed_prompt", "prompt"),
    owned("fortress_jobs", "sealed_output", "output"),
    owned("evidence_packages", "package_text", "package"),
    owned("credentials", "secret", "totp"),
    alone("signing_keys", "id", "signing_key"),
    alone("fortress_keys", "fingerprint", "fortress_key"),
];

const fn owned(table: &'static str, column: &'static str, purpose: &'static str) -> Place {
    Place {
        table,
        id: "id",
        owner: Some("user_id"),
        column,
        purpose,
    }
}

const fn alone(table: &'static str, id: &'static str, purpose: &'static str) -> Place {
    Place {
        table,
        id,
        owner: None,
        column: "private_key",
        purpose,
    }
}

impl Place {
    pub fn name(&self) -> String {
        format!("{}.{}", self.table, self.column)
    }

    pub fn after(&self, cursor: &str, limit: i64) -> Statement {
        let Self {
            table, id, column, ..
        } = self;
        let owner = self.owner.unwrap_or("''");
        Statement::new(format!(
            "SELECT {id} AS id, {owner} AS owner, {column} AS sealed FROM {table} \
             WHERE {id} > ?1 ORDER BY {id} LIMIT ?2"
        ))
        .bind(cursor)
        .bind(limit)
    }

    pub fn replace(&self, row: &str, old: &str, new: &str) -> Statement {
        let Self {
            table, id, column, ..
        } = self;
        Statement::new(format!(
            "UPDATE {table} SET {column} = ?3 WHERE {id} = ?1 AND {column} = ?2"
        ))
        .bind(row)
        .bind(old)
        .bind(new)
    }
}
