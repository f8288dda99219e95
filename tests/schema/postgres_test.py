"""The Postgres schema in a real server: parity with D1, document 001's SQL, functions, triggers, money."""

import atexit
import contextlib
import json
import re
import unittest
from pathlib import Path

import d1
import postgres_server
import samples
import scenario

HERE = Path(__file__).resolve().parent
MIGRATIONS = HERE.parents[1] / "schema" / "postgres"
DOCUMENT = HERE / "document-001"
ANALYTICS = HERE.parents[1] / "src" / "core" / "analytics"
FOLD = (ANALYTICS / "fold.sql").read_text()
UNCOUNT = (ANALYTICS / "uncount.sql").read_text()
CONTRACT = json.loads((HERE / "contract.json").read_text())

# What each Postgres type is in a STRICT table.
IN_D1 = {"text": "TEXT", "jsonb": "TEXT", "date": "TEXT", "ARRAY": "TEXT", "bigint": "INTEGER",
         "boolean": "INTEGER", "timestamp with time zone": "INTEGER", "double precision": "REAL", "numeric": "REAL"}

REFUSALS = "violates|invalid input|out of range"


class PostgresSchema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # unittest skips class clean-ups when interrupted; atexit does not, and closing twice is harmless.
        stack = contextlib.ExitStack()
        atexit.register(stack.close)
        cls.addClassCleanup(stack.close)
        cls.server = stack.enter_context(postgres_server.running())
        for path in sorted(MIGRATIONS.glob("*.sql")):
            cls.server.psql("-1", "-f", str(path))
        cls.d1 = d1.connect()
        cls.addClassCleanup(cls.d1.close)

    def run_and_undo(self, *statements):
        """Rows of the last statements, with nothing left behind."""
        return self.server.rows(text=";\n".join(["BEGIN", *statements, "ROLLBACK"]) + ";")

    def with_parents(self, table, *rows):
        parents = samples.parents_sql("postgres")
        if table == "chat_sessions":
            parents = []
        return self.run_and_undo(*parents, *(samples.insert_sql(table, "postgres", **row) for row in rows))

    # Parity with D1

    def pg_columns(self):
        query = ("SELECT table_name, column_name, data_type, is_nullable, COALESCE(column_default, ''), is_generated "
                 "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position")
        columns = {}
        for table, name, *rest in self.server.rows("-c", query):
            columns.setdefault(table, {})[name] = rest
        return columns

    def test_both_dialects_have_the_same_tables_views_and_columns(self):
        columns = self.pg_columns()
        names = d1.tables(self.d1) + d1.tables(self.d1, "view")
        self.assertEqual(sorted(names), sorted(columns))
        for name in names:
            self.assertEqual(list(d1.columns(self.d1, name)), list(columns[name]), name)

    def test_columns_mean_the_same(self):
        columns = self.pg_columns()
        for table in d1.tables(self.d1):
            sql = d1.table_sql(self.d1, table)
            for name, (kind, required, default, generated) in d1.columns(self.d1, table).items():
                pg_type, nullable, pg_default, pg_generated = columns[table][name]
                with self.subTest(f"{table}.{name}"):
                    self.assertEqual(kind, IN_D1[pg_type])
                    self.assertEqual(required, nullable == "NO")
                    self.assertEqual(generated, pg_generated == "ALWAYS")
                    if default is not None:
                        self.assertEqual(default, plain_default(pg_default))
                    self.assertEqual(pg_type == "boolean", f"CHECK ({name} IN (0, 1))" in sql)
                    self.assertEqual(pg_type in ("jsonb", "ARRAY"), f"json_valid({name})" in sql)

    def test_both_dialects_have_the_same_constraints_indexes_and_foreign_keys(self):
        automatic = r"_(pkey|check\d*|fkey)$"
        constraints = self.server.rows("-c", "SELECT conname FROM pg_constraint c JOIN pg_class t ON t.oid = "
                                             "c.conrelid WHERE t.relnamespace = 'public'::regnamespace")
        named = sorted(name for (name,) in constraints if not re.search(automatic, name))
        self.assertEqual(d1.constraint_names(self.d1), named)
        indexes = self.server.rows("-c", "SELECT i.indexname FROM pg_indexes i LEFT JOIN pg_constraint c ON "
                                         "c.conname = i.indexname WHERE i.schemaname = 'public' AND c.oid IS NULL "
                                         "ORDER BY 1")
        self.assertEqual(d1.index_names(self.d1), [name for (name,) in indexes])
        foreign = self.server.rows("-c", """
            SELECT c.conrelid::regclass, a.attname, c.confrelid::regclass,
                   CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'other' END
            FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
            WHERE c.contype = 'f'""")
        self.assertEqual(d1.foreign_keys(self.d1), sorted(foreign))

    def test_contract_is_present(self):
        columns = self.pg_columns()
        for table, names in CONTRACT["tables"].items():
            self.assertEqual([], [name for name in names if name not in columns[table]], table)
        functions = {name for (name,) in self.server.rows("-c", "SELECT DISTINCT proname FROM pg_proc "
                                                                "WHERE pronamespace = 'public'::regnamespace")}
        self.assertEqual(set(), set(CONTRACT["functions"]) - functions)

    def test_both_dialects_have_the_same_seeds(self):
        for query in ("SELECT id, config_name, model, max_tokens, temperature, is_default FROM model_configs ORDER BY id",
                      "SELECT id, template_name, model_config_id, is_public FROM session_templates ORDER BY id",
                      "SELECT id, audit_type, audit_level, status, verify_signatures, cross_reference, automated "
                      "FROM security_audits ORDER BY id"):
            ours = self.d1.execute(query).fetchall()
            self.assertGreaterEqual(len(ours), 3)
            self.assertEqual(scenario.comparable(ours), scenario.comparable(self.server.rows("-c", query)))
        prompts = "SELECT system_prompt FROM session_templates ORDER BY id"
        ours = "\n".join(text for (text,) in self.d1.execute(prompts))
        self.assertEqual(ours, self.server.psql("-At", "-c", prompts).rstrip("\n"))

    # Constraints

    def test_minimal_rows_are_accepted_and_required_columns_refuse_null(self):
        for table, row in samples.ROWS.items():
            with self.subTest(table):
                self.with_parents(table, {})
            name = next(name for name in list(row)[1:] if d1.columns(self.d1, table)[name][1])
            with self.subTest(f"{table}.{name}"), self.assertRaisesRegex(
                    postgres_server.PostgresError, "null value in column|violates not-null"):
                self.with_parents(table, {name: None})

    def test_constraints_refuse_what_they_name(self):
        for table, wrong, constraint in samples.REFUSED:
            with self.subTest(constraint), self.assertRaisesRegex(postgres_server.PostgresError, constraint):
                self.with_parents(table, wrong)

    def test_constraints_accept_what_is_whole(self):
        for table, whole in samples.ACCEPTED:
            with self.subTest(table, **whole):
                self.with_parents(table, whole)

    def test_values_out_of_range_are_refused(self):
        for table, wrong in samples.OUT_OF_RANGE:
            with self.subTest(table, **wrong), self.assertRaisesRegex(postgres_server.PostgresError, REFUSALS):
                self.with_parents(table, wrong)

    def test_duplicates_are_refused_and_lookalikes_kept(self):
        for table, first, second in samples.DUPLICATES:
            with self.subTest(table, **second), self.assertRaisesRegex(
                    postgres_server.PostgresError, "duplicate key value"):
                self.with_parents(table, first, second)
        for table, first, second in samples.DISTINCT:
            with self.subTest(table, **second):
                self.with_parents(table, first, second)

    # Document 001

    def document_insert(self):
        """The printed INSERT, its bind parameters given as psql variables."""
        variables = {"job_id": "'job-1'", "prompt": "'stored_separately'", "prompt_hash": f"'{samples.HASH}'",
                     "output": "'it''s done'", "signature": "'-----BEGIN PGP SIGNATURE-----'"}
        settings = "".join(f"\\set {name} {quoted(value)}\n" for name, value in variables.items())
        return settings + (DOCUMENT / "insert.sql").read_text()

    def test_document_insert_runs_unchanged(self):
        rows = self.server.rows(text="BEGIN;\n" + self.document_insert() + """
            SELECT user_id, fortress_job_id, prompt, prompt_hash, security_level, execution_method, status,
                   fortress_output, fortress_signature, id ~ '^[0-9a-f-]{36}$', created_at = now(),
                   verification_status IS NULL, cost IS NULL
            FROM secure_executions;
            ROLLBACK;""")
        self.assertEqual([("service:fortress", "job-1", "stored_separately", samples.HASH, "fortress", "sandboxed",
                           "completed", "it's done", "-----BEGIN PGP SIGNATURE-----", "t", "t", "t", "t")], rows)

    def test_document_executions_query(self):
        def execution(hash_digit, level, method, status, age, seconds):
            done = f"now() - interval '{age}' + interval '{seconds} s'" if seconds else "NULL"
            return (f"INSERT INTO secure_executions (prompt, prompt_hash, security_level, execution_method, status, "
                    f"error_message, created_at, completed_at) VALUES ('p', '{hash_digit * 64}', '{level}', "
                    f"'{method}', '{status}', 'why', now() - interval '{age}', {done})")
        rows = self.run_and_undo(
            execution("1", "fortress", "sandboxed", "completed", "1 hour", 2),
            execution("2", "fortress", "sandboxed", "completed", "2 hours", 5),
            execution("3", "fortress", "sandboxed", "failed", "3 hours", 0),
            execution("4", "standard", "direct", "completed", "23 hours", 1.5),
            execution("5", "verified", "verified", "completed", "25 hours", 9),
            (DOCUMENT / "executions.sql").read_text().rstrip().rstrip(";"))
        answer = {level: (int(total), float(average), int(good)) for level, total, average, good in rows}
        self.assertEqual({"fortress": (3, 3.5, 2), "standard": (1, 1.5, 1)}, answer)

    def test_document_evidence_query(self):
        def evidence(identity, status, verified, age):
            when = "now()" if verified else "NULL"
            return (f"INSERT INTO evidence_records (id, evidence_type, status, signature_verified, "
                    f"signature_verified_at, created_at) VALUES ('{identity}', 'execution', '{status}', {verified}, "
                    f"{when}, now() - interval '{age}')")
        rows = self.run_and_undo(
            evidence("e1", "verified", True, "1 day"), evidence("e2", "completed", True, "2 days"),
            evidence("e3", "pending", False, "6 days"), evidence("e4", "verified", True, "8 days"),
            (DOCUMENT / "evidence.sql").read_text().rstrip().rstrip(";"))
        self.assertEqual([("3", "2", "1")], rows)

    def test_document_facts_query(self):
        def fact(digit, source, verified, age):
            how = "now(), 'inclusion proof'" if verified else "NULL, NULL"
            return (f"INSERT INTO chitty_chain_facts (uuid, subject, predicate, object, source, timestamp, verified, "
                    f"verified_at, verification_method, ingested_at) VALUES ('{digit * 64}', 's', 'p', 'o', "
                    f"'{source}', 1780000000123, {verified}, {how}, now() - interval '{age}')")
        rows = self.run_and_undo(
            fact("1", "fortress-mcp", True, "1 day"), fact("2", "fortress-mcp", True, "2 days"),
            fact("3", "fortress-mcp", False, "3 days"), fact("4", "coordinator", False, "1 hour"),
            fact("5", "coordinator", True, "8 days"),
            (DOCUMENT / "facts.sql").read_text().rstrip().rstrip(";"))
        self.assertEqual([("coordinator", "1", "0", "0.00"), ("fortress-mcp", "3", "2", "66.67")], sorted(rows))

    # Views, functions, triggers, money

    def test_views_report_the_scenario(self):
        story = scenario.statements("postgres")
        for query, rows in scenario.EXPECTED:
            with self.subTest(query):
                answer = self.run_and_undo(*story, query)
                self.assertEqual(scenario.comparable(rows), scenario.comparable(answer))

    def test_integrity_scores(self):
        scores = self.run_and_undo(
            *scenario.statements("postgres"),
            "SELECT id, verify_execution_integrity(id)->>'integrity_score' FROM secure_executions ORDER BY id",
            "SELECT verify_execution_integrity('no such execution') IS NULL")
        self.assertEqual([("x-fort", "80"), ("x-fort-unsigned", "20"), ("x-std", "60"), ("x-std-open", "20"),
                          ("x-ver", "100"), ("x-ver-bad", "20"), ("t",)], scores)

    def test_functions_take_text_and_uuid(self):
        identity = "0190a000-0000-7000-8000-000000000001"
        rows = self.run_and_undo(
            samples.insert_sql("secure_executions", "postgres", id=identity, status="completed"),
            f"SELECT event, detail FROM get_execution_audit_trail('{identity}')",
            f"SELECT count(*) FROM get_execution_audit_trail('{identity}'::uuid)",
            f"SELECT verify_execution_integrity('{identity}'::uuid)->'integrity_score'")
        self.assertEqual([("execution_completed", ""), ("execution_created", "standard"), ("2",), ("60",)], rows)

    def test_audit_trail_is_in_order_of_time(self):
        rows = self.run_and_undo(*scenario.statements("postgres"),
                                 "SELECT event, record_id FROM get_execution_audit_trail('x-ver')")
        (expected,) = [rows for query, rows in scenario.EXPECTED if "execution_audit_events" in query]
        self.assertEqual(expected, rows)

    def test_updated_at_moves_unless_the_writer_sets_it(self):
        triggered = [table for table in d1.tables(self.d1) if "updated_at" in d1.columns(self.d1, table)]
        self.assertGreaterEqual(len(triggered), 10)
        for table in triggered:
            row_id = samples.ROWS[table]["id"]
            parents = [] if table == "chat_sessions" else samples.parents_sql("postgres")
            rows = self.run_and_undo(
                *parents, samples.insert_sql(table, "postgres"),
                f"UPDATE {table} SET created_at = created_at WHERE id = '{row_id}'",
                f"SELECT updated_at > now() - interval '1 minute' FROM {table} WHERE id = '{row_id}'",
                f"UPDATE {table} SET updated_at = to_timestamp(1790000000) WHERE id = '{row_id}'",
                f"SELECT extract(epoch FROM updated_at)::bigint FROM {table} WHERE id = '{row_id}'")
            self.assertEqual([("t",), ("1790000000",)], rows, table)

    def test_completed_evidence_gets_its_time_and_no_verdict(self):
        rows = self.run_and_undo(
            samples.insert_sql("evidence_records", "postgres", pgp_signature="armored"),
            "SELECT completed_at IS NULL FROM evidence_records",
            "UPDATE evidence_records SET status = 'completed'",
            "SELECT completed_at >= now(), status, signature_verified FROM evidence_records")
        self.assertEqual([("t",), ("t", "completed", "f")], rows)

    def test_a_signature_on_a_fact_verifies_nothing(self):
        rows = self.run_and_undo(
            samples.insert_sql("chitty_chain_facts", "postgres"),
            "UPDATE chitty_chain_facts SET fortress_signature = 'armored'",
            "SELECT verified, verified_at IS NULL, signature_verified IS NULL FROM chitty_chain_facts")
        self.assertEqual([("f", "t", "t")], rows)

    def test_money_is_exact_and_cost_cannot_be_written(self):
        rows = self.run_and_undo(
            samples.insert_sql("chat_sessions", "postgres", total_cost_nanos=9_223_372_036_854_775_807),
            samples.insert_sql("secure_executions", "postgres", cost_nanos=1, cost_status="priced"),
            "SELECT total_cost FROM chat_sessions", "SELECT cost FROM secure_executions")
        self.assertEqual([("9223372036.854775807",), ("0.000000001",)], rows)
        with self.assertRaisesRegex(postgres_server.PostgresError, "cannot insert a non-DEFAULT value"):
            self.with_parents("secure_executions", {"cost": 0.5})

    def test_scopes_are_an_array_of_text(self):
        rows = self.run_and_undo(
            samples.insert_sql("api_tokens", "postgres"),
            "SELECT name FROM api_tokens WHERE 'chatgpt:read' = ANY (scopes)")
        self.assertEqual([("ci",)], rows)

    def fold(self, which, text=FOLD):
        """The statement that adds the events which `which` selects to the roll-ups."""
        return text.replace("{events}", which)

    def usage_events(self):
        measured = {"user_id": "u-1", "key_id": "k-1", "prompt_tokens": 10, "completion_tokens": 5,
                    "cost_nanos": 7, "cost_status": "priced", "total_bin": "Tab", "bucket": 5}
        return [samples.insert_sql("usage_events", "postgres", **measured),
                samples.insert_sql("usage_events", "postgres", **measured | {"id": "r-2.1", "session_id": "s-9"}),
                samples.insert_sql("usage_events", "postgres", id="r-2.2", attempt=2, user_id="u-1", bucket=6,
                                   outcome="PROVIDER_TIMEOUT", cost_status="unpriced", total_bin="Tzz")]

    def test_usage_is_rolled_up_by_the_services_own_statement(self):
        sums = ("SELECT scope, span, bucket, member, attempts, requests, errors, prompt_tokens, cost_nanos, unpriced, "
                "latencies FROM usage_rollups WHERE user_id = 'u-1' AND scope = 'session' "
                "ORDER BY span, bucket, member")
        expected = [("session", "1", "5", "", "1", "1", "0", "10", "7", "0", "Tab"),
                    ("session", "1", "5", "s-9", "1", "1", "0", "10", "7", "0", "Tab"),
                    ("session", "1", "6", "", "1", "0", "1", "0", "0", "1", "Tzz"),
                    ("session", "4", "4", "", "2", "1", "1", "10", "7", "1", "TabTzz"),
                    ("session", "4", "4", "s-9", "1", "1", "0", "10", "7", "0", "Tab")]
        one_by_one = []
        for event in ("r-1.1", "r-2.1", "r-2.1", "r-2.2"):
            one_by_one += [self.fold(f"e.id = '{event}' AND NOT e.counted"),
                           f"UPDATE usage_events SET counted = TRUE WHERE id = '{event}' AND NOT counted"]
        self.assertEqual(expected, self.run_and_undo(*self.usage_events(), *one_by_one, sums))
        at_once = self.fold("e.bucket >= 4 AND e.bucket < 8")
        self.assertEqual(expected, self.run_and_undo(*self.usage_events(), at_once, sums))

    def test_cut_off_calls_of_one_row_are_taken_back_together(self):
        cut_off = {"user_id": "u-1", "cost_nanos": 7, "cost_status": "estimated", "outcome": "CALL_CUT_OFF",
                   "counted": True}
        unpriced = cut_off | {"cost_nanos": None, "cost_status": "unpriced"}
        events = [samples.insert_sql("usage_events", "postgres", **cut_off),
                  samples.insert_sql("usage_events", "postgres", **unpriced | {"id": "r-2.1"}),
                  samples.insert_sql("usage_events", "postgres", **cut_off | {"id": "r-3.1", "cost_nanos": 5})]
        rows = self.run_and_undo(
            *events, self.fold("TRUE"), self.fold("e.id IN ('r-1.1', 'r-2.1')", UNCOUNT),
            "SELECT DISTINCT attempts, requests, errors, cost_nanos, estimated, unpriced FROM usage_rollups")
        self.assertEqual([("1", "1", "1", "5", "1", "0")], rows)

    def test_forgotten_usage_is_rolled_up_as_nobodys(self):
        nobodys = re.sub(r"e\.(user|key|session|case)_id", "NULL", FOLD)
        rows = self.run_and_undo(
            *self.usage_events(), self.fold("e.user_id = 'u-1'", nobodys),
            "SELECT user_id, scope, member, attempts, cost_nanos, latencies FROM usage_rollups "
            "WHERE span = 4 ORDER BY scope")
        self.assertEqual([("", scope, "", "3", "14", "Tab2Tzz") for scope in ("case", "key", "session")], rows)

    def test_usage_is_read_by_local_day_and_group(self):
        rows = self.run_and_undo(
            *self.usage_events(), self.fold("TRUE"),
            "SELECT (bucket + 22) / 96 AS unit, CASE WHEN member IN ('k-1') THEN member END AS member, "
            "CAST(SUM(attempts) AS BIGINT) AS attempts FROM usage_rollups WHERE scope = 'key' AND span = 1 "
            "AND (bucket - bucket % 4 + 22) / 96 = (bucket - bucket % 4 + 3 + 22) / 96 GROUP BY 1, 2 ORDER BY 2",
            "SELECT (bucket + 22) / 96 AS unit, NULL AS member, string_agg(latencies, '') AS latencies "
            "FROM usage_rollups WHERE scope = 'key' AND span = 1 AND member <> '' GROUP BY 1, 2, bucket")
        self.assertEqual([("0", "k-1", "2"), ("0", "", "1"), ("0", "", "Tab2")], rows)


def quoted(value):
    """A psql \\set argument that keeps the SQL literal's own quotes."""
    return "'" + value.replace("'", "''") + "'"


def plain_default(default):
    default = re.sub(r"::[a-z ]+$", "", default)
    return {"false": "0", "true": "1"}.get(default, default)


if __name__ == "__main__":
    unittest.main()
