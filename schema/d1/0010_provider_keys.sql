-- Provider keys in versions: a row for each, one of a name active. SQLite cannot drop a constraint, so the table
-- is made again.
CREATE TABLE api_keys_in_versions (
    id               TEXT    NOT NULL PRIMARY KEY,
    user_id          TEXT    NOT NULL,
    provider         TEXT    NOT NULL DEFAULT 'openai',
    -- Despite its name: the key sealed with AES-256-GCM; owner, provider, id and version as associated data. ''
    -- when it has ended.
    key_hash         TEXT    NOT NULL,
    key_name         TEXT    NOT NULL,
    is_active        INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    last_used_at     INTEGER,
    usage_count      INTEGER NOT NULL DEFAULT 0 CHECK (usage_count >= 0),
    -- Which encryption key sealed it and keyed its fingerprint: finds what a rotation still has to re-seal.
    sealing_key_id   TEXT    NOT NULL,
    last_four        TEXT    NOT NULL CHECK (length(last_four) <= 4),
    -- Keyed (HMAC), so that it tells equal keys of a user apart from others but not what they are.
    fingerprint      TEXT    NOT NULL,
    revoked_at       INTEGER,
    version          INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
    -- When its provider knew it. Null: not asked with success.
    checked_at       INTEGER,
    -- The id of its successor, and until when it still works beside it.
    replaced_by      TEXT,
    ends_at          INTEGER,
    -- When the sealed text could not be opened. Null again when it could.
    undecryptable_at INTEGER,
    CONSTRAINT api_keys_version UNIQUE (user_id, provider, key_name, version)
) STRICT;

INSERT INTO api_keys_in_versions (id, user_id, provider, key_hash, key_name, is_active, created_at, updated_at,
    last_used_at, usage_count, sealing_key_id, last_four, fingerprint, revoked_at)
SELECT id, user_id, provider, key_hash, key_name, is_active, created_at, updated_at,
    last_used_at, usage_count, sealing_key_id, last_four, fingerprint, revoked_at FROM api_keys;

DROP TABLE api_keys;
ALTER TABLE api_keys_in_versions RENAME TO api_keys;

CREATE UNIQUE INDEX api_keys_one_active ON api_keys (user_id, provider, key_name) WHERE is_active = 1;
CREATE INDEX api_keys_by_sealing_key ON api_keys (sealing_key_id, id);
CREATE INDEX api_keys_by_end ON api_keys (ends_at) WHERE ends_at IS NOT NULL;
