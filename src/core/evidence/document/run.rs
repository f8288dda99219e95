//! Caption, execution, texts and signature.

use super::super::dossier::{Dossier, SignedRun};
use super::{BODY, Brief, INDENT, LABEL, SMALL, STRONG, TITLE, at, at_or};
use crate::digest::sha256_hex;
use crate::fortress::keys::HistoryEntry;

/// Quoted of a text; it is in full in the package's files.
const MAX_QUOTED: usize = 2_000;
const MAX_QUOTED_LINES: usize = 60;

impl Brief<'_> {
    pub(super) fn caption(&mut self, dossier: &Dossier) {
        let flow = &mut self.flow;
        flow.text(LABEL, 0.0, "ChittyMCP");
        flow.rule(0.0, 1.2, 0.0);
        flow.space(26.0);
        // A page without a mark above its first line would swallow the space.
        flow.centred(TITLE, "Evidence Brief");
        flow.centred(
            BODY,
            "Record of an execution of an artificial-intelligence model",
        );
        flow.space(16.0);
        flow.rule(0.0, 0.5, 0.0);
        flow.space(4.0);
        let execution = &dossier.execution;
        let case = dossier.case_id.as_deref().unwrap_or("not stated");
        let prepared = at(dossier.created_ms);
        let label = execution
            .metadata
            .get("label")
            .and_then(|label| label.as_str());
        let rows = [
            ("Case", case),
            ("Matter", label.unwrap_or("not stated")),
            ("On behalf of", &execution.user_id),
            ("Package", &dossier.package_id),
            ("Evidence", &dossier.evidence_id),
            ("Prepared", &prepared),
        ];
        for (name, value) in rows {
            self.field(name, value, BODY);
        }
        self.flow.rule(0.0, 0.5, 0.0);
    }

    pub(super) fn record(&mut self, dossier: &Dossier) {
        let execution = &dossier.execution;
        self.heading("The execution");
        self.field("Execution", &execution.id, BODY);
        self.field("Level", &execution.security_level, BODY);
        if let Some(run) = &dossier.run {
            let manifest = &run.manifest;
            self.field("Run", &manifest.job_id, BODY);
            self.field("Started", &at(manifest.started_at_ms), BODY);
            self.field("Completed", &at(manifest.completed_at_ms), BODY);
            self.field("Model asked", &manifest.model_requested, BODY);
            self.field(
                "Model that answered",
                &format!("{} (by the provider's account)", manifest.model_answered),
                BODY,
            );
            self.field("Provider", &manifest.provider.host, BODY);
            let request_id = manifest
                .provider
                .request_id
                .as_deref()
                .unwrap_or("none given");
            self.field("Provider's request", request_id, BODY);
            let parameters = &manifest.parameters;
            let said = format!(
                "at most {} tokens, temperature {}",
                parameters.max_tokens, parameters.temperature
            );
            self.field("Parameters", &said, BODY);
            self.hash("Policy, SHA-256", &manifest.policy_sha256);
        } else {
            self.field("Created", &execution.created_at, BODY);
            self.field("Signature", "None: the level standard signs nothing.", BODY);
        }
    }

    pub(super) fn texts(&mut self, dossier: &Dossier) {
        let results = &dossier.execution.results;
        self.heading("Question and answer");
        self.quote("Prompt", &dossier.execution.prompt, "data/execution/prompt");
        if let Some(output) = &results.fortress_output {
            self.quote("Answer in the signed run", output, "data/execution/output");
        }
        if let Some(direct) = &results.chatgpt_response {
            self.quote(
                "Answer to the same prompt, asked directly",
                direct,
                "data/execution/direct-output",
            );
        }
    }

    fn quote(&mut self, name: &str, text: &str, path: &str) {
        self.flow.space(5.0);
        self.flow.keep(70.0);
        self.flow.text(STRONG, INDENT, name);
        let lines = text.split_inclusive('\n').take(MAX_QUOTED_LINES);
        let quoted: String = lines.flat_map(str::chars).take(MAX_QUOTED).collect();
        self.flow.space(3.0);
        self.flow.beside(INDENT + 4.0, 0.6, |flow| {
            flow.text(BODY, INDENT + 14.0, &quoted);
        });
        let (shown, all) = (quoted.chars().count(), text.chars().count());
        if shown < all {
            let place = if self.whole {
                format!("; in full in {path}")
            } else {
                String::new()
            };
            let said = format!("The first {shown} of {all} characters{place}.");
            self.flow.text(SMALL.gray(0.3), INDENT + 14.0, &said);
        }
        self.flow.space(3.0);
        self.hash("SHA-256", &sha256_hex(text));
    }

    pub(super) fn signature(&mut self, run: &SignedRun, active: Option<&HistoryEntry>) {
        self.heading("Signature");
        let said = "The fortress signed the record of the run, which holds the SHA-256 values of \
                    prompt and answer, with the OpenPGP key below. Compare its fingerprint with \
                    one from elsewhere.";
        self.flow.text(BODY, INDENT, said);
        self.flow.space(4.0);
        self.hash("Key fingerprint", &run.verdict.key_fingerprint);
        self.hash("Record, SHA-256", &sha256_hex(&run.text));
        self.field("Checked", &at_or(&run.verdict.verified_at), BODY);
        self.field("Finding", &run.verdict.explanation, BODY);
        let other = active.filter(|key| key.fingerprint != run.verdict.key_fingerprint);
        if let Some(key) = other {
            self.field(
                "Key since",
                "Another key signs now, and signed this package:",
                BODY,
            );
            self.hash("Its fingerprint", &key.fingerprint);
        }
    }
}
