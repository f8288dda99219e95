//! The same answer as CSV (RFC 4180): a row a bucket, or a row a bucket and group.

use super::output::{GroupUsage, Percentiles, UsageAnalyticsOutput, UsageSums};

const HEADER: &str = "start,end,group,is_rest,requests,attempts,errors,error_rate,messages,\
    prompt_tokens,cached_tokens,cache_write_tokens,cache_write_1h_tokens,completion_tokens,\
    reasoning_tokens,total_tokens,web_searches,cost_nanos,cost_usd,unpriced,estimated,\
    first_token_p50_ms,first_token_p95_ms,first_token_p99_ms,total_p50_ms,total_p95_ms,\
    total_p99_ms,overhead_p50_ms,overhead_p95_ms,overhead_p99_ms\r\n";

impl UsageAnalyticsOutput {
    /// `text/csv; header=present`. Buckets without usage have a row in any case. What is not
    /// known is empty.
    pub fn to_csv(&self) -> String {
        let mut csv = HEADER.to_owned();
        for bucket in &self.analytics.breakdown {
            let times = [bucket.start.as_str(), bucket.end.as_str()];
            if bucket.groups.is_empty() {
                add_row(&mut csv, times, None, &bucket.usage);
            }
            for group in &bucket.groups {
                add_row(&mut csv, times, Some(group), &group.usage);
            }
        }
        csv
    }
}

fn add_row(csv: &mut String, times: [&str; 2], group: Option<&GroupUsage>, usage: &UsageSums) {
    let mut cells: Vec<String> = times.into_iter().map(text).collect();
    cells.push(text(
        group.and_then(|group| group.group.as_deref()).unwrap_or(""),
    ));
    cells.push(group.is_some_and(|group| group.is_rest).to_string());
    cells.extend(numbers(usage));
    for percentiles in [usage.first_token_ms, usage.total_ms, usage.overhead_ms] {
        let values = percentiles.map(|Percentiles { p50, p95, p99, .. }| [p50, p95, p99]);
        cells.extend((0..3).map(|at| known(values.and_then(|v| v.get(at).copied()))));
    }
    csv.push_str(&cells.join(","));
    csv.push_str("\r\n");
}

fn numbers(usage: &UsageSums) -> [String; 17] {
    let tokens = usage.tokens;
    [
        usage.requests.to_string(),
        usage.attempts.to_string(),
        usage.errors.to_string(),
        known(usage.error_rate),
        usage.messages.to_string(),
        tokens.prompt.to_string(),
        tokens.cached.to_string(),
        tokens.cache_write.to_string(),
        tokens.cache_write_1h.to_string(),
        tokens.completion.to_string(),
        tokens.reasoning.to_string(),
        tokens.total.to_string(),
        usage.web_searches.to_string(),
        known(usage.cost_nanos),
        known(usage.cost_usd.as_deref()),
        usage.unpriced.to_string(),
        usage.estimated.to_string(),
    ]
}

fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A cell with a text of a caller's. Spreadsheets compute what begins like a formula, so such
/// a text gets an apostrophe before it.
fn text(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let mark = if formula { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}
