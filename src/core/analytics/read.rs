//! The SQL of reading roll-ups.

use super::AnalyticsError;
use super::calendar::{QUARTERS_IN_HOUR, Stretch};
use super::input::{GroupBy, Range, UsageAnalyticsInput};
use crate::sql::{Statement, Value};

/// Which rows of the roll-ups an answer is made of.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    user: &'a str,
    scope: &'static str,
    member: Option<&'a str>,
    model: Option<&'a str>,
    /// The column to group by.
    group: Option<&'static str>,
}

impl<'a> Selection<'a> {
    pub fn new(user: &'a str, input: &'a UsageAnalyticsInput) -> Result<Self, AnalyticsError> {
        let named = [
            ("session", input.session_id.as_deref()),
            ("case", input.case_id.as_deref()),
            ("key", input.key_id.as_deref()),
        ];
        let mut filters = named
            .into_iter()
            .filter_map(|(scope, member)| member.map(|member| (scope, member)));
        let filter = filters.next();
        let grouped = match input.group_by {
            Some(GroupBy::Session) => Some("session"),
            Some(GroupBy::Case) => Some("case"),
            Some(GroupBy::Key) => Some("key"),
            Some(GroupBy::Model) | None => None,
        };
        let differ = matches!((filter, grouped), (Some((one, _)), Some(other)) if one != other);
        if filters.next().is_some() || differ {
            return Err(AnalyticsError::TwoScopes);
        }
        Ok(Self {
            user,
            scope: filter.map(|(scope, _)| scope).or(grouped).unwrap_or("key"),
            member: filter.map(|(_, member)| member),
            model: input.model.as_deref(),
            group: input.group_by.map(|group| match group {
                GroupBy::Model => "model",
                _ => "member",
            }),
        })
    }

    /// The members of each group, costliest first.
    pub fn ranking(&self, range: Range, most: usize) -> Option<Statement> {
        let group = self.group?;
        let piece = Piece::exact(range);
        let (rows, params) = self.rows(piece);
        let sql = format!(
            "SELECT {group} AS member {rows} GROUP BY {group} \
             ORDER BY SUM(cost_nanos) DESC, SUM(attempts) DESC, {group} LIMIT {most}"
        );
        Some(with(sql, params))
    }

    /// How many sessions were used. None if that is not known of what is selected.
    pub fn sessions(&self, range: Range) -> Option<Statement> {
        let member = match (self.scope, self.member) {
            ("session", member) => member,
            (_, None) => None,
            _ => return None,
        };
        let of_sessions = Selection {
            scope: "session",
            member,
            group: None,
            ..*self
        };
        let (rows, params) = of_sessions.rows(Piece::exact(range));
        let sql = format!("SELECT COUNT(DISTINCT member) AS sessions {rows} AND member <> ''");
        Some(with(sql, params))
    }

    /// Sums by unit and group.
    pub fn sums(&self, piece: Piece, by: &Units<'_>) -> Statement {
        let (rows, params) = self.rows(piece);
        let (unit, member, rows, params) = self.split(rows, params, piece, by);
        let sums: Vec<String> = SUMS
            .iter()
            .map(|column| format!("CAST(SUM({column}) AS BIGINT) AS {column}"))
            .collect();
        let sums = sums.join(", ");
        let sql = format!("SELECT {unit} AS unit, {member} AS member, {sums} {rows} GROUP BY 1, 2");
        with(sql, params)
    }

    /// Histograms by unit and group, those of each hour a row: joined further, a text could
    /// outgrow what a database holds in one.
    pub fn latencies(&self, piece: Piece, by: &Units<'_>) -> Statement {
        let (rows, params) = self.rows(piece);
        let (unit, member, rows, params) = self.split(rows, params, piece, by);
        let sql = format!(
            "SELECT {unit} AS unit, {member} AS member, string_agg(latencies, '') AS latencies \
             {rows} GROUP BY 1, 2, bucket"
        );
        with(sql, params)
    }

