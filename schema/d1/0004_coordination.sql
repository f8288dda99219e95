-- What is made from executions: packages, audits, comparisons, orchestrations.
-- Written by the coordinator.

-- package_hash is the SHA-256 of package_text where the package is JSON, otherwise of
-- the file at package_file_path; package_data describes it and is never hashed.
CREATE TABLE evidence_packages (
    id                   TEXT    NOT NULL PRIMARY KEY,
    user_id              TEXT    NOT NULL,
    case_id              TEXT,
    execution_id         TEXT    REFERENCES secure_executions (id) ON DELETE SET NULL,
    package_format       TEXT    NOT NULL DEFAULT 'json'
                         CHECK (package_format IN ('json', 'pdf', 'legal_brief')),
    package_data         TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(package_data)),
    package_text         TEXT,
    package_file_path    TEXT,
    include_chain_facts  INTEGER NOT NULL DEFAULT 1 CHECK (include_chain_facts IN (0, 1)),
    chain_facts_included TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(chain_facts_included)),
    package_hash         TEXT    CHECK (length(package_hash) = 64),
    package_signature    TEXT,
    verified             INTEGER NOT NULL DEFAULT 0 CHECK (verified IN (0, 1)),
    verified_at          INTEGER,
    status               TEXT    NOT NULL DEFAULT 'created'
                         CHECK (status IN ('created', 'signed', 'verified', 'delivered')),
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    legal_metadata       TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(legal_metadata)),
    CONSTRAINT evidence_packages_verified_when CHECK (verified = 0 OR verified_at IS NOT NULL),
    CONSTRAINT evidence_packages_verified_how CHECK (status <> 'verified' OR verified = 1),
    CONSTRAINT evidence_packages_signed_how
        CHECK (status <> 'signed' OR (package_hash IS NOT NULL AND package_signature IS NOT NULL))
) STRICT;

CREATE INDEX evidence_packages_by_user ON evidence_packages (user_id, created_at);
CREATE INDEX evidence_packages_by_case ON evidence_packages (case_id, created_at) WHERE case_id IS NOT NULL;
CREATE INDEX evidence_packages_by_execution ON evidence_packages (execution_id);

CREATE TABLE executive_orchestrations (
    id                  TEXT    NOT NULL PRIMARY KEY,
    user_id             TEXT    NOT NULL,
    task                TEXT    NOT NULL,
    executives_involved TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(executives_involved)),
    security_required   INTEGER NOT NULL DEFAULT 0 CHECK (security_required IN (0, 1)),
    security_level      TEXT    NOT NULL DEFAULT 'standard'
                        CHECK (security_level IN ('standard', 'fortress', 'verified')),
    evidence_tracking   INTEGER NOT NULL DEFAULT 0 CHECK (evidence_tracking IN (0, 1)),
    execution_ids       TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(execution_ids)),
    evidence_ids        TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(evidence_ids)),
    status              TEXT    NOT NULL DEFAULT 'initiated'
                        CHECK (status IN ('initiated', 'executing', 'completed', 'failed')),
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    completed_at        INTEGER,
    deadline_at         INTEGER,
    results             TEXT    CHECK (results IS NULL OR json_valid(results)),
    coordination_log    TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(coordination_log)),
    metadata            TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata))
) STRICT;

CREATE INDEX executive_orchestrations_by_user ON executive_orchestrations (user_id, created_at);
CREATE INDEX executive_orchestrations_unfinished ON executive_orchestrations (status, deadline_at)
    WHERE status IN ('initiated', 'executing');

-- Empty execution_ids means the recent executions.
CREATE TABLE security_audits (
    id                         TEXT    NOT NULL PRIMARY KEY,
    audit_type                 TEXT    NOT NULL,
    audit_level                TEXT    NOT NULL DEFAULT 'comprehensive'
                               CHECK (audit_level IN ('basic', 'comprehensive', 'forensic')),
    execution_ids              TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(execution_ids)),
    evidence_ids               TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(evidence_ids)),
    fact_ids                   TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(fact_ids)),
    verify_signatures          INTEGER NOT NULL DEFAULT 1 CHECK (verify_signatures IN (0, 1)),
    cross_reference            INTEGER NOT NULL DEFAULT 1 CHECK (cross_reference IN (0, 1)),
    include_chain_verification INTEGER NOT NULL DEFAULT 1 CHECK (include_chain_verification IN (0, 1)),
    findings                   TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(findings)),
    recommendations            TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(recommendations)),
    risk_level                 TEXT    CHECK (risk_level IN ('low', 'medium', 'high', 'critical')),
    status                     TEXT    NOT NULL DEFAULT 'pending'
                               CHECK (status IN ('pending', 'running', 'completed', 'failed')),
    created_at                 INTEGER NOT NULL,
    started_at                 INTEGER,
    completed_at               INTEGER,
    auditor_id                 TEXT,
    automated                  INTEGER NOT NULL DEFAULT 0 CHECK (automated IN (0, 1)),
    metadata                   TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata))
) STRICT;

CREATE INDEX security_audits_by_status ON security_audits (status, created_at);
CREATE INDEX security_audits_by_auditor ON security_audits (auditor_id, created_at);

CREATE TABLE ai_response_comparisons (
    id                      TEXT    NOT NULL PRIMARY KEY,
    prompt                  TEXT    NOT NULL,  -- sealed text
    prompt_hash             TEXT    NOT NULL CHECK (length(prompt_hash) = 64),
    user_id                 TEXT    NOT NULL,
    standard_execution_id   TEXT    REFERENCES secure_executions (id) ON DELETE SET NULL,
    fortress_execution_id   TEXT    REFERENCES secure_executions (id) ON DELETE SET NULL,
    analysis_execution_id   TEXT    REFERENCES secure_executions (id) ON DELETE SET NULL,
    responses_identical     INTEGER CHECK (responses_identical IN (0, 1)),
    significant_differences TEXT    CHECK (significant_differences IS NULL OR json_valid(significant_differences)),
    security_implications   TEXT    CHECK (security_implications IS NULL OR json_valid(security_implications)),
    analysis_results        TEXT    CHECK (analysis_results IS NULL OR json_valid(analysis_results)),
    recommendations         TEXT    CHECK (recommendations IS NULL OR json_valid(recommendations)),
    created_at              INTEGER NOT NULL,
    updated_at              INTEGER NOT NULL,
    completed_at            INTEGER,
    model                   TEXT,
    metadata                TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata))
) STRICT;

CREATE INDEX ai_response_comparisons_by_user ON ai_response_comparisons (user_id, created_at);
CREATE INDEX ai_response_comparisons_by_standard ON ai_response_comparisons (standard_execution_id);
CREATE INDEX ai_response_comparisons_by_fortress ON ai_response_comparisons (fortress_execution_id);
CREATE INDEX ai_response_comparisons_by_analysis ON ai_response_comparisons (analysis_execution_id);
