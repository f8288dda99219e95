"""The D1 schema: shape, typing, constraints, views, seeds and the indexes queries rely on."""

import json
import re
import sqlite3
import unittest
from pathlib import Path

import d1
import samples
import scenario

CONTRACT = json.loads((Path(__file__).parent / "contract.json").read_text())

# Queries the services make, and the index each must be answered from.
INDEXED = [
    ("SELECT * FROM api_tokens WHERE token_hash = ?", "sqlite_autoindex_api_tokens"),
    ("SELECT id FROM fortress_jobs WHERE status = 'completed' AND assertion_id IS NULL AND manifest <> '' ORDER BY completed_at, id LIMIT 20",
     "fortress_jobs_unlogged"),
    ("SELECT * FROM chat_messages WHERE session_id = ? ORDER BY seq DESC LIMIT 50", "sqlite_autoindex_chat_messages"),
    ("SELECT * FROM chat_sessions WHERE user_id = ? ORDER BY updated_at DESC LIMIT 20", "chat_sessions_by_user"),
    ("SELECT session_id, message_id FROM chat_links WHERE user_id = ? AND kind = 'label' AND value = ?",
     "COVERING INDEX chat_links_by_value"),
    ("SELECT id FROM chat_sessions WHERE user_id = ? AND case_id = ?", "chat_sessions_by_case"),
    *((f"SELECT timestamp, session_id, seq FROM chat_messages WHERE {of} AND (timestamp, session_id, seq) < (?, ?, ?) "
       "ORDER BY timestamp DESC, session_id DESC, seq DESC LIMIT 1000", f"COVERING INDEX chat_messages_by_{index}")
      for of, index in (("user_id = ?", "user"), ("session_id = ?", "time"), ("user_id = ? AND case_id = ?", "case"))),
    ("SELECT * FROM usage_analytics WHERE user_id = ? AND date BETWEEN ? AND ?", "usage_analytics_by_user"),
    ("SELECT * FROM usage_rollups WHERE user_id = ? AND scope = 'key' AND span = 4 AND bucket >= ? AND bucket < ?",
     "PRIMARY KEY"),
    ("DELETE FROM usage_rollups WHERE bucket >= ? AND bucket < ?", "usage_rollups_by_bucket"),
    ("DELETE FROM usage_rollups WHERE attempts = 0 AND user_id IN (SELECT COALESCE(user_id, '') FROM usage_events "
     "WHERE id IN (?, ?)) AND scope IN ('key', 'session', 'case') AND span IN (1, 4) AND bucket IN (SELECT bucket "
     "FROM usage_events WHERE id IN (?, ?) UNION ALL SELECT bucket - bucket % 4 FROM usage_events WHERE id IN (?, ?))",
     "PRIMARY KEY (user_id=? AND scope=? AND span=? AND bucket=?)"),
    ("SELECT * FROM usage_events WHERE bucket >= ? AND bucket < ?", "usage_events_by_bucket"),
    ("SELECT MIN(bucket) FROM usage_events WHERE user_id = ?", "usage_events_by_user"),
    ("SELECT * FROM audit_logs WHERE user_id = ? ORDER BY created_at DESC LIMIT 20", "audit_logs_by_user"),
    ("SELECT * FROM api_keys WHERE user_id = ? AND provider = ? AND (is_active OR ends_at > ?)",
     "sqlite_autoindex_api_keys"),
    ("SELECT * FROM api_keys WHERE (sealing_key_id < ? OR sealing_key_id > ?) AND key_hash <> '' LIMIT 50",
     "api_keys_by_sealing_key"),
    ("UPDATE api_keys SET key_hash = '' WHERE ends_at <= ? AND key_hash <> ''", "api_keys_by_end"),
    ("SELECT * FROM secure_executions WHERE user_id = ? ORDER BY created_at DESC LIMIT 20",
     "secure_executions_by_user"),
    ("SELECT * FROM secure_executions WHERE user_id = ? AND idempotency_key = ?",
     "sqlite_autoindex_secure_executions"),
    ("SELECT id FROM secure_executions WHERE status IN ('pending', 'executing') AND deadline_at < ?",
     "secure_executions_unfinished"),
    ("SELECT id FROM fortress_jobs WHERE status IN ('pending', 'executing') AND deadline_at < ?",
     "fortress_jobs_unfinished"),
    ("SELECT * FROM fortress_jobs WHERE idempotency_key = ?", "sqlite_autoindex_fortress_jobs"),
    ("SELECT * FROM evidence_records WHERE case_id = ? ORDER BY created_at DESC", "evidence_records_by_case"),
    ("SELECT * FROM evidence_records WHERE execution_id = ?", "sqlite_autoindex_evidence_records"),
    ("SELECT * FROM chitty_chain_facts WHERE leaf_index >= ? ORDER BY leaf_index LIMIT 100",
     "sqlite_autoindex_chitty_chain_facts"),
    ("SELECT * FROM oauth_grants WHERE user_id = ? ORDER BY created_at DESC", "oauth_grants_by_user"),
    ("UPDATE oauth_grants SET revoked_at = 1 WHERE token_id = ? AND revoked_at IS NULL", "oauth_grants_by_token"),
    ("SELECT 1 FROM oauth_refresh_tokens WHERE grant_id = ? AND replaced_at IS NULL", "oauth_refresh_tokens_by_grant"),
    ("SELECT * FROM oauth_refresh_tokens r JOIN oauth_grants g ON g.id = r.grant_id LEFT JOIN api_tokens t "
     "ON t.id = g.token_id LEFT JOIN identities i ON i.id = g.user_id WHERE r.token_hash = ?",
     "sqlite_autoindex_oauth_refresh_tokens"),
    ("SELECT * FROM oauth_authorization_codes c JOIN oauth_grants g ON g.id = c.grant_id WHERE c.code_hash = ?",
     "sqlite_autoindex_oauth_authorization_codes"),
    *((f"SELECT expires_at FROM {table} WHERE expires_at < ? ORDER BY expires_at LIMIT 200", f"{table}_by_expiry")
      for table in ("oauth_grants", "oauth_authorization_codes", "oauth_refresh_tokens", "login_sessions",
                    "used_once", "throttles")),
    ("DELETE FROM idempotent_calls WHERE expires_at <= ?", "idempotent_calls_by_expiry"),
    ("SELECT id FROM content_erasures WHERE due_at <= ? ORDER BY due_at LIMIT 5", "content_erasures_by_due"),
    ("SELECT * FROM chitty_chain_facts WHERE subject = ? ORDER BY timestamp", "chitty_chain_facts_by_subject"),
    ("SELECT * FROM execution_audit_events WHERE execution_id = ?", "chitty_chain_facts_by_execution"),
]


