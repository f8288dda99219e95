//! The brief: a package's record as a document that people read.

use super::custody::CustodyLine;
use super::dossier::{Chain, Dossier, SignedRun, canonical};
use super::error::EvidenceError;
use super::pdf::{self, Column, Flow, Fonts, Style, Weight};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::receipt::StoredContent;
use crate::digest::sha256_hex;
use crate::time;

const TITLE: Style = Style::new(Weight::Bold, 17.0);
const HEADING: Style = Style::new(Weight::Bold, 11.5);
const BODY: Style = Style::new(Weight::Regular, 10.0);
const SMALL: Style = Style::new(Weight::Regular, 8.5);
const LABEL: Style = Style::new(Weight::Regular, 8.5).gray(0.3);
const STRONG: Style = Style::new(Weight::Bold, 10.0);
const HASH: Style = Style::new(Weight::Mono, 7.6);
const INDENT: f32 = 14.0;
/// Quoted of a text; it is in full in the package's files.
const MAX_QUOTED: usize = 2_000;

/// A file of the package.
pub struct Exhibit {
    path: String,
    sha256: String,
}

impl Exhibit {
    pub fn of((path, bytes): (&str, &[u8])) -> Self {
        Self {
            path: path.to_owned(),
            sha256: sha256_hex(bytes),
        }
    }
}

pub fn brief(dossier: &Dossier, exhibits: &[Exhibit]) -> Result<Vec<u8>, EvidenceError> {
    let fonts = Fonts::load().map_err(|error| EvidenceError::Encoding(error.to_string()))?;
    let mut brief = Brief {
        flow: Flow::new(&fonts),
        section: 0,
        whole: !exhibits.is_empty(),
    };
    brief.caption(dossier);
    brief.record(dossier);
    brief.texts(dossier);
    if let Some(run) = &dossier.run {
        brief.signature(run);
    }
    if let Some(chain) = &dossier.chain {
        brief.log(chain);
        brief.custody(chain);
    }
    brief.exhibits(exhibits);
    brief.limits();
    brief.attestation();
    let case = dossier.case_id.as_ref().map(|case| format!("Case {case}"));
    let head = (
        dossier.package_id.as_str(),
        case.as_deref().unwrap_or_default(),
    );
    let foot = format!(
        "Prepared {} by software from its records",
        at(dossier.created_ms)
    );
    let pages = brief.flow.finish(head, &foot);
    let about = pdf::About {
        title: &format!("Evidence brief {}", dossier.package_id),
        subject: "Record of an execution of an artificial-intelligence model",
        created_ms: dossier.created_ms,
    };
    Ok(pdf::write(&pages, &fonts, &about))
}

/// `2026-11-22 01:02:03 UTC`.
fn at(ms: i64) -> String {
    let text = time::to_rfc3339(ms);
    let (day, clock) = text.split_once('T').unwrap_or_default();
    format!("{day} {} UTC", clock.get(..8).unwrap_or_default())
}

fn at_unsigned(ms: u64) -> String {
    at(i64::try_from(ms).unwrap_or(i64::MAX))
}

const fn column(x: f32, width: f32, style: Style) -> Column {
    Column { x, width, style }
}

struct Brief<'f> {
    flow: Flow<'f>,
    section: usize,
    /// The document lies in a package with the files it tells of.
    whole: bool,
}