    /// `FROM … WHERE …` and its parameters.
    fn rows(&self, piece: Piece) -> (String, Vec<Value>) {
        let mut params: Vec<Value> = vec![
            self.user.into(),
            self.scope.into(),
            piece.span.into(),
            piece.from.into(),
            piece.to.into(),
        ];
        let mut rows = "FROM usage_rollups WHERE user_id = ?1 AND scope = ?2 AND span = ?3 \
            AND bucket >= ?4 AND bucket < ?5"
            .to_owned();
        for (column, value) in [("member", self.member), ("model", self.model)] {
            if let Some(value) = value {
                params.push(value.into());
                rows = format!("{rows} AND {column} = ?{}", params.len());
            }
        }
        (rows, params)
    }

    /// The expressions for unit and group, with what they need of rows and parameters.
    fn split(
        &self,
        mut rows: String,
        mut params: Vec<Value>,
        piece: Piece,
        by: &Units<'_>,
    ) -> (String, String, String, Vec<Value>) {
        // Numbers of ours, not of callers: they may stand in the text.
        let (offset, unit) = (by.offset, by.unit);
        let unit_of = |at: &str| format!("({at} + {offset}) / {unit}");
        if let Some(within) = piece.within_unit {
            let hour = format!("bucket - bucket % {QUARTERS_IN_HOUR}");
            let last = format!("{hour} + {}", QUARTERS_IN_HOUR - 1);
            let sign = if within { "=" } else { "<>" };
            rows = format!("{rows} AND {} {sign} {}", unit_of(&hour), unit_of(&last));
        }
        let member = match self.group {
            Some(group) if !by.groups.is_empty() => {
                let first = params.len() + 1;
                params.extend(by.groups.iter().map(Value::from));
                let places: Vec<String> = (first..=params.len()).map(|n| format!("?{n}")).collect();
                let places = places.join(", ");
                format!("CASE WHEN {group} IN ({places}) THEN {group} END")
            }
            _ => "NULL".to_owned(),
        };
        (unit_of("bucket"), member, rows, params)
    }
}

pub(super) const SUMS: [&str; 14] = [
    "attempts",
    "requests",
    "errors",
    "messages",
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "web_searches",
    "cost_nanos",
    "estimated",
    "unpriced",
];

/// How rows are put into units and groups.
pub(super) struct Units<'a> {
    pub offset: i64,
    pub unit: i64,
    pub groups: &'a [String],
}

/// Rows of one span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub span: i64,
    pub from: i64,
    pub to: i64,
    /// Only hours that lie within one unit, or only those that a unit's end cuts.
    pub within_unit: Option<bool>,
}

impl Piece {
    /// All of the range, by hours if it has only whole ones.
    fn exact(Range { from, to }: Range) -> Self {
        let whole = from % QUARTERS_IN_HOUR == 0 && to % QUARTERS_IN_HOUR == 0;
        Self {
            span: if whole { QUARTERS_IN_HOUR } else { 1 },
            from,
            to,
            within_unit: None,
        }
    }
}

/// The rows of a stretch: its hours, and quarter hours where an hour is not wholly in it or
/// not in one unit.
pub(super) fn pieces(stretch: &Stretch, unit: i64) -> Vec<Piece> {
    let hours_from =
        (stretch.from + QUARTERS_IN_HOUR - 1).div_euclid(QUARTERS_IN_HOUR) * QUARTERS_IN_HOUR;
    let hours_to = stretch.to.div_euclid(QUARTERS_IN_HOUR) * QUARTERS_IN_HOUR;
    let piece = |span, from, to, within_unit| Piece {
        span,
        from,
        to,
        within_unit,
    };
    let on_the_hour = stretch.offset % QUARTERS_IN_HOUR == 0;
    if hours_from >= hours_to || (!on_the_hour && unit == QUARTERS_IN_HOUR) {
        return vec![piece(1, stretch.from, stretch.to, None)];
    }
    let mut pieces = vec![
        piece(1, stretch.from, hours_from, None),
        piece(1, hours_to, stretch.to, None),
    ];
    if on_the_hour {
        pieces.push(piece(QUARTERS_IN_HOUR, hours_from, hours_to, None));
    } else {
        pieces.push(piece(QUARTERS_IN_HOUR, hours_from, hours_to, Some(true)));
        pieces.push(piece(1, hours_from, hours_to, Some(false)));
    }
    pieces.retain(|piece| piece.from < piece.to);
    pieces
}

fn with(sql: String, params: Vec<Value>) -> Statement {
    let mut statement = Statement::new(sql);
    statement.params = params;
    statement
}
