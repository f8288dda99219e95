-- Provider keys in versions: a row for each, one of a name active.
ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_name,
    ADD COLUMN version          BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    -- When its provider knew it. Null: not asked with success.
    ADD COLUMN checked_at       TIMESTAMPTZ,
    -- The id of its successor, and until when it still works beside it.
    ADD COLUMN replaced_by      TEXT,
    ADD COLUMN ends_at          TIMESTAMPTZ,
    -- When the sealed text could not be opened. Null again when it could.
    ADD COLUMN undecryptable_at TIMESTAMPTZ,
    ADD CONSTRAINT api_keys_version UNIQUE (user_id, provider, key_name, version);

CREATE UNIQUE INDEX api_keys_one_active ON api_keys (user_id, provider, key_name) WHERE is_active;
CREATE INDEX api_keys_by_end ON api_keys (ends_at) WHERE ends_at IS NOT NULL;
