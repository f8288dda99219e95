//! Exhibits, limits, and what is left to a person.

use super::super::pdf::{Style, Weight};
use super::{BODY, Brief, Exhibit, INDENT, LABEL, SMALL, cells, column};

impl Brief<'_> {
    pub(super) fn exhibits(&mut self, exhibits: &[Exhibit]) {
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

    pub(super) fn limits(&mut self) {
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
    pub(super) fn attestation(&mut self) {
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
