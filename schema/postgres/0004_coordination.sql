-- What is made from executions: packages, audits, comparisons, orchestrations.
-- Written by the coordinator.

-- package_hash is the SHA-256 of package_text where the package is JSON, otherwise of
-- the file at package_file_path; package_data describes it and is never hashed.
CREATE TABLE evidence_packages (
    id                   TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    user_id              TEXT NOT NULL,
    case_id              TEXT,
    execution_id         TEXT REFERENCES secure_executions (id) ON DELETE SET NULL,
    package_format       TEXT NOT NULL DEFAULT 'json'
                         CHECK (package_format IN ('json', 'pdf', 'legal_brief')),
    package_data         JSONB NOT NULL DEFAULT '{}',
    package_text         TEXT,
    package_file_path    TEXT,
    include_chain_facts  BOOLEAN NOT NULL DEFAULT TRUE,
    chain_facts_included JSONB NOT NULL DEFAULT '[]',
    package_hash         TEXT CHECK (length(package_hash) = 64),
    package_signature    TEXT,
    verified             BOOLEAN NOT NULL DEFAULT FALSE,
    verified_at          TIMESTAMPTZ,
    status               TEXT NOT NULL DEFAULT 'created'
                         CHECK (status IN ('created', 'signed', 'verified', 'delivered')),
    created_at           TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at           TIMESTAMPTZ NOT NULL DEFAULT now(),
    legal_metadata       JSONB NOT NULL DEFAULT '{}',
    CONSTRAINT evidence_packages_verified_when CHECK (NOT verified OR verified_at IS NOT NULL),
    CONSTRAINT evidence_packages_verified_how CHECK (status <> 'verified' OR verified),
    CONSTRAINT evidence_packages_signed_how
        CHECK (status <> 'signed' OR (package_hash IS NOT NULL AND package_signature IS NOT NULL))
);

CREATE INDEX evidence_packages_by_user ON evidence_packages (user_id, created_at);
CREATE INDEX evidence_packages_by_case ON evidence_packages (case_id, created_at) WHERE case_id IS NOT NULL;
CREATE INDEX evidence_packages_by_execution ON evidence_packages (execution_id);

CREATE TABLE executive_orchestrations (
    id                  TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    user_id             TEXT NOT NULL,
    task                TEXT NOT NULL,
    executives_involved JSONB NOT NULL DEFAULT '[]',
    security_required   BOOLEAN NOT NULL DEFAULT FALSE,
    security_level      TEXT NOT NULL DEFAULT 'standard'
                        CHECK (security_level IN ('standard', 'fortress', 'verified')),
    evidence_tracking   BOOLEAN NOT NULL DEFAULT FALSE,
    execution_ids       JSONB NOT NULL DEFAULT '[]',
    evidence_ids        JSONB NOT NULL DEFAULT '[]',
    status              TEXT NOT NULL DEFAULT 'initiated'
                        CHECK (status IN ('initiated', 'executing', 'completed', 'failed')),
    created_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    completed_at        TIMESTAMPTZ,
    deadline_at         TIMESTAMPTZ,
    results             JSONB,
    coordination_log    JSONB NOT NULL DEFAULT '[]',
    metadata            JSONB NOT NULL DEFAULT '{}'
);

CREATE INDEX executive_orchestrations_by_user ON executive_orchestrations (user_id, created_at);
CREATE INDEX executive_orchestrations_unfinished ON executive_orchestrations (status, deadline_at)
    WHERE status IN ('initiated', 'executing');

-- Empty execution_ids means the recent executions.
CREATE TABLE security_audits (
    id                         TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    audit_type                 TEXT NOT NULL,
    audit_level                TEXT NOT NULL DEFAULT 'comprehensive'
                               CHECK (audit_level IN ('basic', 'comprehensive', 'forensic')),
    execution_ids              JSONB NOT NULL DEFAULT '[]',
    evidence_ids               JSONB NOT NULL DEFAULT '[]',
    fact_ids                   JSONB NOT NULL DEFAULT '[]',
    verify_signatures          BOOLEAN NOT NULL DEFAULT TRUE,
    cross_reference            BOOLEAN NOT NULL DEFAULT TRUE,
    include_chain_verification BOOLEAN NOT NULL DEFAULT TRUE,
    findings                   JSONB NOT NULL DEFAULT '[]',
    recommendations            JSONB NOT NULL DEFAULT '[]',
    risk_level                 TEXT CHECK (risk_level IN ('low', 'medium', 'high', 'critical')),
    status                     TEXT NOT NULL DEFAULT 'pending'
                               CHECK (status IN ('pending', 'running', 'completed', 'failed')),
    created_at                 TIMESTAMPTZ NOT NULL DEFAULT now(),
    started_at                 TIMESTAMPTZ,
    completed_at               TIMESTAMPTZ,
    auditor_id                 TEXT,
    automated                  BOOLEAN NOT NULL DEFAULT FALSE,
    metadata                   JSONB NOT NULL DEFAULT '{}'
);

CREATE INDEX security_audits_by_status ON security_audits (status, created_at);
CREATE INDEX security_audits_by_auditor ON security_audits (auditor_id, created_at);

CREATE TABLE ai_response_comparisons (
    id                      TEXT NOT NULL DEFAULT gen_random_uuid()::text PRIMARY KEY,
    prompt                  TEXT NOT NULL,  -- sealed text
    prompt_hash             TEXT NOT NULL CHECK (length(prompt_hash) = 64),
    user_id                 TEXT NOT NULL,
    standard_execution_id   TEXT REFERENCES secure_executions (id) ON DELETE SET NULL,
    fortress_execution_id   TEXT REFERENCES secure_executions (id) ON DELETE SET NULL,
    analysis_execution_id   TEXT REFERENCES secure_executions (id) ON DELETE SET NULL,
    responses_identical     BOOLEAN,
    significant_differences JSONB,
    security_implications   JSONB,
    analysis_results        JSONB,
    recommendations         JSONB,
    created_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    completed_at            TIMESTAMPTZ,
    model                   TEXT,
    metadata                JSONB NOT NULL DEFAULT '{}'
);

CREATE INDEX ai_response_comparisons_by_user ON ai_response_comparisons (user_id, created_at);
CREATE INDEX ai_response_comparisons_by_standard ON ai_response_comparisons (standard_execution_id);
CREATE INDEX ai_response_comparisons_by_fortress ON ai_response_comparisons (fortress_execution_id);
CREATE INDEX ai_response_comparisons_by_analysis ON ai_response_comparisons (analysis_execution_id);
