-- Each lasting row of these tables is recorded in the log, as a fact that commits to its columns: the audit
-- compares the two. recorded_fact is that fact's id; NULL where it is due, 'refused' where the log has another
-- record of the row. records counts the states
-- of a row that are on record: they are its records' names.
ALTER TABLE secure_executions ADD COLUMN recorded_fact TEXT;
ALTER TABLE secure_executions ADD COLUMN records BIGINT NOT NULL DEFAULT 0;
ALTER TABLE fortress_jobs ADD COLUMN recorded_fact TEXT;
ALTER TABLE fortress_jobs ADD COLUMN records BIGINT NOT NULL DEFAULT 0;
ALTER TABLE evidence_records ADD COLUMN recorded_fact TEXT;
ALTER TABLE evidence_records ADD COLUMN records BIGINT NOT NULL DEFAULT 0;
ALTER TABLE evidence_packages ADD COLUMN recorded_fact TEXT;
ALTER TABLE evidence_packages ADD COLUMN records BIGINT NOT NULL DEFAULT 0;

CREATE INDEX secure_executions_unrecorded ON secure_executions (id)
    WHERE recorded_fact IS NULL AND status IN ('completed', 'failed');
CREATE INDEX fortress_jobs_unrecorded ON fortress_jobs (id)
    WHERE recorded_fact IS NULL;
CREATE INDEX evidence_records_unrecorded ON evidence_records (id) WHERE recorded_fact IS NULL;
CREATE INDEX evidence_packages_unrecorded ON evidence_packages (id) WHERE recorded_fact IS NULL;

-- The head of the log that an audit held everything against: the next one holds the log against it.
ALTER TABLE security_audits ADD COLUMN checkpoint TEXT;
-- Until when whoever is at a running audit has it.
ALTER TABLE security_audits ADD COLUMN claimed_until TIMESTAMPTZ;
