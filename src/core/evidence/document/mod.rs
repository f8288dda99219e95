//! The brief: a package's record as a document that people read.

mod closing;
mod log;
mod run;

use super::dossier::Dossier;
use super::error::EvidenceError;
use super::pdf::{self, Column, Flow, Fonts, Style, Weight};
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
        brief.signature(run, dossier.active_key());
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
