-- Conversations, their cost, and the settings behind them. Written by the chatgpt worker.
-- Rules for every table here (types, money, times, triggers): schema/README.md.
--
-- Nothing counts by trigger: the service that appends a message updates the session's
-- totals and usage_analytics in the same atomic batch, so one SQL text does the same
-- on both engines (d1/0001_chat.sql says why D1 cannot have such triggers).

CREATE TABLE chat_sessions (
    id                TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    user_id           TEXT NOT NULL,
    session_name      TEXT NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    status            TEXT NOT NULL DEFAULT 'active'
                      CHECK (status IN ('active', 'archived', 'deleted')),
    metadata          JSONB NOT NULL DEFAULT '{}',
    total_messages    BIGINT NOT NULL DEFAULT 0 CHECK (total_messages >= 0),
    total_tokens      BIGINT NOT NULL DEFAULT 0 CHECK (total_tokens >= 0),
    total_cost_nanos  BIGINT NOT NULL DEFAULT 0 CHECK (total_cost_nanos >= 0),
    total_cost        NUMERIC(19, 9) GENERATED ALWAYS AS (total_cost_nanos * 0.000000001) STORED,
    -- How many messages the total leaves out because their model has no known price.
    unpriced_messages BIGINT NOT NULL DEFAULT 0 CHECK (unpriced_messages >= 0)
);

CREATE INDEX chat_sessions_by_user ON chat_sessions (user_id, updated_at);

CREATE TABLE chat_messages (
    id                TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    session_id        TEXT NOT NULL REFERENCES chat_sessions (id) ON DELETE CASCADE,
    seq               BIGINT NOT NULL CHECK (seq >= 0),
    role              TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
    content           TEXT NOT NULL,
    timestamp         TIMESTAMPTZ NOT NULL DEFAULT now(),
    case_id           TEXT,
    tokens_used       BIGINT CHECK (tokens_used >= 0),
    prompt_tokens     BIGINT CHECK (prompt_tokens >= 0),
    completion_tokens BIGINT CHECK (completion_tokens >= 0),
    cost_nanos        BIGINT CHECK (cost_nanos >= 0),
    cost              NUMERIC(19, 9) GENERATED ALWAYS AS (cost_nanos * 0.000000001) STORED,
    -- none: nothing to pay for; priced: from the provider's usage; estimated: from
    -- tokens counted here; stated: by the caller; unpriced: no price is known.
    cost_status       TEXT NOT NULL DEFAULT 'none'
                      CHECK (cost_status IN ('none', 'priced', 'estimated', 'stated', 'unpriced')),
    model             TEXT,
    metadata          JSONB NOT NULL DEFAULT '{}',
    CONSTRAINT chat_messages_seq UNIQUE (session_id, seq),
    CONSTRAINT chat_messages_cost CHECK ((cost_nanos IS NULL) = (cost_status IN ('none', 'unpriced')))
);

CREATE INDEX chat_messages_by_case ON chat_messages (case_id, timestamp) WHERE case_id IS NOT NULL;

-- Usage outside any session has session_id NULL. NULLs are distinct in the
-- constraint, so each such call is a row of its own and readers sum.
CREATE TABLE usage_analytics (
    id             TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    user_id        TEXT NOT NULL,
    session_id     TEXT REFERENCES chat_sessions (id) ON DELETE SET NULL,
    date           DATE NOT NULL,
    hour           BIGINT NOT NULL CHECK (hour BETWEEN 0 AND 23),
    messages_count BIGINT NOT NULL DEFAULT 0 CHECK (messages_count >= 0),
    tokens_used    BIGINT NOT NULL DEFAULT 0 CHECK (tokens_used >= 0),
    cost_nanos     BIGINT NOT NULL DEFAULT 0 CHECK (cost_nanos >= 0),
    cost           NUMERIC(19, 9) GENERATED ALWAYS AS (cost_nanos * 0.000000001) STORED,
    unpriced_count BIGINT NOT NULL DEFAULT 0 CHECK (unpriced_count >= 0),
    model          TEXT NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT usage_analytics_bucket UNIQUE (user_id, session_id, date, hour, model)
);

CREATE INDEX usage_analytics_by_user ON usage_analytics (user_id, date, hour);
CREATE INDEX usage_analytics_by_date ON usage_analytics (date);
CREATE INDEX usage_analytics_by_session ON usage_analytics (session_id);

-- Model providers' keys that users deposit.
CREATE TABLE api_keys (
    id             TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    user_id        TEXT NOT NULL,
    provider       TEXT NOT NULL DEFAULT 'openai',
    -- Despite its name: the key sealed with AES-256-GCM, owner and key id as associated data.
    key_hash       TEXT NOT NULL,
    key_name       TEXT NOT NULL,
    is_active      BOOLEAN NOT NULL DEFAULT TRUE,
    created_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    last_used_at   TIMESTAMPTZ,
    usage_count    BIGINT NOT NULL DEFAULT 0 CHECK (usage_count >= 0),
    -- Which encryption key sealed it: finds what a rotation still has to re-seal.
    sealing_key_id TEXT NOT NULL,
    last_four      TEXT NOT NULL CHECK (length(last_four) <= 4),
    -- Keyed (HMAC), so that it tells equal keys apart from others but not what they are.
    fingerprint    TEXT NOT NULL,
    revoked_at     TIMESTAMPTZ,
    CONSTRAINT api_keys_name UNIQUE (user_id, provider, key_name)
);

CREATE INDEX api_keys_by_sealing_key ON api_keys (sealing_key_id, id);

CREATE TABLE model_configs (
    id                TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    user_id           TEXT NOT NULL,
    config_name       TEXT NOT NULL,
    model             TEXT NOT NULL,
    max_tokens        BIGINT NOT NULL DEFAULT 1000 CHECK (max_tokens > 0),
    temperature       DOUBLE PRECISION NOT NULL DEFAULT 0.7 CHECK (temperature BETWEEN 0 AND 2),
    top_p             DOUBLE PRECISION NOT NULL DEFAULT 1 CHECK (top_p BETWEEN 0 AND 1),
    frequency_penalty DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (frequency_penalty BETWEEN -2 AND 2),
    presence_penalty  DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (presence_penalty BETWEEN -2 AND 2),
    system_prompt     TEXT,
    is_default        BOOLEAN NOT NULL DEFAULT FALSE,
    created_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT model_configs_name UNIQUE (user_id, config_name)
);

-- One default a user: clear the old one before setting the new, in one batch.
CREATE UNIQUE INDEX model_configs_one_default ON model_configs (user_id) WHERE is_default;

CREATE TABLE session_templates (
    id               TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    user_id          TEXT,
    template_name    TEXT NOT NULL,
    description      TEXT,
    system_prompt    TEXT NOT NULL,
    initial_messages JSONB NOT NULL DEFAULT '[]',
    model_config_id  TEXT REFERENCES model_configs (id) ON DELETE SET NULL,
    is_public        BOOLEAN NOT NULL DEFAULT FALSE,
    use_count        BIGINT NOT NULL DEFAULT 0 CHECK (use_count >= 0),
    created_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at       TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX session_templates_by_user ON session_templates (user_id, template_name);
CREATE INDEX session_templates_public ON session_templates (template_name) WHERE is_public;
CREATE INDEX session_templates_by_config ON session_templates (model_config_id);
