-- Conversations, their cost, and the settings behind them. Written by the chatgpt worker.
-- Rules for every table here (types, money, times, triggers): schema/README.md.
--
-- Nothing counts by trigger. The service that appends a message updates the
-- session's totals and usage_analytics in the same atomic batch, so that one SQL
-- text does the same on both engines, and because D1 reports a statement's row
-- count as the growth of total_changes(), which includes rows written by
-- triggers: a trigger would falsify the counts that guarded statements check.

CREATE TABLE chat_sessions (
    id                TEXT    NOT NULL PRIMARY KEY,
    user_id           TEXT    NOT NULL,
    session_name      TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    status            TEXT    NOT NULL DEFAULT 'active'
                      CHECK (status IN ('active', 'archived', 'deleted')),
    metadata          TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    total_messages    INTEGER NOT NULL DEFAULT 0 CHECK (total_messages >= 0),
    total_tokens      INTEGER NOT NULL DEFAULT 0 CHECK (total_tokens >= 0),
    total_cost_nanos  INTEGER NOT NULL DEFAULT 0 CHECK (total_cost_nanos >= 0),
    total_cost        REAL    GENERATED ALWAYS AS (total_cost_nanos / 1000000000.0) VIRTUAL,
    -- How many messages the total leaves out because their model has no known price.
    unpriced_messages INTEGER NOT NULL DEFAULT 0 CHECK (unpriced_messages >= 0)
) STRICT;

CREATE INDEX chat_sessions_by_user ON chat_sessions (user_id, updated_at);

CREATE TABLE chat_messages (
    id                TEXT    NOT NULL PRIMARY KEY,
    session_id        TEXT    NOT NULL REFERENCES chat_sessions (id) ON DELETE CASCADE,
    seq               INTEGER NOT NULL CHECK (seq >= 0),
    role              TEXT    NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
    content           TEXT    NOT NULL,
    timestamp         INTEGER NOT NULL,
    case_id           TEXT,
    tokens_used       INTEGER CHECK (tokens_used >= 0),
    prompt_tokens     INTEGER CHECK (prompt_tokens >= 0),
    completion_tokens INTEGER CHECK (completion_tokens >= 0),
    cost_nanos        INTEGER CHECK (cost_nanos >= 0),
    cost              REAL    GENERATED ALWAYS AS (cost_nanos / 1000000000.0) VIRTUAL,
    -- none: nothing to pay for; priced: from the provider's usage; estimated: from
    -- tokens counted here; stated: by the caller; unpriced: no price is known.
    cost_status       TEXT    NOT NULL DEFAULT 'none'
                      CHECK (cost_status IN ('none', 'priced', 'estimated', 'stated', 'unpriced')),
    model             TEXT,
    metadata          TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    CONSTRAINT chat_messages_seq UNIQUE (session_id, seq),
    CONSTRAINT chat_messages_cost CHECK ((cost_nanos IS NULL) = (cost_status IN ('none', 'unpriced')))
) STRICT;

CREATE INDEX chat_messages_by_case ON chat_messages (case_id, timestamp) WHERE case_id IS NOT NULL;

