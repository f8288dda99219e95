"""One story told to both engines, and what every view must then say."""

from samples import HASH, NOW_MS, OTHER_HASH, Ms, insert_sql

FACT_IDS = [digit * 64 for digit in "123"]

USAGE_UPSERT = """
INSERT INTO usage_analytics (id, user_id, session_id, date, hour, messages_count, tokens_used,
                             cost_nanos, unpriced_count, model, created_at)
VALUES ('{id}', 'u-1', 's-1', '2026-05-28', 20, 1, 30, 1500000, 0, 'gpt-4', {now})
ON CONFLICT (user_id, session_id, date, hour, model) DO UPDATE SET
    messages_count = usage_analytics.messages_count + excluded.messages_count,
    tokens_used = usage_analytics.tokens_used + excluded.tokens_used,
    cost_nanos = usage_analytics.cost_nanos + excluded.cost_nanos"""


def statements(dialect):
    def add(table, **overrides):
        return insert_sql(table, dialect, **overrides)

    now = str(NOW_MS) if dialect == "d1" else "now()"
    signed = {"execution_method": "sandboxed", "fortress_signature": "armored", "status": "completed"}
    done = {"started_at": Ms(NOW_MS + 500), "completed_at": Ms(NOW_MS + 2500)}
    return [
        add("chat_sessions"),
        add("chat_messages"),
        add("chat_messages", id="m-2", seq=1, role="assistant", content="hi", model="gpt-4",
            tokens_used=30, cost_nanos=1_500_001, cost_status="priced"),
        "UPDATE chat_sessions SET total_messages = total_messages + 2, total_tokens = total_tokens + 30, "
        "total_cost_nanos = total_cost_nanos + 1500001 WHERE id = 's-1'",
        USAGE_UPSERT.format(id="a-1", now=now),
        USAGE_UPSERT.format(id="a-2", now=now),
        add("usage_analytics", id="a-3", session_id=None, messages_count=1, tokens_used=5, unpriced_count=1),
        add("secure_executions", id="x-std", status="completed", **done),
        add("secure_executions", id="x-std-open", status="executing"),
        add("secure_executions", id="x-fort", security_level="fortress", **signed, **done),
        add("secure_executions", id="x-fort-unsigned", security_level="fortress",
            execution_method="sandboxed", status="failed", error_message="no signature"),
        add("secure_executions", id="x-ver", security_level="verified", verification_status=True,
            verification='{"signature":"good"}', cost_nanos=9_000_000_001, cost_status="priced",
            **signed | {"execution_method": "verified"}, **done),
        add("secure_executions", id="x-ver-bad", security_level="verified", verification_status=False,
            **signed | {"execution_method": "verified"}, **done),
        add("fortress_jobs", id="j-ver", execution_id="x-ver"),
        add("evidence_records", id="e-ver", execution_id="x-ver", status="verified", signature_verified=True,
            signature_verified_at=Ms(NOW_MS + 2600), completed_at=Ms(NOW_MS + 2600), output_hash=OTHER_HASH),
        add("chitty_chain_facts", uuid=FACT_IDS[0], execution_id="x-ver", leaf_index=0, leaf_hash=HASH,
            verified=True, verified_at=Ms(NOW_MS), verification_method="inclusion proof",
            ingested_at=Ms(NOW_MS + 2000), fortress_signature="armored", signature_verified=True),
        add("chitty_chain_facts", uuid=FACT_IDS[1], execution_id="x-ver", leaf_index=1, leaf_hash=OTHER_HASH,
            ingested_at=Ms(NOW_MS + 2100)),
        add("chitty_chain_facts", uuid=FACT_IDS[2], source="legacy", erased_at=Ms(NOW_MS),
            subject="", predicate="", object=""),
        add("evidence_packages", id="p-ver", execution_id="x-ver", created_at=Ms(NOW_MS + 3000)),
        add("security_audits", id="au-1", status="completed", risk_level="high", findings='[{"n":1},{"n":2}]'),
        add("security_audits", id="au-2", status="completed", risk_level="low", findings="[]"),
    ]


# (query, rows); 1 and 0 stand for true and false.
EXPECTED = [
    ("SELECT id, total_messages, stored_messages, total_tokens, total_cost_nanos, total_cost, unpriced_messages "
     "FROM session_summaries", [("s-1", 2, 2, 30, 1500001, 0.001500001, 0)]),
    ("SELECT user_id, total_sessions, total_messages, total_tokens, total_cost_nanos, total_cost, unpriced_count, "
     "first_date, last_date FROM user_usage_summary",
     [("u-1", 1, 3, 65, 3000000, 0.003, 1, "2026-05-28", "2026-05-28")]),
    ("SELECT id, status, duration_ms, cost, evidence_count, evidence_verified_count, fact_count, "
     "fact_verified_count FROM execution_summary WHERE id IN ('x-ver', 'x-std-open') ORDER BY id",
     [("x-std-open", "executing", None, None, 0, 0, 0, 0),
      ("x-ver", "completed", 2500, 9.000000001, 1, 1, 2, 1)]),
    ("SELECT audit_type, audit_level, status, audits, findings_count, high_risk_audits FROM security_audit_summary "
     "WHERE status = 'completed'", [("on demand", "comprehensive", "completed", 2, 2, 1)]),
    ("SELECT source, total_facts, sequenced_facts, verified_facts, signed_facts, signature_verified_facts, "
     "erased_facts, verification_rate, last_leaf_index FROM chain_verification_summary ORDER BY source",
     [("fortress-mcp", 2, 2, 1, 1, 1, 0, 50, 1), ("legacy", 1, 0, 0, 0, 0, 1, 0, None)]),
    ("SELECT execution_id, integrity_score, has_signature, evidence_count, fact_count FROM execution_integrity "
     "ORDER BY execution_id",
     [("x-fort", 80, 1, 0, 0), ("x-fort-unsigned", 20, 0, 0, 0), ("x-std", 60, 0, 0, 0),
      ("x-std-open", 20, 0, 0, 0), ("x-ver", 100, 1, 1, 2), ("x-ver-bad", 20, 1, 0, 0)]),
    ("SELECT event, record_id FROM execution_audit_events WHERE execution_id = 'x-ver' "
     "ORDER BY event_time, source_table, event, record_id",
     [("evidence_created", "e-ver"), ("fortress_job_created", "j-ver"), ("execution_created", "x-ver"),
      ("execution_started", "x-ver"), ("fact_logged", FACT_IDS[0]), ("fact_logged", FACT_IDS[1]),
      ("execution_completed", "x-ver"), ("evidence_signature_verified", "e-ver"), ("package_created", "p-ver")]),
    ("SELECT cost_nanos, cost FROM chat_messages ORDER BY seq", [(None, None), (1500001, 0.001500001)]),
]


def comparable(rows):
    """Numbers as numbers, whatever the engine and client printed."""
    def value(cell):
        if cell is None or cell == "":
            return None
        if cell in ("t", "f"):
            return float(cell == "t")
        try:
            return float(cell)
        except ValueError:
            return cell
    return [tuple(value(cell) for cell in row) for row in rows]
