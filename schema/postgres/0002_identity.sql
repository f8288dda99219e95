-- Who may call, and what was decided about each call. Written by every worker.

-- Null or unknown status, or null scopes, mean no access; so neither is constrained
-- beyond its form, and a row written elsewhere fails closed.
CREATE TABLE api_tokens (
    id                      TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    -- The identity is kept by another service, so there is nothing here to refer to.
    identity_id             TEXT,
    user_id                 TEXT,
    -- SHA-256 of the whole token, lower-case hex. The token itself is never stored.
    token_hash              TEXT NOT NULL CHECK (length(token_hash) = 64),
    -- The token's first characters, enough to tell tokens apart in a list.
    key_prefix              TEXT CHECK (length(key_prefix) <= 32),
    name                    TEXT NOT NULL,
    scopes                  TEXT[],
    status                  TEXT,
    platform                TEXT,
    last_used_at            TIMESTAMPTZ,
    expires_at              TIMESTAMPTZ,
    created_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    created_by              TEXT,
    revoked_at              TIMESTAMPTZ,
    type                    TEXT NOT NULL DEFAULT 'bearer' CHECK (type IN ('bearer', 'certificate')),
    certificate_pem         TEXT,
    certificate_serial      TEXT,
    certificate_fingerprint TEXT,
    CONSTRAINT api_tokens_hash UNIQUE (token_hash)
);

CREATE INDEX api_tokens_by_user ON api_tokens (user_id, created_at);
CREATE INDEX api_tokens_by_identity ON api_tokens (identity_id);
CREATE INDEX api_tokens_by_expiry ON api_tokens (status, expires_at);
CREATE INDEX api_tokens_by_certificate ON api_tokens (certificate_fingerprint)
    WHERE certificate_fingerprint IS NOT NULL;

-- No foreign keys, and the address is text: a refusal must be recorded even when the
-- token, the identity or the address it names does not exist or does not parse.
CREATE TABLE audit_logs (
    id            TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    identity_id   TEXT,
    user_id       TEXT,
    token_id      TEXT,
    request_id    TEXT,
    action        TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id   TEXT,
    outcome       TEXT NOT NULL DEFAULT 'allow' CHECK (outcome IN ('allow', 'deny')),
    reason        TEXT,
    details       JSONB,
    ip_address    TEXT,
    user_agent    TEXT,
    created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT audit_logs_deny_has_reason CHECK (outcome = 'allow' OR reason IS NOT NULL)
);

CREATE INDEX audit_logs_by_time ON audit_logs (created_at);
CREATE INDEX audit_logs_by_user ON audit_logs (user_id, created_at);
CREATE INDEX audit_logs_by_token ON audit_logs (token_id, created_at);
CREATE INDEX audit_logs_by_outcome ON audit_logs (outcome, created_at);
CREATE INDEX audit_logs_by_resource ON audit_logs (resource_type, resource_id);
CREATE INDEX audit_logs_by_request ON audit_logs (request_id);
