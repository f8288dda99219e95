"""Valid rows, and rows each constraint must refuse, for both engines."""

HASH = "ab" * 32
OTHER_HASH = "cd" * 32
NOW_MS = 1_780_000_000_123


class Ms(int):
    """A time in ms since 1970: an integer in D1, TIMESTAMPTZ in Postgres."""


class Words(tuple):
    """A list of words: a JSON array in D1, TEXT[] in Postgres."""


def literal(value, dialect):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Ms):
        return str(int(value)) if dialect == "d1" else f"to_timestamp({int(value)} / 1000.0)"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Words):
        words = ",".join(f'"{word}"' for word in value)
        return f"'[{words}]'" if dialect == "d1" else f"'{{{words}}}'"
    return "'" + value.replace("'", "''") + "'"


def insert_sql(table, dialect, **overrides):
    row = {**ROWS[table], **overrides}
    values = ", ".join(literal(value, dialect) for value in row.values())
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"


_TIMES = {"created_at": Ms(NOW_MS), "updated_at": Ms(NOW_MS)}
_LIFE = {"created_at": Ms(NOW_MS), "expires_at": Ms(NOW_MS + 60_000)}

# The least each table accepts from a worker. Keys of other rows stay out of it.
ROWS = {
    "chat_sessions": {"id": "s-1", "user_id": "u-1", "session_name": "First", **_TIMES},
    "chat_messages": {"id": "m-1", "session_id": "s-1", "seq": 0, "role": "user",
                      "content": "hello", "timestamp": Ms(NOW_MS)},
    "chat_links": {"session_id": "s-1", "kind": "label", "value": "urgent"},
    "usage_analytics": {"id": "a-1", "user_id": "u-1", "session_id": "s-1", "date": "2026-05-28",
                        "hour": 20, "model": "gpt-4", "created_at": Ms(NOW_MS)},
    "api_keys": {"id": "k-1", "user_id": "u-1", "key_hash": "sealed", "key_name": "main",
                 "sealing_key_id": "v1", "last_four": "wxyz", "fingerprint": "f", **_TIMES},
    "model_configs": {"id": "c-1", "user_id": "u-1", "config_name": "mine", "model": "gpt-4", **_TIMES},
    "session_templates": {"id": "t-1", "user_id": "u-1", "template_name": "mine",
                          "system_prompt": "Be brief.", **_TIMES},
    "api_tokens": {"id": "tok-1", "token_hash": HASH, "name": "ci", "status": "active",
                   "scopes": Words(("chatgpt:read", "fortress:*")), "created_at": Ms(NOW_MS)},
    "audit_logs": {"id": "log-1", "action": "token.validate", "resource_type": "tool",
                   "outcome": "allow", "created_at": Ms(NOW_MS)},
    "secure_executions": {"id": "x-1", "user_id": "u-1", "prompt": "sealed", "prompt_hash": HASH,
                          "security_level": "standard", "execution_method": "direct", **_TIMES},
    "evidence_records": {"id": "e-1", "user_id": "u-1", "evidence_type": "execution", **_TIMES},
    "chitty_chain_facts": {"uuid": HASH, "subject": "s", "predicate": "p", "object": "o",
                           "source": "fortress-mcp", "timestamp": NOW_MS, "ingested_at": Ms(NOW_MS)},
    "fortress_jobs": {"id": "j-1", "user_id": "u-1", "label": "job", "sealed_prompt": "sealed",
                      "prompt_hash": HASH, **_TIMES},
    "evidence_packages": {"id": "p-1", "user_id": "u-1", **_TIMES},
    "executive_orchestrations": {"id": "o-1", "user_id": "u-1", "task": "plan", **_TIMES},
    "security_audits": {"id": "au-1", "audit_type": "on demand", "created_at": Ms(NOW_MS)},
    "ai_response_comparisons": {"id": "cmp-1", "prompt": "sealed", "prompt_hash": HASH,
                                "user_id": "u-1", **_TIMES},
    "identities": {"id": "u-1", **_TIMES},
    "credentials": {"id": "cr-1", "user_id": "u-1", "kind": "totp", "secret": "sealed", "created_at": Ms(NOW_MS)},
    "login_sessions": {"id": HASH, "user_id": "u-1", "method": "key", "scopes": "[]", **_LIFE},
    "oauth_clients": {"id": "client-1", "name": "Client", "redirect_uris": '["https://client.example/cb"]',
                      "auth_method": "none", "grant_types": '["authorization_code"]', "metadata": "{}",
                      "created_at": Ms(NOW_MS)},
    "oauth_grants": {"id": "g-1", "kind": "code", "user_id": "u-1", "client_id": "client-1",
                     "client_name": "Client", "resource": "https://mcp.example/mcp",
                     "scopes": '["chain:verify"]', **_LIFE},
    "oauth_authorization_codes": {"code_hash": HASH, "grant_id": "g-0", "client_id": "client-1",
                                  "redirect_uri": "https://client.example/cb", **_LIFE},
    "oauth_refresh_tokens": {"token_hash": HASH, "grant_id": "g-0", **_LIFE},
    "signing_keys": {"id": "kid-1", "number": 1, "public_jwk": "{}", "private_key": "sealed",
                     "created_at": Ms(NOW_MS), "signs_from": Ms(NOW_MS),
                     "signs_until": Ms(NOW_MS + 1), "listed_until": Ms(NOW_MS + 2)},
    "fortress_keys": {"fingerprint": "A" * 40, "number": 1, "origin": "secret", "public_key": "armored",
                      "created_at": Ms(NOW_MS)},
    "resealing": {"key_id": "0123abcd", "place": "fortress_jobs.sealed_prompt"},
    "used_once": {"id": "jti:1", "expires_at": Ms(NOW_MS)},
    "content_erasures": {"id": "e-1", "due_at": Ms(NOW_MS)},
    "idempotent_calls": {"user_id": "u-1", "key_hash": HASH, "body_hash": HASH, "call_id": "c-1",
                         "expires_at": Ms(NOW_MS)},
    "throttles": {"id": "sign_in:1", "attempts": 1, "expires_at": Ms(NOW_MS)},
    "usage_events": {"id": "r-1.1", "request_id": "r-1", "attempt": 1, "provider": "openai", "model_asked": "gpt-4",
                     "model": "gpt-4-0613", "cost_status": "none", "outcome": "ok", "started_at": Ms(NOW_MS),
                     "bucket": NOW_MS // 900_000},
    "usage_rollups": {"user_id": "u-1", "scope": "key", "span": 1, "bucket": NOW_MS // 900_000, "member": "",
                      "model": "gpt-4-0613", "latencies": "",
                      **dict.fromkeys(("attempts", "requests", "errors", "messages", "prompt_tokens", "cached_tokens",
                                       "cache_write_tokens", "cache_write_1h_tokens", "completion_tokens",
                                       "reasoning_tokens", "web_searches", "cost_nanos", "estimated", "unpriced"), 1)},
}


COMPLETED_JOB = {"status": "completed", "sealed_output": "sealed", "output_hash": OTHER_HASH,
                 "manifest": "{}", "signature": "armored", "key_fingerprint": "FP"}

# (table, what is wrong, the named constraint that must say so)
REFUSED = [
    ("chat_messages", {"cost_nanos": 5}, "chat_messages_cost"),
    ("chat_messages", {"cost_status": "priced"}, "chat_messages_cost"),
    ("audit_logs", {"outcome": "deny"}, "audit_logs_deny_has_reason"),
    ("secure_executions", {"cost_nanos": 5, "cost_status": "unpriced"}, "secure_executions_cost"),
    ("secure_executions", {"status": "failed"}, "secure_executions_failed_why"),
    ("secure_executions", {"verification_status": True}, "secure_executions_verified_how"),
    ("evidence_records", {"signature_verified": True}, "evidence_records_verified_when"),
    ("evidence_records", {"status": "verified"}, "evidence_records_verified_how"),
    ("chitty_chain_facts", {"leaf_index": 0}, "chitty_chain_facts_sequenced"),
    ("chitty_chain_facts", {"verified": True, "verified_at": Ms(NOW_MS)}, "chitty_chain_facts_verified_how"),
    ("chitty_chain_facts", {"erased_at": Ms(NOW_MS)}, "chitty_chain_facts_erased"),
    ("fortress_jobs", {"cost_status": "estimated"}, "fortress_jobs_cost"),
    ("fortress_jobs", {"status": "failed"}, "fortress_jobs_failed_why"),
    ("fortress_jobs", {**COMPLETED_JOB, "signature": None}, "fortress_jobs_completed_whole"),
    ("evidence_packages", {"verified": True}, "evidence_packages_verified_when"),
    ("evidence_packages", {"status": "verified"}, "evidence_packages_verified_how"),
    ("evidence_packages", {"status": "signed", "package_hash": HASH}, "evidence_packages_signed_how"),
    ("oauth_grants", {"revoked_at": Ms(NOW_MS)}, "oauth_grants_revoked_has_reason"),
    ("oauth_grants", {"revoke_reason": "why"}, "oauth_grants_revoked_has_reason"),
    ("usage_events", {"cost_nanos": 5}, "usage_events_cost"),
    ("usage_events", {"cost_status": "priced"}, "usage_events_cost"),
    ("usage_events", {"prompt_tokens": 5}, "usage_events_tokens"),
]

# (table, what makes it complete): the same constraints, satisfied.
ACCEPTED = [
    ("chat_messages", {"cost_nanos": 5, "cost_status": "priced"}),
    ("audit_logs", {"outcome": "deny", "reason": "expired", "token_id": "no such token",
                    "ip_address": "not an address"}),
    ("secure_executions", {"status": "failed", "error_message": "model timed out"}),
    ("secure_executions", {"verification_status": True, "verification": '{"signature":"good"}'}),
    ("secure_executions", {"cost_nanos": None, "cost_status": "unpriced"}),
    ("evidence_records", {"signature_verified": True, "signature_verified_at": Ms(NOW_MS), "status": "verified"}),
    ("chitty_chain_facts", {"leaf_index": 0, "leaf_hash": OTHER_HASH}),
    ("chitty_chain_facts", {"erased_at": Ms(NOW_MS), "subject": "", "predicate": "", "object": ""}),
    ("fortress_jobs", COMPLETED_JOB),
    ("evidence_packages", {"verified": True, "verified_at": Ms(NOW_MS), "status": "verified"}),
    ("api_tokens", {"scopes": None, "status": None}),
    ("oauth_grants", {"revoked_at": Ms(NOW_MS), "revoke_reason": "by its user"}),
    ("usage_events", {"cost_nanos": 0, "cost_status": "estimated", "prompt_tokens": 0, "completion_tokens": 0}),
    ("usage_events", {"session_id": "no such session", "key_id": "no such key"}),
]

# (table, values out of range)
OUT_OF_RANGE = [
    ("chat_sessions", {"status": "closed"}),
    ("chat_sessions", {"total_cost_nanos": -1}),
    ("chat_messages", {"role": "tool"}),
    ("chat_messages", {"session_id": "no such session"}),
    ("usage_analytics", {"hour": 24}),
    ("usage_analytics", {"date": "28 May"}),
    ("model_configs", {"temperature": 2.5}),
    ("api_tokens", {"token_hash": "short"}),
    ("api_tokens", {"type": "cookie"}),
    ("audit_logs", {"outcome": "maybe"}),
    ("secure_executions", {"status": "verified"}),
    ("secure_executions", {"security_level": "high"}),
    ("secure_executions", {"execution_method": "remote"}),
    ("secure_executions", {"label": "x" * 501}),
    ("secure_executions", {"metadata": "{not json"}),
    ("secure_executions", {"chat_session_id": "no such session"}),
    ("evidence_records", {"execution_id": "no such execution"}),
    ("chitty_chain_facts", {"uuid": "not a fact id"}),
    ("evidence_packages", {"package_format": "docx"}),
    ("executive_orchestrations", {"status": "done"}),
    ("security_audits", {"audit_level": "deep"}),
    ("security_audits", {"risk_level": "none"}),
    ("identities", {"status": "deleted"}),
    ("identities", {"roles": "reader"}),
    ("credentials", {"kind": "sms"}),
    ("login_sessions", {"method": "password"}),
    ("login_sessions", {"scopes": "everything"}),
    ("oauth_clients", {"auth_method": "client_secret_jwt"}),
    ("oauth_clients", {"secret_hash": "short"}),
    ("oauth_clients", {"status": "gone"}),
    ("oauth_grants", {"kind": "implicit"}),
    ("oauth_grants", {"scopes": "everything"}),
    ("oauth_authorization_codes", {"grant_id": "no such grant"}),
    ("oauth_refresh_tokens", {"grant_id": "no such grant"}),
    ("signing_keys", {"algorithm": "HS256"}),
    ("fortress_keys", {"origin": "found"}),
    ("fortress_keys", {"number": 2}),
    ("fortress_keys", {"valid_from": Ms(NOW_MS)}),
    ("fortress_keys", {"revocation": "retired"}),
    ("fortress_keys", {"revocation": "compromised", "revocation_statement": "s", "revocation_signature": "s"}),
    ("resealing", {"resealed": -1}),
    ("chat_links", {"kind": "colour"}),
    ("usage_events", {"attempt": 0}),
    ("usage_events", {"cost_nanos": -1, "cost_status": "priced"}),
    ("usage_events", {"cost_status": "free"}),
    ("usage_rollups", {"scope": "model"}),
    ("usage_rollups", {"span": 96}),
    ("usage_rollups", {"span": 4, "bucket": 1}),
]

# (table, first row's and second row's differences): the second must be refused as a duplicate.
DUPLICATES = [
    ("chat_messages", {}, {"id": "m-2"}),
    ("usage_analytics", {}, {"id": "a-2"}),
    ("api_keys", {}, {"id": "k-2"}),
    ("model_configs", {}, {"id": "c-2"}),
    ("model_configs", {"is_default": True}, {"id": "c-2", "config_name": "other", "is_default": True}),
    ("api_tokens", {}, {"id": "tok-2"}),
    ("secure_executions", {"idempotency_key": "i"}, {"id": "x-2", "idempotency_key": "i"}),
    ("evidence_records", {"execution_id": "x-0"}, {"id": "e-2", "execution_id": "x-0"}),
    ("chitty_chain_facts", {"leaf_index": 7, "leaf_hash": HASH},
     {"uuid": OTHER_HASH, "leaf_index": 7, "leaf_hash": HASH}),
    ("chitty_chain_facts", {"idempotency_key": "i"}, {"uuid": OTHER_HASH, "idempotency_key": "i"}),
    ("fortress_jobs", {"idempotency_key": "i"}, {"id": "j-2", "idempotency_key": "i"}),
    ("identities", {"issuer": "https://id.example", "subject": "s"},
     {"id": "u-2", "issuer": "https://id.example", "subject": "s"}),
    ("credentials", {}, {"id": "cr-2"}),
    ("oauth_authorization_codes", {}, {}),
    ("oauth_refresh_tokens", {}, {}),
    ("signing_keys", {}, {"id": "kid-2"}),
    ("fortress_keys", {}, {"fingerprint": "B" * 40}),
    ("resealing", {}, {}),
    ("used_once", {}, {}),
    ("content_erasures", {}, {}),
    ("idempotent_calls", {}, {"call_id": "c-2"}),
    ("chat_links", {}, {}),
    ("usage_events", {}, {"user_id": "u-2"}),
    ("usage_rollups", {}, {"attempts": 2}),
]

# The same with values that only look alike: both rows must stand.
DISTINCT = [
    ("chat_messages", {}, {"id": "m-2", "seq": 1}),
    ("usage_analytics", {"session_id": None}, {"id": "a-2", "session_id": None}),
    ("model_configs", {"is_default": True}, {"id": "c-2", "user_id": "u-2", "is_default": True}),
    ("secure_executions", {}, {"id": "x-2"}),
    ("secure_executions", {"idempotency_key": "i"}, {"id": "x-2", "user_id": "u-2", "idempotency_key": "i"}),
    ("evidence_records", {}, {"id": "e-2"}),
    ("chitty_chain_facts", {}, {"uuid": OTHER_HASH}),
    ("fortress_jobs", {}, {"id": "j-2"}),
    ("identities", {}, {"id": "u-2"}),
    ("identities", {"issuer": "https://id.example", "subject": "s"},
     {"id": "u-2", "issuer": "https://other.example", "subject": "s"}),
    ("oauth_grants", {}, {"id": "g-2"}),
    ("oauth_refresh_tokens", {}, {"token_hash": OTHER_HASH}),
    ("chat_links", {}, {"message_id": "m-1"}),
    ("usage_rollups", {"bucket": 4}, {"bucket": 4, "span": 4}),
]


def parents_sql(dialect):
    """A session s-1, an execution x-0 and a grant g-0 for other rows to refer to."""
    return [insert_sql("chat_sessions", dialect), insert_sql("secure_executions", dialect, id="x-0"),
            insert_sql("oauth_grants", dialect, id="g-0")]
