mod golden;
mod overrides;
mod properties;

use chrono::NaiveDate;

use super::*;

fn table() -> PriceTable {
    PriceTable::built_in().unwrap()
}

fn at(day: &str) -> i64 {
    let day = NaiveDate::parse_from_str(day, "%Y-%m-%d").unwrap();
    day.and_hms_opt(0, 0, 0)
        .unwrap()
        .and_utc()
        .timestamp_millis()
}

/// The standard tier on 2026-11-21.
fn key<'a>(provider: &'a str, model: &'a str) -> PriceKey<'a> {
    PriceKey {
        provider,
        model,
        tier: None,
        at_ms: at("2026-11-21"),
    }
}

fn tokens(prompt: u64, completion: u64) -> TokenUsage {
    TokenUsage {
        prompt,
        completion,
        total: prompt.saturating_add(completion),
        ..TokenUsage::default()
    }
}

fn price_id(cost: Cost) -> String {
    match cost {
        Cost::Priced { price_id, .. } => price_id,
        Cost::Unpriced { reason } => panic!("{reason}"),
    }
}

#[test]
fn names_resolve_by_list_or_dated_rule_only() {
    let table = table();
    let known = |provider, name| table.cost(key(provider, name), Some(tokens(1, 1)));
    for (provider, name, model) in [
        ("openai", "gpt-4", "gpt-4"),
        ("openai", "gpt-4-0613", "gpt-4"),
        ("openai", "gpt-4o", "gpt-4o"),
        ("openai", "gpt-6-luna-2026-12-24", "gpt-6-luna"),
        ("anthropic", "claude-opus-5-5", "claude-opus-5-5"),
        ("anthropic", "claude-opus-5-20260601", "claude-opus-5"),
        (
            "anthropic",
            "claude-3-5-haiku-20241022",
            "claude-3-5-haiku-latest",
        ),
    ] {
        let expected = format!("{provider}/{model}/default/start");
        assert_eq!(price_id(known(provider, name)), expected);
    }
    for name in [
        "",
        "gpt",
        "gpt-4-9999",
        "gpt-4x",
        "gpt-4o-2031-01-01",
        "gpt-6-luna-2026-13-01",
        "gpt-6-luna-2026-1-001",
        "gpt-6-luna-",
        "gpt-6-lunas",
        "GPT-4",
        "gpt-6.2-sol",
        "gpt-6-luna-２０２６",
        "claude-opus-5-20261301",
        "claude-opus-5-2026 601",
        "claude-opus-5-2026-06",
    ] {
        for provider in ["openai", "anthropic"] {
            assert_eq!(known(provider, name).nanos(), None, "{name}");
        }
    }
}

#[test]
fn the_price_id_names_model_tier_and_day() {
    let cost = table().cost(key("openai", "gpt-5.6-luna-2026-06-01"), Some(tokens(1, 0)));
    assert_eq!(price_id(cost), "openai/gpt-5.6-luna/default/2026-07-30");
}

#[test]
fn absurd_usage_has_no_price() {
    let parts = TokenUsage {
        cached: 2,
        ..tokens(1, 0)
    };
    let overflowing = TokenUsage {
        cached: u64::MAX,
        cache_write: 2,
        ..tokens(1, 0)
    };
    for usage in [tokens(u64::MAX, u64::MAX), parts, overflowing] {
        let reason = Unpriced::AbsurdUsage;
        let cost = table().cost(key("openai", "gpt-4"), Some(usage));
        assert_eq!(cost, Cost::Unpriced { reason });
    }
}

#[test]
fn usage_stored_before_a_count_was_kept_is_readable() {
    let stored =
        r#"{"prompt":9,"cached":4,"cache_write":0,"completion":3,"reasoning":1,"total":12}"#;
    let usage: TokenUsage = serde_json::from_str(stored).unwrap();
    let expected = TokenUsage {
        cached: 4,
        reasoning: 1,
        ..tokens(9, 3)
    };
    assert_eq!(usage, expected);
}

#[test]
fn faulty_tables_are_refused() {
    let model =
        |rows: &str| format!(r#"{{"providers":{{"p":[{{"model":"m","prices":[{rows}]}}]}}}}"#);
    let row = |rates: &str, more: &str| {
        format!(r#"{{"tier":"default","rates":{{"input":"1","output":"2"{rates}}}{more}}}"#)
    };
    let plain = row("", "");
    assert!(PriceTable::from_json(&model(&plain)).is_ok());
    for bad in [
        format!("{plain},{plain}"),
        row("", r#","effective_from":"yesterday""#),
        row(
            "",
            r#","effective_from":"2026-02-01","effective_to":"2026-02-01""#,
        ),
        row("", r#","web_search":"-1""#),
        row("", r#","cached_input":"1""#),
        row(r#","cached_inptu":"1""#, ""),
        row(r#","cached_input":"-1""#, ""),
        row(r#","cached_input":0.5"#, ""),
        row(r#","cache_write_1h":"1e3""#, ""),
        row(
            "",
            r#","long":{"over_prompt_tokens":9,"rates":{"input":"0.5","output":"2"}}"#,
        ),
        r#"{"tier":"default","rates":{"input":"1"}}"#.to_owned(),
    ] {
        assert!(PriceTable::from_json(&model(&bad)).is_err(), "{bad}");
    }
    let twice = r#"{"providers":{"p":[{"model":"m","prices":[]},{"model":"n","names":["m"],"prices":[]}]}}"#;
    assert!(PriceTable::from_json(twice).is_err());
}
