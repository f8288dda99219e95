//! Reading a record.

use super::search::{owned, with};
use super::sheet::{MAX_TEXT, Sheet, headline};
use super::{Kind, Record, RecordError, RecordId, Records, confined_to};
use crate::auth::Principal;
use crate::execution::{ExecutionError, ExecutionView};
use crate::sql::{DatabaseError, Row, Statement};
use crate::time::to_rfc3339;

/// Messages of a session, newest kept.
const MESSAGES: usize = 200;
/// Members of a case, of each kind, newest kept.
const MEMBERS: usize = 100;

impl Records<'_> {
    /// The record, if the caller may see it.
    pub async fn fetch(&self, caller: &Principal, id: &str) -> Result<Record, RecordError> {
        let unknown = || RecordError::NotFound(id.to_owned());
        let parsed = RecordId::parse(id).ok_or_else(unknown)?;
        let sheet = match parsed.kind {
            Kind::Execution => self.execution(caller, &parsed.key).await?,
            Kind::Evidence => self.evidence(caller, &parsed.key).await?,
            Kind::Session => self.session(caller, &parsed.key).await?,
            Kind::Case => self.case(caller, &parsed.key).await?,
        };
        let sheet = sheet.ok_or_else(unknown)?;
        Ok(sheet.into_record(&parsed, self.origin))
    }

    async fn execution(&self, caller: &Principal, id: &str) -> Result<Option<Sheet>, RecordError> {
        match self.executions.status(caller, id).await {
            Ok(found) => Ok(Some(execution_sheet(found.execution))),
            Err(ExecutionError::NotFound) => Ok(None),
            Err(error) => Err(RecordError::Execution(error)),
        }
    }

    async fn evidence(&self, caller: &Principal, id: &str) -> Result<Option<Sheet>, RecordError> {
        let select = Statement::new("SELECT * FROM evidence_records WHERE id = ?1").bind(id);
        let found = self.executions.db.run(select).await?;
        let Some(row) = found.first() else {
            return Ok(None);
        };
        if caller.resolve_user(Some(&row.text("user_id")?)).is_err() {
            return Ok(None);
        }
        Ok(Some(evidence_sheet(row)?))
    }

    async fn session(&self, caller: &Principal, id: &str) -> Result<Option<Sheet>, RecordError> {
        let session = Statement::new(
            "SELECT id, user_id, session_name, created_at, updated_at, status, total_messages \
             FROM chat_sessions WHERE id = ?1 AND status <> 'deleted'",
        );
        let messages = Statement::new(format!(
            "SELECT role, content, timestamp FROM chat_messages WHERE session_id = ?1 \
             ORDER BY seq DESC LIMIT {MESSAGES}"
        ));
        let statements = vec![session.bind(id), messages.bind(id)];
        let found = self.executions.db.batch(statements).await?;
        let [session, messages] = found.as_slice() else {
            return Ok(None);
        };
        let Some(row) = session.first() else {
            return Ok(None);
        };
        if caller.resolve_user(Some(&row.text("user_id")?)).is_err() {
            return Ok(None);
        }
        Ok(Some(session_sheet(row, &messages.rows)?))
    }

    async fn case(&self, caller: &Principal, id: &str) -> Result<Option<Sheet>, RecordError> {
        let members = |columns: &str, table: &str| {
            let (own, mut params) = owned("user_id", confined_to(caller));
            params.push(id.into());
            let sql = format!(
                "SELECT id, status, created_at, {columns} FROM {table} \
                 WHERE {own} AND case_id = ?{} ORDER BY created_at DESC LIMIT {MEMBERS}",
                params.len()
            );
            with(sql, params)
        };
        let statements = vec![
            members("label AS name, security_level AS sort", "secure_executions"),
            members(
                "description AS name, evidence_type AS sort",
                "evidence_records",
            ),
        ];
        let found = self.executions.db.batch(statements).await?;
        let [executions, evidence] = found.as_slice() else {
            return Ok(None);
        };
        if executions.rows.is_empty() && evidence.rows.is_empty() {
            return Ok(None);
        }
        let mut sheet = Sheet::new(headline("Case", id), "case");
        sheet.fact("case_id", Some(id));
        for (kind, heading, rows) in [
            (Kind::Execution, "Executions", &executions.rows),
            (Kind::Evidence, "Evidence", &evidence.rows),
        ] {
            sheet.fact(&heading.to_lowercase(), Some(rows.len().to_string()));
            let lines: Result<Vec<String>, _> = rows.iter().map(|row| member(kind, row)).collect();
            sheet.part(heading, &lines?.join("\n"));
        }
        Ok(Some(sheet))
    }
}

