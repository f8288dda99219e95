-- Executions and what vouches for them. Written by the coordinator; fortress_jobs
-- and chitty_chain_facts by the fortress worker.
--
-- "Verified" is a result with its record beside it: the checks below refuse the flag
-- without the record. Nothing here sets it on its own; an audit reads the evidence
-- again and trusts no stored flag.

-- A row is written before any model is called. status has no 'verified': whether the
-- execution was verified is verification_status, with the reasons in verification.
CREATE TABLE secure_executions (
    id                  TEXT    NOT NULL PRIMARY KEY,
    user_id             TEXT    NOT NULL,
    prompt              TEXT    NOT NULL,  -- sealed text
    prompt_hash         TEXT    NOT NULL CHECK (length(prompt_hash) = 64),
    security_level      TEXT    NOT NULL CHECK (security_level IN ('standard', 'fortress', 'verified')),
    execution_method    TEXT    NOT NULL CHECK (execution_method IN ('direct', 'sandboxed', 'verified')),
    chat_session_id     TEXT    REFERENCES chat_sessions (id) ON DELETE SET NULL,
    fortress_job_id     TEXT,
    evidence_id         TEXT,
    case_id             TEXT,
    request_id          TEXT,
    idempotency_key     TEXT,
    created_at          INTEGER NOT NULL,
    started_at          INTEGER,
    completed_at        INTEGER,
    updated_at          INTEGER NOT NULL,
    -- When an unfinished execution counts as interrupted and the sweep fails it.
    deadline_at         INTEGER,
    status              TEXT    NOT NULL DEFAULT 'pending'
                        CHECK (status IN ('pending', 'executing', 'completed', 'failed')),
    chatgpt_response    TEXT,
    fortress_output     TEXT,
    fortress_signature  TEXT,
    verification_status INTEGER CHECK (verification_status IN (0, 1)),
    verification        TEXT    CHECK (verification IS NULL OR json_valid(verification)),
    model               TEXT,
    label               TEXT    CHECK (length(label) <= 500),
    prompt_tokens       INTEGER CHECK (prompt_tokens >= 0),
    completion_tokens   INTEGER CHECK (completion_tokens >= 0),
    cost_nanos          INTEGER CHECK (cost_nanos >= 0),
    cost                REAL    GENERATED ALWAYS AS (cost_nanos / 1000000000.0) VIRTUAL,
    cost_status         TEXT    NOT NULL DEFAULT 'none'
                        CHECK (cost_status IN ('none', 'priced', 'estimated', 'stated', 'unpriced')),
    metadata            TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    error_message       TEXT,
    chain_facts         TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(chain_facts)),
    CONSTRAINT secure_executions_idempotency UNIQUE (user_id, idempotency_key),
    CONSTRAINT secure_executions_cost CHECK ((cost_nanos IS NULL) = (cost_status IN ('none', 'unpriced'))),
    CONSTRAINT secure_executions_failed_why CHECK (status <> 'failed' OR error_message IS NOT NULL),
    CONSTRAINT secure_executions_verified_how
        CHECK (verification_status IS NULL OR verification_status = 0 OR verification IS NOT NULL)
) STRICT;

