-- Calls that a client may send again under the same key, and what they were answered. Written by the chatgpt worker.

CREATE TABLE idempotent_calls (
    user_id TEXT NOT NULL,
    -- SHA-256 of the client's key.
    key_hash TEXT NOT NULL,
    -- SHA-256 of the request's body: another body under the same key is refused.
    body_hash TEXT NOT NULL,
    -- The call that answers, so that only it writes the reply.
    call_id TEXT NOT NULL,
    -- Null while the call is under way.
    status BIGINT CHECK (status BETWEEN 200 AND 599),
    -- Sealed.
    reply TEXT,
    expires_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT idempotent_calls_key PRIMARY KEY (user_id, key_hash),
    CONSTRAINT idempotent_calls_reply CHECK ((status IS NULL) = (reply IS NULL))
);

CREATE INDEX idempotent_calls_by_expiry ON idempotent_calls (expires_at);
