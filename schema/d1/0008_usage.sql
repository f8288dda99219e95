-- What the models were asked for: one row an upstream attempt, and the roll-ups made of them. Money is counted here,
-- whatever becomes of sessions, messages and logs. Written by the chatgpt worker.

CREATE TABLE usage_events (
    -- '{request_id}.{attempt}', so that recording one twice counts it once.
    id                    TEXT    NOT NULL PRIMARY KEY,
    -- The call it is an attempt of. What a call cost is the sum over its attempts.
    request_id            TEXT    NOT NULL,
    attempt               INTEGER NOT NULL CHECK (attempt >= 1),
    -- Null once the user's data is erased: the money stays, nobody's.
    user_id               TEXT,
    key_id                TEXT,
    session_id            TEXT,
    case_id               TEXT,
    provider              TEXT    NOT NULL,
    model_asked           TEXT    NOT NULL,
    -- The one that answered, as the provider names it; else the one asked.
    model                 TEXT    NOT NULL,
    service_tier          TEXT,
    -- How many messages the attempt added to its conversation.
    messages              INTEGER NOT NULL DEFAULT 0 CHECK (messages >= 0),
    -- Parts are inside: cached and written in prompt, for an hour in written, reasoning in completion. Null: unknown.
    prompt_tokens         INTEGER CHECK (prompt_tokens >= 0),
    cached_tokens         INTEGER CHECK (cached_tokens >= 0),
    cache_write_tokens    INTEGER CHECK (cache_write_tokens >= 0),
    cache_write_1h_tokens INTEGER CHECK (cache_write_1h_tokens >= 0),
    completion_tokens     INTEGER CHECK (completion_tokens >= 0),
    reasoning_tokens      INTEGER CHECK (reasoning_tokens >= 0),
    web_searches          INTEGER CHECK (web_searches >= 0),
    cost_nanos            INTEGER CHECK (cost_nanos >= 0),
    cost_status           TEXT    NOT NULL CHECK (cost_status IN ('none', 'priced', 'estimated', 'unpriced')),
    -- The row of the price table.
    price_id              TEXT,
    -- From the start to the first token and to the end, and what of it was ours. Null: not measured.
    first_token_ms        INTEGER CHECK (first_token_ms >= 0),
    total_ms              INTEGER CHECK (total_ms >= 0),
    overhead_ms           INTEGER CHECK (overhead_ms >= 0),
    -- The same as codes of the histogram's bins.
    first_token_bin       TEXT,
    total_bin             TEXT,
    overhead_bin          TEXT,
    -- 'ok' or an error code.
    outcome               TEXT    NOT NULL,
    started_at            INTEGER NOT NULL,
    -- The quarter hour it started in, counted from 1970 in UTC.
    bucket                INTEGER NOT NULL,
    -- Whether the roll-ups hold it.
    counted               INTEGER NOT NULL DEFAULT 0 CHECK (counted IN (0, 1)),
    CONSTRAINT usage_events_cost CHECK ((cost_nanos IS NULL) = (cost_status IN ('none', 'unpriced'))),
    CONSTRAINT usage_events_tokens CHECK ((prompt_tokens IS NULL) = (completion_tokens IS NULL))
) STRICT;

CREATE INDEX usage_events_by_user ON usage_events (user_id, bucket);
CREATE INDEX usage_events_by_bucket ON usage_events (bucket);

-- Sums over the attempts of a quarter hour (span 1) or an hour (span 4), each attempt once by its key, once by its
-- session and once by its case. All of it can be made again from usage_events.
CREATE TABLE usage_rollups (
    -- '' for users whose data is erased.
    user_id               TEXT    NOT NULL,
    scope                 TEXT    NOT NULL CHECK (scope IN ('key', 'session', 'case')),
    span                  INTEGER NOT NULL CHECK (span IN (1, 4)),
    -- The first of its quarter hours.
    bucket                INTEGER NOT NULL CHECK (bucket % span = 0),
    -- The key, session or case; '' for none.
    member                TEXT    NOT NULL,
    model                 TEXT    NOT NULL,
    attempts              INTEGER NOT NULL,
    -- First attempts.
    requests              INTEGER NOT NULL,
    errors                INTEGER NOT NULL,
    messages              INTEGER NOT NULL,
    prompt_tokens         INTEGER NOT NULL,
    cached_tokens         INTEGER NOT NULL,
    cache_write_tokens    INTEGER NOT NULL,
    cache_write_1h_tokens INTEGER NOT NULL,
    completion_tokens     INTEGER NOT NULL,
    reasoning_tokens      INTEGER NOT NULL,
    web_searches          INTEGER NOT NULL,
    cost_nanos            INTEGER NOT NULL,
    estimated             INTEGER NOT NULL,
    -- How many attempts the cost leaves out because no price is known.
    unpriced              INTEGER NOT NULL,
    -- Histograms: bin codes, each with its count unless that is 1. Joining two texts merges them.
    latencies             TEXT    NOT NULL,
    PRIMARY KEY (user_id, scope, span, bucket, member, model)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_rollups_by_bucket ON usage_rollups (bucket);