CREATE INDEX secure_executions_by_user ON secure_executions (user_id, created_at);
CREATE INDEX secure_executions_by_level ON secure_executions (created_at, security_level);
CREATE INDEX secure_executions_by_case ON secure_executions (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX secure_executions_unfinished ON secure_executions (status, deadline_at)
    WHERE status IN ('pending', 'executing');
CREATE INDEX secure_executions_by_job ON secure_executions (fortress_job_id);
CREATE INDEX secure_executions_by_session ON secure_executions (chat_session_id);

-- At most one record an execution; evidence made by hand has no execution.
CREATE TABLE evidence_records (
    id                    TEXT    NOT NULL PRIMARY KEY,
    user_id               TEXT    NOT NULL,
    execution_id          TEXT    REFERENCES secure_executions (id) ON DELETE CASCADE,
    case_id               TEXT,
    evidence_type         TEXT    NOT NULL,
    description           TEXT,
    fortress_job_id       TEXT,
    input_hash            TEXT    CHECK (length(input_hash) = 64),
    output_hash           TEXT    CHECK (length(output_hash) = 64),
    pgp_signature         TEXT,
    signature_verified    INTEGER NOT NULL DEFAULT 0 CHECK (signature_verified IN (0, 1)),
    signature_verified_at INTEGER,
    chain_facts           TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(chain_facts)),
    status                TEXT    NOT NULL DEFAULT 'pending'
                          CHECK (status IN ('pending', 'completed', 'verified', 'failed')),
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL,
    completed_at          INTEGER,
    evidence_package_id   TEXT,
    package_format        TEXT    CHECK (package_format IN ('json', 'pdf', 'legal_brief')),
    metadata              TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    CONSTRAINT evidence_records_execution UNIQUE (execution_id),
    CONSTRAINT evidence_records_verified_when
        CHECK (signature_verified = 0 OR signature_verified_at IS NOT NULL),
    CONSTRAINT evidence_records_verified_how CHECK (status <> 'verified' OR signature_verified = 1)
) STRICT;

CREATE INDEX evidence_records_by_user ON evidence_records (user_id, created_at);
CREATE INDEX evidence_records_by_case ON evidence_records (case_id, created_at) WHERE case_id IS NOT NULL;
CREATE INDEX evidence_records_by_status ON evidence_records (status, created_at);
CREATE INDEX evidence_records_by_time ON evidence_records (created_at);

-- Rows for queries. The log itself, its tree and its proofs belong to the sequencer.
-- uuid is the fact id: SHA-256 of the canonical bytes, lower-case hex.
-- leaf_index is the dense position in the log; NULL means not sequenced yet.
-- Erasure removes content and salt, so the commitment in the log opens no more,
-- and keeps what the proofs need: uuid, leaf_index, leaf_hash.
CREATE TABLE chitty_chain_facts (
    uuid                TEXT    NOT NULL PRIMARY KEY CHECK (length(uuid) = 64),
    leaf_index          INTEGER CHECK (leaf_index >= 0),
    leaf_hash           TEXT    CHECK (length(leaf_hash) = 64),
    subject             TEXT    NOT NULL,
    predicate           TEXT    NOT NULL,
    object              TEXT    NOT NULL,
    source              TEXT    NOT NULL,
    timestamp           INTEGER NOT NULL,  -- ms, as the caller stated it
    ingested_at         INTEGER NOT NULL,
    fact_json           TEXT,              -- the canonical bytes, exactly as hashed
    salt                TEXT,
    idempotency_key     TEXT,
    verified            INTEGER NOT NULL DEFAULT 0 CHECK (verified IN (0, 1)),
    verified_at         INTEGER,
    verification_method TEXT,
    fortress_signature  TEXT,
    signature_verified  INTEGER CHECK (signature_verified IN (0, 1)),
    execution_id        TEXT    REFERENCES secure_executions (id) ON DELETE SET NULL,
    evidence_id         TEXT    REFERENCES evidence_records (id) ON DELETE SET NULL,
    user_id             TEXT,
    erased_at           INTEGER,
    metadata            TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    CONSTRAINT chitty_chain_facts_leaf UNIQUE (leaf_index),
    CONSTRAINT chitty_chain_facts_idempotency UNIQUE (idempotency_key),
    CONSTRAINT chitty_chain_facts_sequenced CHECK (leaf_index IS NULL OR leaf_hash IS NOT NULL),
    CONSTRAINT chitty_chain_facts_verified_how
        CHECK (verified = 0 OR (verified_at IS NOT NULL AND verification_method IS NOT NULL)),
    CONSTRAINT chitty_chain_facts_erased
        CHECK (erased_at IS NULL OR (fact_json IS NULL AND salt IS NULL
               AND subject = '' AND predicate = '' AND object = '' AND metadata = '{}'))
) STRICT;