fn execution_sheet(view: ExecutionView) -> Sheet {
    let label = view.metadata.get("label").and_then(|label| label.as_str());
    let title = headline("Execution", label.unwrap_or(&view.prompt));
    let mut sheet = Sheet::new(title, "execution");
    let model = view.metadata.get("model").and_then(|model| model.as_str());
    sheet.fact("execution_id", Some(view.id));
    sheet.fact("user_id", Some(view.user_id));
    sheet.fact("status", Some(view.status));
    sheet.fact("why_it_failed", view.error_message);
    sheet.fact("security_level", Some(view.security_level));
    sheet.fact("model", model);
    sheet.fact("case_id", view.case_id);
    sheet.fact("created_at", Some(view.created_at));
    sheet.fact("completed_at", view.completed_at);
    sheet.fact("cost_usd", view.cost_usd);
    sheet.fact(
        "evidence",
        view.evidence_id
            .map(|id| RecordId::new(Kind::Evidence, id).to_string()),
    );
    sheet.fact(
        "session",
        view.chat_session_id
            .map(|id| RecordId::new(Kind::Session, id).to_string()),
    );
    sheet.fact("fortress_job_id", view.fortress_job_id);
    let verification = view.verification.unwrap_or_default();
    let holds = view.results.verification_status.map(yes_or_no);
    sheet.fact("signature_checked_and_holds", holds);
    sheet.fact("verdict_on_signature", verification.signature_explanation);
    sheet.fact("key_fingerprint", verification.key_fingerprint);
    sheet.fact(
        "answers_identical",
        verification.answers_identical.map(yes_or_no),
    );
    let facts = view.results.chain_facts.join(" ");
    sheet.fact("chain_facts", (!facts.is_empty()).then_some(facts));
    sheet.part("Question", &view.prompt);
    for (heading, answer) in [
        (
            "Answer of the chatgpt worker",
            view.results.chatgpt_response,
        ),
        ("Answer of the fortress", view.results.fortress_output),
    ] {
        if let Some(answer) = answer {
            sheet.part(heading, &answer);
        }
    }
    sheet
}

fn evidence_sheet(row: &Row) -> Result<Sheet, DatabaseError> {
    let description = row.opt_text("description")?.unwrap_or_default();
    let mut sheet = Sheet::new(headline("Evidence", &description), "evidence");
    for key in [
        "id",
        "user_id",
        "evidence_type",
        "description",
        "status",
        "case_id",
    ] {
        sheet.fact(key, row.opt_text(key)?);
    }
    let execution = row.opt_text("execution_id")?;
    sheet.fact(
        "execution",
        execution.map(|id| RecordId::new(Kind::Execution, id).to_string()),
    );
    for key in ["created_at", "completed_at", "signature_verified_at"] {
        sheet.fact(key, row.opt_timestamp(key)?.map(to_rfc3339));
    }
    sheet.fact(
        "signature_verified",
        row.opt_boolean("signature_verified")?.map(yes_or_no),
    );
    for key in [
        "fortress_job_id",
        "input_hash",
        "output_hash",
        "evidence_package_id",
    ] {
        sheet.fact(key, row.opt_text(key)?);
    }
    let facts = row.opt_json("chain_facts")?.unwrap_or_default();
    let facts: Vec<String> = serde_json::from_value(facts).unwrap_or_default();
    sheet.fact("chain_facts", (!facts.is_empty()).then(|| facts.join(" ")));
    if let Some(signature) = row.opt_text("pgp_signature")? {
        sheet.part("OpenPGP signature", &signature);
    }
    Ok(sheet)
}

/// `messages` are newest first; as many as there is room for are told, oldest first.
fn session_sheet(row: &Row, messages: &[Row]) -> Result<Sheet, DatabaseError> {
    let name = row.text("session_name")?;
    let mut sheet = Sheet::new(headline("Chat session", &name), "session");
    sheet.fact("session_id", Some(row.text("id")?));
    sheet.fact("user_id", Some(row.text("user_id")?));
    sheet.fact("status", Some(row.text("status")?));
    sheet.fact("created_at", Some(to_rfc3339(row.timestamp("created_at")?)));
    sheet.fact("updated_at", Some(to_rfc3339(row.timestamp("updated_at")?)));
    sheet.fact(
        "total_messages",
        Some(row.int("total_messages")?.to_string()),
    );
    let mut told = Vec::new();
    let mut room = MAX_TEXT;
    for message in messages {
        let heading = format!(
            "{}, {}",
            message.text("role")?,
            to_rfc3339(message.timestamp("timestamp")?)
        );
        let content = message.text("content")?;
        let size = heading.len() + content.len() + 3;
        if size > room && !told.is_empty() {
            break;
        }
        room = room.saturating_sub(size);
        told.push((heading, content));
    }
    sheet.fact("messages_shown", Some(told.len().to_string()));
    for (heading, content) in told.iter().rev() {
        sheet.part(heading, content);
    }
    Ok(sheet)
}

fn member(kind: Kind, row: &Row) -> Result<String, DatabaseError> {
    let name = row.opt_text("name")?.unwrap_or_default();
    Ok(format!(
        "{} | {} | {} | {} | {name}",
        RecordId::new(kind, row.text("id")?),
        to_rfc3339(row.timestamp("created_at")?),
        row.text("sort")?,
        row.text("status")?,
    ))
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
