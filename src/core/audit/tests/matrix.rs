//! Every table, every column, every kind of tampering: an audit names the row.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;
use crate::sql::{Statement, Value};

/// Tables that are tampered with, and what stands before a row's id in findings.
const TABLES: [&str; 5] = [
    "secure_executions",
    "fortress_jobs",
    "evidence_records",
    "evidence_packages",
    "chitty_chain_facts",
];
/// Not evidence: what says when somebody looked, or where the record is.
const FREE: [(&str, &str); 3] = [
    ("chitty_chain_facts", "idempotency_key"),
    ("chitty_chain_facts", "verified_at"),
    ("chitty_chain_facts", "signature_verified"),
];

fn key(table: &str) -> &'static str {
    if table == "chitty_chain_facts" {
        "uuid"
    } else {
        "id"
    }
}

struct Bench {
    office: Office,
}

impl Bench {
    fn new() -> Self {
        let office = Office::with(3);
        assert_eq!(office.findings(), []);
        let bench = Self { office };
        // Whoever tampers is not held by constraints that can be switched off.
        bench.office.sql("PRAGMA foreign_keys = OFF");
        bench.office.sql("PRAGMA ignore_check_constraints = ON");
        for table in TABLES {
            bench.office.sql(format!(
                "CREATE TABLE kept_{table} AS SELECT * FROM {table}"
            ));
        }
        bench
    }

    fn columns(&self, table: &str) -> Vec<String> {
        let rows = self
            .office
            .sql(format!("SELECT name FROM pragma_table_info('{table}')"));
        rows.iter().map(|row| row.text("name").unwrap()).collect()
    }

    /// Ids in order.
    fn ids(&self, table: &str) -> Vec<String> {
        let id = key(table);
        let order = if id == "uuid" { "leaf_index" } else { "id" };
        let rows = self
            .office
            .sql(format!("SELECT {id} FROM {table} ORDER BY {order}"));
        rows.iter().map(|row| row.text(id).unwrap()).collect()
    }

    /// A row from the middle. Of facts one that belongs to an execution.
    fn middle(&self, table: &str, ids: &[String]) -> usize {
        let half = ids.len() / 2;
        if table != "chitty_chain_facts" {
            return half;
        }
        let linked = "SELECT uuid FROM chitty_chain_facts WHERE execution_id IS NOT NULL";
        let linked = self.office.sql(linked);
        let linked: Vec<_> = linked.iter().map(|row| row.text("uuid").unwrap()).collect();
        (half..ids.len())
            .find(|at| linked.contains(&ids[*at]))
            .unwrap()
    }

    fn restore(&self) {
        for table in TABLES {
            let columns = self.columns(table).join(", ");
            self.office.sql(format!("DELETE FROM {table}"));
            self.office.sql(format!(
                "INSERT INTO {table} ({columns}) SELECT {columns} FROM kept_{table}"
            ));
        }
    }

    /// Does it, audits, undoes it: what was found, or that the database refused.
    fn outcome(&self, statements: &[String]) -> Option<Vec<Finding>> {
        for sql in statements {
            let run = self.office.database();
            let done = self
                .office
                .clock()
                .run(run.run(Statement::new(sql.clone())));
            if done.is_err() {
                self.restore();
                return None;
            }
        }
        // Files stay as they are, and take their time to read.
        let scope = Scope {
            files: false,
            ..forensic(&[])
        };
        let found = self.office.audit(&scope).findings;
        self.restore();
        Some(found)
    }

    fn value(&self, table: &str, column: &str, id: &str) -> Value {
        let rows = self.office.sql(format!(
            "SELECT {column} FROM {table} WHERE {} = '{id}'",
            key(table)
        ));
        rows[0].value(column).unwrap().clone()
    }
}

/// Another value of the same kind; for null, one that could stand there.
fn flipped(value: &Value, column: &str) -> String {
    match value {
        Value::Int(number) => format!("{}", number ^ 1),
        Value::Text(text) if text.starts_with('[') => r#"'["x"]'"#.to_owned(),
        Value::Text(text)
            if text.starts_with('{')
                && serde_json::from_str::<serde_json::Value>(text)
                    .is_ok_and(|json| json.is_object())
                && column != "fact_json"
                && column != "manifest" =>
        {
            r#"'{"x":"y"}'"#.to_owned()
        }
        Value::Text(text) => {
            let mut bytes = text.clone().into_bytes();
            match bytes.first_mut() {
                Some(first) => *first ^= 1,
                None => bytes.push(b'x'),
            }
            format!(
                "'{}'",
                String::from_utf8(bytes).unwrap().replace('\'', "''")
            )
        }
        _ if column.ends_with("_at")
            || column.ends_with("_tokens")
            || column == "cost_nanos"
            || column.starts_with("verif")
                && column != "verification_method"
                && column != "verification"
            || column.starts_with("signature_verified") =>
        {
            "1".to_owned()
        }
        _ if ["verification", "metadata", "policy"].contains(&column) => r#"'{"x":1}'"#.to_owned(),
        _ => "'x'".to_owned(),
    }
}