CREATE INDEX chitty_chain_facts_by_subject ON chitty_chain_facts (subject, timestamp);
CREATE INDEX chitty_chain_facts_by_predicate ON chitty_chain_facts (predicate, timestamp);
CREATE INDEX chitty_chain_facts_by_source ON chitty_chain_facts (source, ingested_at);
CREATE INDEX chitty_chain_facts_by_time ON chitty_chain_facts (timestamp);
CREATE INDEX chitty_chain_facts_by_ingestion ON chitty_chain_facts (ingested_at);
CREATE INDEX chitty_chain_facts_by_execution ON chitty_chain_facts (execution_id);
CREATE INDEX chitty_chain_facts_by_evidence ON chitty_chain_facts (evidence_id);

-- The fortress worker's own jobs. evidence_id is what the caller named, kept
-- without a foreign key; execution_id is set where that is an execution of its own.
-- idempotency_key is made by the service, never a caller's raw text, so one user's
-- key cannot meet another's.
CREATE TABLE fortress_jobs (
    id                  TEXT    NOT NULL PRIMARY KEY,
    user_id             TEXT    NOT NULL,
    label               TEXT    NOT NULL CHECK (length(label) <= 500),
    status              TEXT    NOT NULL DEFAULT 'pending'
                        CHECK (status IN ('pending', 'executing', 'completed', 'failed')),
    evidence_id         TEXT,
    execution_id        TEXT,
    idempotency_key     TEXT,
    request_id          TEXT,
    sealed_prompt       TEXT    NOT NULL,
    sealed_output       TEXT,
    prompt_hash         TEXT    NOT NULL CHECK (length(prompt_hash) = 64),
    output_hash         TEXT    CHECK (length(output_hash) = 64),
    output_file         TEXT,
    manifest            TEXT,   -- the exact bytes signed
    signature           TEXT,   -- armored OpenPGP, detached
    key_fingerprint     TEXT,
    assertion_id        TEXT,   -- the fact that logs this job
    policy              TEXT    CHECK (policy IS NULL OR json_valid(policy)),
    model_requested     TEXT,
    model_answered      TEXT,
    provider_request_id TEXT,
    prompt_tokens       INTEGER CHECK (prompt_tokens >= 0),
    completion_tokens   INTEGER CHECK (completion_tokens >= 0),
    cost_nanos          INTEGER CHECK (cost_nanos >= 0),
    cost                REAL    GENERATED ALWAYS AS (cost_nanos / 1000000000.0) VIRTUAL,
    cost_status         TEXT    NOT NULL DEFAULT 'none'
                        CHECK (cost_status IN ('none', 'priced', 'estimated', 'stated', 'unpriced')),
    error_message       TEXT,
    created_at          INTEGER NOT NULL,
    started_at          INTEGER,
    completed_at        INTEGER,
    updated_at          INTEGER NOT NULL,
    deadline_at         INTEGER,
    CONSTRAINT fortress_jobs_idempotency UNIQUE (idempotency_key),
    CONSTRAINT fortress_jobs_cost CHECK ((cost_nanos IS NULL) = (cost_status IN ('none', 'unpriced'))),
    CONSTRAINT fortress_jobs_failed_why CHECK (status <> 'failed' OR error_message IS NOT NULL),
    CONSTRAINT fortress_jobs_completed_whole
        CHECK (status <> 'completed' OR (sealed_output IS NOT NULL AND output_hash IS NOT NULL
               AND manifest IS NOT NULL AND signature IS NOT NULL AND key_fingerprint IS NOT NULL))
) STRICT;

CREATE INDEX fortress_jobs_by_user ON fortress_jobs (user_id, created_at);
CREATE INDEX fortress_jobs_unfinished ON fortress_jobs (status, deadline_at)
    WHERE status IN ('pending', 'executing');
CREATE INDEX fortress_jobs_by_execution ON fortress_jobs (execution_id);
CREATE INDEX fortress_jobs_by_evidence ON fortress_jobs (evidence_id);