impl Brief<'_> {
    fn caption(&mut self, dossier: &Dossier) {
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

    fn heading(&mut self, text: &str) {
        self.section += 1;
        self.flow.space(16.0);
        self.flow.keep(64.0);
        self.flow
            .text(HEADING, 0.0, &format!("{}.  {text}", self.section));
        self.flow.space(3.0);
    }

    fn field(&mut self, name: &str, value: &str, style: Style) {
        let value_column = column(112.0, Flow::WIDTH - 112.0, style);
        self.flow
            .row(&[(column(INDENT, 92.0, LABEL), name), (value_column, value)]);
    }

    fn hash(&mut self, name: &str, value: &str) {
        self.field(name, value, HASH);
    }

    fn record(&mut self, dossier: &Dossier) {
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

    fn texts(&mut self, dossier: &Dossier) {
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
        let quoted: String = text.chars().take(MAX_QUOTED).collect();
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

    fn signature(&mut self, run: &SignedRun) {
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
    }

    fn log(&mut self, chain: &Chain) {
        self.heading("The log");
        let said = "These facts are entries of ChittyChain, an append-only log (RFC 6962). Each is \
                    proven to be in the tree that the checkpoint below signs.";
        self.flow.text(BODY, INDENT, said);
        self.flow.space(4.0);
        for fact in &chain.facts {
            let what = match &fact.stored.content {
                StoredContent::Present { fact, .. } => {
                    format!("{} {} {}", fact.subject, fact.predicate, fact.object)
                }
                StoredContent::Erased => "content erased; the proof holds".to_owned(),
                StoredContent::Altered { .. } => {
                    "what is stored is NOT what was logged; the proof is of what was logged"
                        .to_owned()
                }
            };
            self.flow.space(3.0);
            self.flow.keep(48.0);
            let logged = at_unsigned(fact.stored.logged_at_ms);
            self.field(
                &format!("Entry {}", fact.stored.leaf_index),
                &format!("{what}, logged {logged}"),
                SMALL,
            );
            self.hash("Fact, SHA-256", &fact.stored.fact_id.to_string());
        }
        if let Ok(head) = Checkpoint::parse_unverified(&chain.checkpoint) {
            self.field(
                "Checkpoint",
                &format!("{}, {} entries", head.origin, head.size),
                SMALL,
            );
            self.hash("Root", &head.root.to_string());
        }
        self.hash("Log's key", &chain.verifier_key);
        let previous = chain.previous.as_ref().map_or_else(
            || "There is no earlier package of this owner to compare with.".to_owned(),
            |proof| {
                format!(
                    "Proven to extend the {} entries of the package before.",
                    proof.first
                )
            },
        );
        self.field("Earlier tree", &previous, SMALL);
        self.field(
            "Time",
            "By the log's own clock. No third party has stamped it.",
            SMALL,
        );
    }

    fn custody(&mut self, chain: &Chain) {
        if chain.custody.is_empty() {
            return;
        }
        self.heading("Chain of custody");
        let columns = [
            (0.0, 16.0),
            (18.0, 56.0),
            (80.0, 62.0),
            (146.0, 98.0),
            (250.0, 120.0),
            (376.0, 92.0),
        ];
        let columns = columns.map(|(x, width)| (x, width, SMALL));
        let heads = [
            "",
            "When",
            "What",
            "Who, where",
            "Why",
            "On whose authority",
        ];
        self.flow.row(&cells(
            &columns.map(|(x, width, _)| (x, width, LABEL)),
            &heads,
        ));
        self.flow.rule(0.0, 0.4, 0.6);
        for event in &chain.custody {
            let line = CustodyLine::of(event);
            let field = |name: &str| line.fields.get(name).map_or("", String::as_str);
            if canonical(event).is_none() {
                let said = format!("Entry {}: content erased; the proof holds", line.leaf_index);
                self.flow.text(SMALL, 0.0, &said);
                continue;
            }
            let when = at_or(line.occurred_at.as_deref().unwrap_or_default());
            let who = format!("{}, {}", field("actor"), field("location"));
            let action = field("action").replace('_', " ");
            let texts = [
                field("sequence"),
                &when,
                &action,
                &who,
                field("purpose"),
                field("authority"),
            ];
            self.flow.row(&cells(&columns, &texts));
            if field("changes") != "none" {
                let said = format!(
                    "Changes: {} (responsible: {})",
                    field("changes"),
                    field("responsible")
                );
                self.flow.text(SMALL, 22.0, &said);
            }
            self.flow.space(2.0);
        }
    }

    fn exhibits(&mut self, exhibits: &[Exhibit]) {
        if exhibits.is_empty() {
            return;
        }
        self.heading("Files of the package");
        let columns = [
            (0.0, 26.0, SMALL),
            (26.0, 168.0, SMALL),
            (198.0, 270.0, Style::new(Weight::Mono, 6.9)),
        ];
        self.flow.row(&cells(
            &columns.map(|(x, width, _)| (x, width, LABEL)),
            &["", "File", "SHA-256"],
        ));
        self.flow.rule(0.0, 0.4, 0.6);
        for (number, exhibit) in exhibits.iter().enumerate() {
            let number = (number + 1).to_string();
            self.flow
                .row(&cells(&columns, &[&number, &exhibit.path, &exhibit.sha256]));
        }
        self.flow.space(4.0);
        let said = "This brief, the manifests and the means to check them (verify/VERIFY.txt) complete \
                    the package.";
        self.flow.text(SMALL, 0.0, said);
    }

    fn limits(&mut self) {
        self.heading("What this does not show");
        let place = if self.whole {
            " data/legal/LIMITS.txt says it at length."
        } else {
            ""
        };
        let said = format!(
            "That the answer is true, complete or fit for any use. That the provider ran the model it \
             names. When anything happened, beyond the word of the clocks named. That the log was never \
             rewritten by who holds its key: an earlier checkpoint, kept elsewhere, shows that. Whether \
             a court takes any of it is for the court.{place}"
        );
        self.flow.text(BODY, INDENT, &said);
    }

    /// Left to a person.
    fn attestation(&mut self) {
        self.flow.space(22.0);
        self.flow.keep(126.0);
        self.flow.rule(0.0, 0.5, 0.0);
        self.flow.space(4.0);
        let said = "To be completed by the person who presents this record. Software has signed nothing \
                    on anybody's behalf.";
        self.flow.text(SMALL.gray(0.3), 0.0, said);
        let left = column(0.0, 220.0, SMALL);
        let right = column(248.0, 220.0, SMALL);
        for (one, other) in [
            ("Signature", "Date and place"),
            ("Printed name", "Title or position"),
        ] {
            self.flow.space(26.0);
            let line = "_".repeat(48);
            self.flow.row(&[(left, &line), (right, &line)]);
            self.flow.row(&[(left, one), (right, other)]);
        }
    }
}

fn at_or(rfc3339: &str) -> String {
    time::from_rfc3339(rfc3339).map_or_else(|_| rfc3339.to_owned(), at)
}

fn cells<'t, const N: usize>(
    columns: &[(f32, f32, Style); N],
    texts: &[&'t str; N],
) -> Vec<(Column, &'t str)> {
    let columns = columns
        .iter()
        .map(|(x, width, style)| column(*x, *width, *style));
    columns.zip(texts.iter().copied()).collect()
}