/// Whether some finding is about that row, by its id or its place.
fn names(found: &[Finding], row: &str, column: &str) -> bool {
    found
        .iter()
        .any(|finding| finding.subject == row && finding.column.as_deref() == Some(column))
}

/// What a finding may name instead: where a row has another name or place, it is the row; and a
/// seal is bound to whose it is.
fn names_beside(found: &[Finding], row: &str, id: &str, table: &str, column: &str) -> bool {
    match column {
        "user_id" => names(found, row, "prompt") || names(found, row, "sealed_prompt"),
        "recorded_fact" => found.iter().any(|finding| finding.subject == row),
        _ if column == key(table) || column == "leaf_index" => {
            found.iter().any(|found| found.subject.ends_with(id))
        }
        _ => false,
    }
}

#[derive(Default)]
struct Table {
    cells: BTreeMap<(&'static str, String), BTreeMap<&'static str, String>>,
}

impl Table {
    fn put(&mut self, table: &'static str, column: &str, kind: &'static str, result: String) {
        let row = self.cells.entry((table, column.to_owned())).or_default();
        row.insert(kind, result);
    }

    fn print(&self) -> String {
        let mut text = String::from(
            "| table | column | flipped | null | other type |\n| --- | --- | --- | --- | --- |\n",
        );
        for ((table, column), cells) in &self.cells {
            let cell = |kind| cells.get(kind).map_or("", String::as_str);
            writeln!(
                text,
                "| {table} | {column} | {} | {} | {} |",
                cell("flip"),
                cell("null"),
                cell("type")
            )
            .unwrap();
        }
        text
    }
}

#[test]
fn every_column_of_every_table() {
    let bench = Bench::new();
    let mut table = Table::default();
    for name in TABLES {
        let ids = bench.ids(name);
        let at = bench.middle(name, &ids);
        let id = &ids[at];
        let subject = match name {
            "chitty_chain_facts" => format!("fact:{at}"),
            _ => format!("{name}:{id}"),
        };
        for column in bench.columns(name) {
            if FREE.contains(&(name, column.as_str())) {
                continue;
            }
            let value = bench.value(name, &column, id);
            let at = format!("WHERE {} = '{id}'", key(name));
            let kinds = [
                ("flip", flipped(&value, &column)),
                ("null", "NULL".to_owned()),
                ("type", "x'00ff'".to_owned()),
            ];
            for (kind, changed) in kinds {
                if kind == "null" && value == Value::Null {
                    table.put(name, &column, kind, "is null".to_owned());
                    continue;
                }
                let sql = format!("UPDATE {name} SET {column} = {changed} {at}");
                let Some(found) = bench.outcome(std::slice::from_ref(&sql)) else {
                    table.put(name, &column, kind, "refused by the database".to_owned());
                    continue;
                };
                assert!(!found.is_empty(), "nothing found of: {sql}");
                assert!(
                    names(&found, &subject, &column)
                        || names_beside(&found, &subject, id, name, &column),
                    "{sql}: {found:#?}"
                );
                let code = serde_json::to_value(found[0].code).unwrap();
                table.put(name, &column, kind, code.as_str().unwrap().to_owned());
            }
        }
    }
    for (how, kind) in super::files::HARM.into_iter().zip(["flip", "null", "type"]) {
        let (found, _) = super::files::harmed(&bench.office, how);
        let code = serde_json::to_value(found[0].code).unwrap();
        let result = format!("{} ({how})", code.as_str().unwrap());
        table.put("`EVIDENCE_FILES`", "a package's file", kind, result);
    }
    for (what, name) in super::published::files(&bench.office) {
        for (how, kind) in super::published::HARM
            .into_iter()
            .zip(["flip", "null", "type"])
        {
            let found = super::published::harmed(&bench.office, &name, how);
            let code = serde_json::to_value(found[0].code).unwrap();
            let result = format!("{} ({how})", code.as_str().unwrap());
            table.put("`LOG_TILES`", what, kind, result);
        }
    }
    let printed = table.print();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/EVIDENCE.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (start, end) = ("<!-- tamper matrix -->\n", "<!-- end of tamper matrix -->");
    let (before, rest) = page.split_once(start).unwrap();
    let (standing, after) = rest.split_once(end).unwrap();
    if standing != printed {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, format!("{before}{start}{printed}{end}{after}")).unwrap();
        } else {
            panic!(
                "docs/EVIDENCE.md has another table: run this test with UPDATE_DOCS=1\n{printed}"
            );
        }
    }
}