class D1Schema(unittest.TestCase):
    def setUp(self):
        self.database = d1.connect()
        self.addCleanup(self.database.close)

    def insert(self, table, **overrides):
        self.database.execute(samples.insert_sql(table, "d1", **overrides))

    def insert_parents(self):
        for statement in samples.parents_sql("d1"):
            self.database.execute(statement)

    def rolled_back(self):
        """Starts from the same empty tables in every sub-test."""
        self.database.execute("ROLLBACK") if self.database.in_transaction else None
        self.database.execute("BEGIN")
        self.insert_parents()

    def test_contract_columns_exist(self):
        self.assertEqual(sorted(CONTRACT["tables"]), d1.tables(self.database))
        for table, names in CONTRACT["tables"].items():
            self.assertEqual([], [n for n in names if n not in d1.columns(self.database, table)], table)
        self.assertEqual([], [v for v in CONTRACT["views"] if v not in d1.tables(self.database, "view")])

    def test_every_table_is_strict_and_without_triggers(self):
        strict = {row[1] for row in self.database.execute("PRAGMA table_list") if row[5]}
        self.assertEqual([], [t for t in d1.tables(self.database) if t not in strict])
        self.assertEqual([], d1.tables(self.database, "trigger"))

    def test_every_minimal_row_is_accepted(self):
        self.assertEqual(sorted(samples.ROWS), d1.tables(self.database))
        for table in samples.ROWS:
            with self.subTest(table):
                self.rolled_back()
                if table != "chat_sessions":
                    self.insert(table)

    def test_wrong_types_are_refused_in_every_column(self):
        for table in samples.ROWS:
            self.rolled_back()
            for name, (kind, _, _, generated) in d1.columns(self.database, table).items():
                if generated:
                    continue
                with self.subTest(f"{table}.{name}"), self.assertRaisesRegex(
                        sqlite3.IntegrityError, f"cannot store (TEXT|BLOB) value in {kind} column {table}.{name}"):
                    self.insert(table, **{name: b"\x00" if kind == "TEXT" else "word"})

    def test_required_columns_refuse_null(self):
        for table, row in samples.ROWS.items():
            required = [n for n, c in d1.columns(self.database, table).items() if c[1] and c[2] is None]
            self.rolled_back()
            for name in required:
                with self.subTest(f"{table}.{name}"):
                    self.assertIn(name, row)
                    with self.assertRaisesRegex(sqlite3.IntegrityError, "NOT NULL"):
                        self.insert(table, **{name: None})

    def test_constraints_refuse_what_they_name(self):
        for table, wrong, constraint in samples.REFUSED:
            with self.subTest(constraint):
                self.rolled_back()
                with self.assertRaisesRegex(sqlite3.IntegrityError, constraint):
                    self.insert(table, **wrong)

    def test_constraints_accept_what_is_whole(self):
        for table, whole in samples.ACCEPTED:
            with self.subTest(table, **whole):
                self.rolled_back()
                self.insert(table, **whole)

    def test_values_out_of_range_are_refused(self):
        for table, wrong in samples.OUT_OF_RANGE:
            with self.subTest(table, **wrong):
                self.rolled_back()
                with self.assertRaises(sqlite3.IntegrityError):
                    self.insert(table, **wrong)

    def test_duplicates_are_refused_and_lookalikes_kept(self):
        for table, first, second in samples.DUPLICATES:
            with self.subTest(table, **second):
                self.rolled_back()
                self.insert(table, **first)
                with self.assertRaisesRegex(sqlite3.IntegrityError, "UNIQUE constraint failed"):
                    self.insert(table, **second)
        for table, first, second in samples.DISTINCT:
            with self.subTest(table, **second):
                self.rolled_back()
                self.insert(table, **first)
                self.insert(table, **second)

    def test_foreign_keys_cascade_and_detach(self):
        self.insert_parents()
        self.insert("chat_messages")
        self.insert("usage_analytics")
        self.insert("evidence_records", execution_id="x-0")
        self.insert("chitty_chain_facts", execution_id="x-0")
        self.insert("oauth_authorization_codes")
        self.insert("oauth_refresh_tokens")
        self.database.execute("DELETE FROM oauth_grants")
        self.database.execute("DELETE FROM chat_sessions")
        self.database.execute("DELETE FROM secure_executions")
        def rows(query):
            return self.database.execute(query).fetchall()
        self.assertEqual([], rows("SELECT id FROM chat_messages UNION ALL SELECT id FROM evidence_records"))
        self.assertEqual([], rows("SELECT code_hash FROM oauth_authorization_codes "
                                  "UNION ALL SELECT token_hash FROM oauth_refresh_tokens"))
        self.assertEqual([("a-1", None)], rows("SELECT id, session_id FROM usage_analytics"))
        self.assertEqual([(samples.HASH, None)], rows("SELECT uuid, execution_id FROM chitty_chain_facts"))

    def test_cost_cannot_be_written(self):
        for table, name in (("chat_sessions", "total_cost"), ("chat_messages", "cost"),
                            ("secure_executions", "cost"), ("fortress_jobs", "cost")):
            with self.subTest(table), self.assertRaisesRegex(sqlite3.OperationalError, "generated column"):
                self.insert(table, **{name: 0.5})

    def test_views_report_the_scenario(self):
        for statement in scenario.statements("d1"):
            self.database.execute(statement)
        for query, rows in scenario.EXPECTED:
            with self.subTest(query):
                answer = self.database.execute(query).fetchall()
                self.assertEqual(scenario.comparable(rows), scenario.comparable(answer))

    def test_a_statement_counts_only_its_own_rows(self):
        # D1 reports changes as the growth of total_changes().
        for statement in scenario.statements("d1")[:7]:
            before = self.database.total_changes
            self.database.execute(statement)
            self.assertEqual(1, self.database.total_changes - before, statement)

    def test_seeds(self):
        def rows(query):
            return self.database.execute(query).fetchall()
        self.assertEqual([("creative-gpt4", 0), ("default-gpt4", 1), ("technical-gpt4", 0)], rows(
            "SELECT config_name, is_default FROM model_configs WHERE user_id = 'system' ORDER BY config_name"))
        templates = rows("SELECT template_name, system_prompt, initial_messages, model_config_id "
                         "FROM session_templates WHERE is_public = TRUE ORDER BY template_name")
        self.assertEqual(["Business Analysis", "Code Review", "General Assistant", "Legal Research"],
                         [row[0] for row in templates])
        for name, prompt, messages, config in templates:
            self.assertGreater(len(prompt), 200, name)
            self.assertIsNotNone(config, name)
            self.assertTrue(all(m["role"] in ("user", "assistant") and m["content"] for m in json.loads(messages)))
        self.assertEqual([("daily", "basic"), ("monthly", "forensic"), ("weekly", "comprehensive")], rows(
            "SELECT audit_type, audit_level FROM security_audits WHERE status = 'pending' ORDER BY audit_type"))

    def test_services_queries_use_an_index(self):
        for query, index in INDEXED:
            with self.subTest(query):
                parameters = ("x",) * query.count("?")
                plan = " ".join(row[3] for row in self.database.execute(f"EXPLAIN QUERY PLAN {query}", parameters))
                self.assertIn(index, plan)
                scanned = set(re.findall(r"SCAN (\w+)", plan))
                self.assertEqual(set(), scanned & set(d1.tables(self.database)), plan)


if __name__ == "__main__":
    unittest.main()
