//! The log, who else vouches for it, and the chain of custody.

use super::super::custody::CustodyLine;
use super::super::dossier::{Chain, canonical};
use super::super::pdf::Flow;
use super::super::texts;
use super::{BODY, Brief, INDENT, LABEL, SMALL, at_or, at_unsigned, cells, column};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::receipt::StoredContent;

impl Brief<'_> {
    pub(super) fn log(&mut self, chain: &Chain) {
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
        self.flow.space(3.0);
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
        let [time, witnesses] = texts::vouched(&chain.anchors);
        self.field("Time", &format!("{time}."), SMALL);
        self.field("Witnesses", &format!("{witnesses}."), SMALL);
    }

    pub(super) fn custody(&mut self, chain: &Chain) {
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
                let whole = column(22.0, Flow::WIDTH - 44.0, SMALL);
                self.flow.row(&[(whole, &said)]);
            }
            self.flow.space(2.0);
        }
        if self.whole {
            let said = "In full: data/custody/custody.jsonl.";
            self.flow.text(SMALL.gray(0.3), 0.0, said);
        }
    }
}