#[test]
fn rows_that_are_exchanged_removed_or_added() {
    let bench = Bench::new();
    for table in TABLES {
        let (ids, id) = (bench.ids(table), key(table));
        let (middle, last) = (&ids[ids.len() / 2], &ids[ids.len() - 1]);
        let columns: Vec<String> = bench
            .columns(table)
            .into_iter()
            .filter(|name| name != id)
            .collect();
        let all = columns.join(", ");
        let swap: Vec<String> = vec![
            format!("DELETE FROM {table} WHERE {id} IN ('{middle}', '{last}')"),
            format!(
                "INSERT INTO {table} ({id}, {all}) SELECT '{middle}', {all} FROM kept_{table} WHERE {id} = '{last}'"
            ),
            format!(
                "INSERT INTO {table} ({id}, {all}) SELECT '{last}', {all} FROM kept_{table} WHERE {id} = '{middle}'"
            ),
        ];
        let copy = "f".repeat(64);
        let unique = ["idempotency_key", "leaf_index", "execution_id"];
        let values: Vec<String> = columns
            .iter()
            .map(|name| {
                if unique.contains(&name.as_str()) {
                    "NULL".to_owned()
                } else {
                    name.clone()
                }
            })
            .collect();
        let cases: [(&str, Vec<String>, Vec<&String>); 4] = [
            ("swapped", swap, vec![middle, last]),
            (
                "removed from the middle",
                vec![format!("DELETE FROM {table} WHERE {id} = '{middle}'")],
                vec![middle],
            ),
            (
                "removed from the end",
                vec![format!("DELETE FROM {table} WHERE {id} = '{last}'")],
                vec![last],
            ),
            (
                "duplicated",
                vec![format!(
                    "INSERT INTO {table} ({id}, {all}) SELECT '{copy}', {} FROM kept_{table} WHERE {id} = '{middle}'",
                    values.join(", ")
                )],
                vec![&copy],
            ),
        ];
        for (kind, statements, named) in cases {
            let found = bench
                .outcome(&statements)
                .unwrap_or_else(|| panic!("{table} {kind}: refused"));
            for id in named {
                let place = ids.iter().position(|known| known == id);
                let fact = place.map(|place| format!("fact:{place}"));
                let is_named = found.iter().any(|finding| {
                    finding.subject.ends_with(id.as_str())
                        || Some(&finding.subject) == fact.as_ref()
                });
                assert!(is_named, "{table} {kind} {id}: {found:#?}");
            }
        }
    }
}

#[test]
fn facts_that_are_put_in_another_order() {
    let bench = Bench::new();
    let found = bench.outcome(&[
        "UPDATE chitty_chain_facts SET leaf_index = 1000 WHERE leaf_index = 0".to_owned(),
        "UPDATE chitty_chain_facts SET leaf_index = 0 WHERE leaf_index = 1".to_owned(),
        "UPDATE chitty_chain_facts SET leaf_index = 1 WHERE leaf_index = 1000".to_owned(),
    ]);
    let found = found.unwrap();
    for name in ["fact:0", "fact:1"] {
        assert!(names(&found, name, "uuid"), "{found:#?}");
    }
}

#[test]
fn a_database_rolled_back_to_an_earlier_day() {
    let mut bench = Bench::new();
    bench.office.execute();
    bench.office.record();
    let newest = bench.office.executions.last().unwrap().clone();
    assert_eq!(bench.office.findings(), []);
    bench.restore();
    let found = bench.office.findings();
    assert!(found.iter().any(|finding| {
        finding.code == Code::RowMissing && finding.subject == format!("secure_executions:{newest}")
    }));
    assert!(
        found
            .iter()
            .any(|finding| finding.code == Code::FactRowMissing)
    );
}
