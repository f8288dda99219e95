-- Views for people and dashboards. They report what is stored and verify nothing:
-- a verdict comes from an audit, which reads the evidence and the log again.
-- CAST keeps sums in the types the services read (BIGINT, DOUBLE PRECISION on Postgres).

CREATE VIEW session_summaries AS
SELECT s.id, s.user_id, s.session_name, s.status, s.created_at, s.updated_at,
       s.total_messages, s.total_tokens, s.total_cost_nanos, s.total_cost, s.unpriced_messages,
       -- Counted from the messages: differs from total_messages only if a writer forgot the total.
       (SELECT COUNT(*) FROM chat_messages m WHERE m.session_id = s.id) AS stored_messages,
       (SELECT MAX(m.timestamp) FROM chat_messages m WHERE m.session_id = s.id) AS last_message_at
FROM chat_sessions s;

CREATE VIEW user_usage_summary AS
SELECT user_id,
       COUNT(DISTINCT session_id) AS total_sessions,
       CAST(SUM(messages_count) AS BIGINT) AS total_messages,
       CAST(SUM(tokens_used) AS BIGINT) AS total_tokens,
       CAST(SUM(cost_nanos) AS BIGINT) AS total_cost_nanos,
       SUM(cost_nanos) / 1000000000.0 AS total_cost,
       CAST(SUM(unpriced_count) AS BIGINT) AS unpriced_count,
       MIN(date) AS first_date,
       MAX(date) AS last_date
FROM usage_analytics
GROUP BY user_id;

CREATE VIEW execution_summary AS
SELECT e.id, e.user_id, e.case_id, e.label, e.security_level, e.execution_method, e.status,
       e.verification_status, e.model, e.created_at, e.completed_at,
       e.completed_at - e.created_at AS duration_ms,
       e.cost_nanos, e.cost, e.cost_status,
       (SELECT COUNT(*) FROM evidence_records r WHERE r.execution_id = e.id) AS evidence_count,
       (SELECT COUNT(*) FROM evidence_records r
        WHERE r.execution_id = e.id AND r.signature_verified = TRUE) AS evidence_verified_count,
       (SELECT COUNT(*) FROM chitty_chain_facts f WHERE f.execution_id = e.id) AS fact_count,
       (SELECT COUNT(*) FROM chitty_chain_facts f
        WHERE f.execution_id = e.id AND f.verified = TRUE) AS fact_verified_count
FROM secure_executions e;

CREATE VIEW security_audit_summary AS
SELECT audit_type, audit_level, status,
       COUNT(*) AS audits,
       CAST(SUM(json_array_length(findings)) AS BIGINT) AS findings_count,
       COUNT(*) FILTER (WHERE risk_level IN ('high', 'critical')) AS high_risk_audits,
       MAX(completed_at) AS last_completed_at
FROM security_audits
GROUP BY audit_type, audit_level, status;

CREATE VIEW chain_verification_summary AS
SELECT source,
       COUNT(*) AS total_facts,
       COUNT(leaf_index) AS sequenced_facts,
       COUNT(*) FILTER (WHERE verified = TRUE) AS verified_facts,
       COUNT(fortress_signature) AS signed_facts,
       COUNT(*) FILTER (WHERE signature_verified = TRUE) AS signature_verified_facts,
       COUNT(erased_at) AS erased_facts,
       CAST(ROUND(AVG(CASE WHEN verified = TRUE THEN 1 ELSE 0 END) * 100, 2) AS DOUBLE PRECISION)
           AS verification_rate,
       MAX(leaf_index) AS last_leaf_index,
       MIN(ingested_at) AS first_ingested_at,
       MAX(ingested_at) AS last_ingested_at
FROM chitty_chain_facts
GROUP BY source;

-- In two views because D1 allows a compound SELECT five terms.
CREATE VIEW execution_run_events AS
SELECT id AS execution_id, created_at AS event_time, 'execution_created' AS event,
       'secure_executions' AS source_table, id AS record_id, security_level AS detail
FROM secure_executions
UNION ALL
SELECT id, started_at, 'execution_started', 'secure_executions', id, model
FROM secure_executions WHERE started_at IS NOT NULL
UNION ALL
SELECT id, COALESCE(completed_at, updated_at), 'execution_' || status, 'secure_executions', id, error_message
FROM secure_executions WHERE status IN ('completed', 'failed')
UNION ALL
SELECT execution_id, created_at, 'fortress_job_created', 'fortress_jobs', id, label
FROM fortress_jobs WHERE execution_id IS NOT NULL
UNION ALL
SELECT execution_id, COALESCE(completed_at, updated_at), 'fortress_job_' || status, 'fortress_jobs', id, error_message
FROM fortress_jobs WHERE execution_id IS NOT NULL AND status IN ('completed', 'failed');

-- Everything recorded about an execution, one row an event; order by event_time.
CREATE VIEW execution_audit_events AS
SELECT execution_id, event_time, event, source_table, record_id, detail
FROM execution_run_events
UNION ALL
SELECT execution_id, created_at, 'evidence_created', 'evidence_records', id, evidence_type
FROM evidence_records WHERE execution_id IS NOT NULL
UNION ALL
SELECT execution_id, signature_verified_at, 'evidence_signature_verified', 'evidence_records', id, output_hash
FROM evidence_records WHERE execution_id IS NOT NULL AND signature_verified = TRUE
UNION ALL
SELECT execution_id, ingested_at, 'fact_logged', 'chitty_chain_facts', uuid, predicate
FROM chitty_chain_facts WHERE execution_id IS NOT NULL
UNION ALL
SELECT execution_id, created_at, 'package_created', 'evidence_packages', id, package_format
FROM evidence_packages WHERE execution_id IS NOT NULL;

-- A grade of what the row claims: 100 verified with a signature and a positive result,
-- 80 fortress with a signature, 60 standard and completed, 20 otherwise.
CREATE VIEW execution_integrity AS
SELECT e.id AS execution_id, e.security_level, e.status,
       e.fortress_signature IS NOT NULL AS has_signature,
       e.verification_status,
       CASE
           WHEN e.security_level = 'verified' AND e.fortress_signature IS NOT NULL
                AND e.verification_status = TRUE THEN 100
           WHEN e.security_level = 'fortress' AND e.fortress_signature IS NOT NULL THEN 80
           WHEN e.security_level = 'standard' AND e.status = 'completed' THEN 60
           ELSE 20
       END AS integrity_score,
       (SELECT COUNT(*) FROM evidence_records r WHERE r.execution_id = e.id) AS evidence_count,
       (SELECT COUNT(*) FROM chitty_chain_facts f WHERE f.execution_id = e.id) AS fact_count
FROM secure_executions e;
