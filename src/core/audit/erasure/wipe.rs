//! What an erasure empties: everything that says what was asked or answered, or lets it be
//! guessed, hashes without salt too; and what says that the rest was checked.

use crate::sql::Statement;

pub(in crate::audit) const NO_HASH: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";

/// Each says when, so that the sweep sees that the row has changed, and leaves the name of a
/// record that may be under way.
const DUE: &str = "updated_at = ?2, recorded_fact = NULL, records = records + 1";

const EXECUTION: &str = "UPDATE secure_executions SET prompt = '', prompt_hash = ?3, \
     chatgpt_response = NULL, fortress_output = NULL, fortress_signature = NULL, label = NULL, \
     metadata = '{}', verification_status = NULL, \
     verification = CASE WHEN verification IS NULL THEN NULL ELSE '{}' END, \
     error_message = CASE WHEN error_message IS NULL THEN NULL ELSE 'content erased' END";

/// One that waits is never run, and one that runs writes nothing any more.
const RUN: &str = "UPDATE fortress_jobs SET sealed_prompt = '', prompt_hash = ?3, label = '', \
     status = CASE WHEN status IN ('pending', 'executing') THEN 'failed' ELSE status END, \
     sealed_output = CASE WHEN sealed_output IS NULL THEN NULL ELSE '' END, \
     output_hash = CASE WHEN output_hash IS NULL THEN NULL ELSE ?3 END, \
     manifest = CASE WHEN manifest IS NULL THEN NULL ELSE '' END, \
     signature = CASE WHEN signature IS NULL THEN NULL ELSE '' END, \
     error_message = CASE WHEN error_message IS NULL AND status NOT IN ('pending', 'executing') \
     THEN NULL \
     ELSE 'content erased' END";

const EVIDENCE: &str = "UPDATE evidence_records SET description = NULL, input_hash = NULL, \
     output_hash = NULL, pgp_signature = NULL, metadata = '{}', signature_verified = FALSE, \
     signature_verified_at = NULL, \
     status = CASE WHEN status = 'verified' THEN 'completed' ELSE status END";

const PACKAGES: &str = "UPDATE evidence_packages SET package_text = NULL, package_data = '{}', \
     package_hash = NULL, package_signature = NULL, legal_metadata = '{}', \
     package_file_path = NULL, verified = FALSE, verified_at = NULL, status = 'created'";

const COMPARISONS: &str = "UPDATE ai_response_comparisons SET prompt = '', prompt_hash = ?3, \
     significant_differences = NULL, security_implications = NULL, analysis_results = NULL, \
     recommendations = NULL, metadata = '{}', updated_at = ?2 \
     WHERE standard_execution_id = ?1 OR fortress_execution_id = ?1 OR analysis_execution_id = ?1";

fn wipe(update: &str, key: &str, id: &str, now_ms: i64) -> Statement {
    of(format!("{update}, {DUE} WHERE {key} = ?1"), id, now_ms)
}

fn of(sql: String, id: &str, now_ms: i64) -> Statement {
    let hashed = sql.contains("?3");
    let statement = Statement::new(sql).bind(id).timestamp(now_ms);
    if hashed {
        statement.bind(NO_HASH)
    } else {
        statement
    }
}

/// Of an execution, without its packages.
pub(super) fn execution(id: &str, now_ms: i64) -> [Statement; 4] {
    [
        wipe(EXECUTION, "id", id, now_ms),
        wipe(RUN, "execution_id", id, now_ms),
        wipe(EVIDENCE, "execution_id", id, now_ms),
        of(COMPARISONS.to_owned(), id, now_ms),
    ]
}

/// Of a run that is part of no execution.
pub(super) fn run(id: &str, now_ms: i64) -> [Statement; 2] {
    [
        wipe(RUN, "id", id, now_ms),
        wipe(EVIDENCE, "fortress_job_id", id, now_ms),
    ]
}

/// The packages of an execution, once their files are gone.
pub(super) fn packages(execution: &str, now_ms: i64) -> Statement {
    wipe(PACKAGES, "execution_id", execution, now_ms)
}