-- Usage outside any session has session_id NULL. NULLs are distinct in the
-- constraint, so each such call is a row of its own and readers sum.
CREATE TABLE usage_analytics (
    id             TEXT    NOT NULL PRIMARY KEY,
    user_id        TEXT    NOT NULL,
    session_id     TEXT    REFERENCES chat_sessions (id) ON DELETE SET NULL,
    date           TEXT    NOT NULL
                   CHECK (date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    hour           INTEGER NOT NULL CHECK (hour BETWEEN 0 AND 23),
    messages_count INTEGER NOT NULL DEFAULT 0 CHECK (messages_count >= 0),
    tokens_used    INTEGER NOT NULL DEFAULT 0 CHECK (tokens_used >= 0),
    cost_nanos     INTEGER NOT NULL DEFAULT 0 CHECK (cost_nanos >= 0),
    cost           REAL    GENERATED ALWAYS AS (cost_nanos / 1000000000.0) VIRTUAL,
    unpriced_count INTEGER NOT NULL DEFAULT 0 CHECK (unpriced_count >= 0),
    model          TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    CONSTRAINT usage_analytics_bucket UNIQUE (user_id, session_id, date, hour, model)
) STRICT;

CREATE INDEX usage_analytics_by_user ON usage_analytics (user_id, date, hour);
CREATE INDEX usage_analytics_by_date ON usage_analytics (date);
CREATE INDEX usage_analytics_by_session ON usage_analytics (session_id);

-- Model providers' keys that users deposit.
CREATE TABLE api_keys (
    id             TEXT    NOT NULL PRIMARY KEY,
    user_id        TEXT    NOT NULL,
    provider       TEXT    NOT NULL DEFAULT 'openai',
    -- Despite its name: the key sealed with AES-256-GCM, owner and key id as associated data.
    key_hash       TEXT    NOT NULL,
    key_name       TEXT    NOT NULL,
    is_active      INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    last_used_at   INTEGER,
    usage_count    INTEGER NOT NULL DEFAULT 0 CHECK (usage_count >= 0),
    -- Which encryption key sealed it: finds what a rotation still has to re-seal.
    sealing_key_id TEXT    NOT NULL,
    last_four      TEXT    NOT NULL CHECK (length(last_four) <= 4),
    -- Keyed (HMAC), so that it tells equal keys apart from others but not what they are.
    fingerprint    TEXT    NOT NULL,
    revoked_at     INTEGER,
    CONSTRAINT api_keys_name UNIQUE (user_id, provider, key_name)
) STRICT;

CREATE INDEX api_keys_by_sealing_key ON api_keys (sealing_key_id, id);

CREATE TABLE model_configs (
    id                TEXT    NOT NULL PRIMARY KEY,
    user_id           TEXT    NOT NULL,
    config_name       TEXT    NOT NULL,
    model             TEXT    NOT NULL,
    max_tokens        INTEGER NOT NULL DEFAULT 1000 CHECK (max_tokens > 0),
    temperature       REAL    NOT NULL DEFAULT 0.7 CHECK (temperature BETWEEN 0 AND 2),
    top_p             REAL    NOT NULL DEFAULT 1 CHECK (top_p BETWEEN 0 AND 1),
    frequency_penalty REAL    NOT NULL DEFAULT 0 CHECK (frequency_penalty BETWEEN -2 AND 2),
    presence_penalty  REAL    NOT NULL DEFAULT 0 CHECK (presence_penalty BETWEEN -2 AND 2),
    system_prompt     TEXT,
    is_default        INTEGER NOT NULL DEFAULT 0 CHECK (is_default IN (0, 1)),
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    CONSTRAINT model_configs_name UNIQUE (user_id, config_name)
) STRICT;

-- One default a user: clear the old one before setting the new, in one batch.
CREATE UNIQUE INDEX model_configs_one_default ON model_configs (user_id) WHERE is_default = 1;

CREATE TABLE session_templates (
    id               TEXT    NOT NULL PRIMARY KEY,
    user_id          TEXT,
    template_name    TEXT    NOT NULL,
    description      TEXT,
    system_prompt    TEXT    NOT NULL,
    initial_messages TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(initial_messages)),
    model_config_id  TEXT    REFERENCES model_configs (id) ON DELETE SET NULL,
    is_public        INTEGER NOT NULL DEFAULT 0 CHECK (is_public IN (0, 1)),
    use_count        INTEGER NOT NULL DEFAULT 0 CHECK (use_count >= 0),
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL
) STRICT;

CREATE INDEX session_templates_by_user ON session_templates (user_id, template_name);
CREATE INDEX session_templates_public ON session_templates (template_name) WHERE is_public = 1;
CREATE INDEX session_templates_by_config ON session_templates (model_config_id);
