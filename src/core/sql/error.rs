/// A failed statement. The texts are for the log; callers of the product see none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// Nothing was learnt: the statement may have been applied. Retry only what is
    /// idempotent.
    #[error("the database did not answer: {0}")]
    Unavailable(String),
    #[error("the database refused the row ({kind:?} constraint): {detail}")]
    Constraint {
        kind: ConstraintKind,
        detail: String,
    },
    #[error("column `{column}` should be {expected} and is {found}")]
    Decode {
        column: String,
        expected: &'static str,
        found: &'static str,
    },
    /// The statement or one of its values is wrong: a defect of the program.
    #[error("the database refused the statement: {0}")]
    Statement(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// Also a primary key.
    Unique,
    ForeignKey,
    NotNull,
    Check,
    Other,
}

impl DatabaseError {
    pub fn is_unique_violation(&self) -> bool {
        matches!(
            self,
            Self::Constraint {
                kind: ConstraintKind::Unique,
                ..
            }
        )
    }
}

/// How SQLite words the constraints, also through D1.
const CONSTRAINTS: [(&str, ConstraintKind); 6] = [
    ("UNIQUE constraint failed", ConstraintKind::Unique),
    ("FOREIGN KEY constraint failed", ConstraintKind::ForeignKey),
    ("NOT NULL constraint failed", ConstraintKind::NotNull),
    ("CHECK constraint failed", ConstraintKind::Check),
    ("cannot store", ConstraintKind::Check),
    ("SQLITE_CONSTRAINT", ConstraintKind::Other),
];

/// What SQLite says of a wrong statement, whatever names the statement holds.
const MISTAKES: [&str; 4] = ["SQLITE_ERROR", "syntax error", "no such", "has no column"];

/// Words of D1's own failures, in lower case (its "error list" documentation), and of a
/// locked SQLite file. Anything else that is no constraint is a wrong statement.
const FAILURES: [&str; 14] = [
    "network connection lost",
    "overloaded",
    "timeout",
    "timed out",
    "was reset",
    "reset because",
    "to be reset",
    "cannot resolve d1 db",
    "client disconnected",
    "internal error",
    "exceeded its memory limit",
    "isolate",
    "database is locked",
    "sqlite_busy",
];

/// Sorts an error of SQLite or D1 by its message: neither gives a code to JavaScript.
pub fn sqlite_error(message: &str) -> DatabaseError {
    let constraint = CONSTRAINTS
        .iter()
        .find(|(words, _)| message.contains(words));
    if let Some((_, kind)) = constraint {
        return DatabaseError::Constraint {
            kind: *kind,
            detail: message.to_owned(),
        };
    }
    let lower = message.to_ascii_lowercase();
    let mistake = MISTAKES.iter().any(|words| message.contains(words));
    if !mistake && FAILURES.iter().any(|words| lower.contains(words)) {
        DatabaseError::Unavailable(message.to_owned())
    } else {
        DatabaseError::Statement(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_sort_into_classes() {
        let unique = "D1_ERROR: UNIQUE constraint failed: t.id: SQLITE_CONSTRAINT";
        assert!(sqlite_error(unique).is_unique_violation());
        let kind = |message| match sqlite_error(message) {
            DatabaseError::Constraint { kind, .. } => kind,
            other => panic!("{other}"),
        };
        assert_eq!(
            kind("FOREIGN KEY constraint failed"),
            ConstraintKind::ForeignKey
        );
        assert_eq!(
            kind("NOT NULL constraint failed: t.a"),
            ConstraintKind::NotNull
        );
        assert_eq!(kind("CHECK constraint failed: t_a"), ConstraintKind::Check);
        assert_eq!(
            kind("cannot store TEXT value in INTEGER column t.a"),
            ConstraintKind::Check
        );
        for message in [
            "D1_ERROR: Network connection lost.",
            "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
            "D1_ERROR: D1 DB reset because its code was updated.",
            "database is locked",
        ] {
            assert!(
                matches!(sqlite_error(message), DatabaseError::Unavailable(_)),
                "{message}"
            );
        }
        for message in [
            "D1_ERROR: near \"SELEC\": syntax error at offset 0",
            "D1_ERROR: no such column: timeout_ms at offset 7: SQLITE_ERROR",
        ] {
            assert!(matches!(sqlite_error(message), DatabaseError::Statement(_)));
        }
    }
}
