use chrono::NaiveDate;
use proptest::prelude::*;

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

/// Prompt, cached, cache write, completion.
fn tokens(prompt: u64, cached: u64, cache_write: u64, completion: u64) -> TokenUsage {
    TokenUsage {
        prompt,
        cached,
        cache_write,
        completion,
        total: prompt + completion,
        ..TokenUsage::default()
    }
}

/// Model, tier, day, (prompt, cached, write, completion), nano-dollars worked out by hand.
type Case = (
    &'static str,
    Option<&'static str>,
    &'static str,
    (u64, u64, u64, u64),
    i64,
);

const GOLDEN: &[Case] = &[
    // 30,000 and 60,000 nano-dollars a token.
    ("gpt-4", None, "2026-11-21", (1, 0, 0, 0), 30_000),
    ("gpt-4", None, "2026-11-21", (1_000, 0, 0, 250), 45_000_000),
    (
        "gpt-4-0613",
        None,
        "2026-11-21",
        (1_000, 0, 0, 250),
        45_000_000,
    ),
    (
        "gpt-4-0314",
        Some("default"),
        "2024-01-01",
        (7, 0, 0, 3),
        390_000,
    ),
    // No cached rate is listed: cached tokens cost what input costs.
    ("gpt-4", None, "2026-11-21", (100, 60, 0, 0), 3_000_000),
    (
        "gpt-4-turbo",
        None,
        "2026-11-21",
        (1_000, 0, 0, 1_000),
        40_000_000,
    ),
    (
        "gpt-4-turbo-2024-04-09",
        None,
        "2026-11-21",
        (3, 0, 0, 2),
        90_000,
    ),
    (
        "gpt-4-1106-preview",
        None,
        "2026-11-21",
        (3, 0, 0, 2),
        90_000,
    ),
    // 500 and 1,500.
    ("gpt-3.5-turbo", None, "2026-11-21", (11, 0, 0, 5), 13_000),
    (
        "gpt-3.5-turbo-0613",
        None,
        "2026-11-21",
        (11, 0, 0, 5),
        26_500,
    ),
    // 2,500 / 1,250 / 10,000: 40 uncached, 60 cached, 10 out.
    ("gpt-4o", None, "2026-11-21", (100, 60, 0, 10), 275_000),
    (
        "gpt-4o-2024-08-06",
        None,
        "2026-11-21",
        (100, 60, 0, 10),
        275_000,
    ),
    // The first snapshot kept its own price, 5,000 and 15,000, without a cached rate.
    (
        "gpt-4o-2024-05-13",
        None,
        "2026-11-21",
        (100, 60, 0, 10),
        650_000,
    ),
    // 150 / 75 / 600.
    (
        "gpt-4o-mini",
        None,
        "2026-11-21",
        (2_006, 1_920, 0, 300),
        336_900,
    ),
    ("gpt-4.1-nano", None, "2026-11-21", (10, 4, 0, 1), 1_100),
    // 50 / 5 / 400; one token of cached flex input is 2.5 nano, rounded up once.
    ("gpt-5-nano", None, "2026-11-21", (3, 1, 0, 1), 505),
    ("gpt-5-nano", Some("flex"), "2026-11-21", (1, 1, 0, 0), 3),
    ("gpt-5-nano", Some("flex"), "2026-11-21", (2, 2, 0, 0), 5),
    (
        "gpt-5-nano-2025-08-07",
        None,
        "2026-11-21",
        (3, 1, 0, 1),
        505,
    ),
    // o3 fell from 10 / 40 to 2 / 8 dollars on 2025-06-10.
    ("o3", None, "2025-06-09", (1_000, 0, 0, 100), 14_000_000),
    ("o3", None, "2025-06-10", (1_000, 0, 0, 100), 2_800_000),
    // gpt-5.6-luna, before and after 2026-07-30, with cache writes: 10 uncached, 20 read, 30 written.
    ("gpt-5.6-luna", None, "2026-07-29", (60, 20, 30, 5), 79_500),
    ("gpt-5.6-luna", None, "2026-07-30", (60, 20, 30, 5), 15_900),
    (
        "gpt-5.6-luna-2026-06-01",
        None,
        "2026-07-30",
        (60, 20, 30, 5),
        15_900,
    ),
    (
        "gpt-5.6-sol",
        None,
        "2026-08-21",
        (1_000, 0, 0, 1_000),
        24_000_000,
    ),
    // Long context: 272,000 prompt tokens are short, one more doubles the whole request.
    (
        "gpt-6.1-sol",
        None,
        "2026-11-21",
        (272_000, 0, 0, 100),
        545_000_000,
    ),
    (
        "gpt-6.1-sol",
        None,
        "2026-11-21",
        (272_001, 0, 0, 100),
        1_089_504_000,
    ),
    (
        "gpt-5.4",
        None,
        "2026-11-21",
        (300_000, 100_000, 0, 1_000),
        1_072_500_000,
    ),
    // A model without such a rule.
    (
        "gpt-4.1",
        None,
        "2026-11-21",
        (300_000, 0, 0, 0),
        600_000_000,
    ),
    ("gpt-4o", None, "2026-11-21", (0, 0, 0, 0), 0),
];

#[test]
fn golden_sums() {
    let table = table();
    for (model, tier, day, (prompt, cached, write, completion), nanos) in GOLDEN {
        let usage = tokens(*prompt, *cached, *write, *completion);
        let cost = table.cost_in_tier(model, *tier, Some(usage), at(day));
        assert_eq!(
            cost.nanos(),
            Some(*nanos),
            "{model} {tier:?} {day} {usage:?}: {cost:?}"
        );
    }
    assert!(GOLDEN.len() >= 20);
}

#[test]
fn names_resolve_by_list_or_dated_rule_only() {
    let table = table();
    assert_eq!(table.resolve("gpt-4"), Some("gpt-4"));
    assert_eq!(table.resolve("gpt-4-0613"), Some("gpt-4"));
    assert_eq!(table.resolve("gpt-4o"), Some("gpt-4o"));
    assert_eq!(table.resolve("gpt-6-luna-2026-12-24"), Some("gpt-6-luna"));
    for unknown in [
        "",
        "gpt",
        "gpt-4-9999",
        "gpt-4x",
        "gpt-4o-2031-01-01",
        "gpt-6-luna-2026-13-01",
        "gpt-6-luna-2026-1-001",
        "gpt-6-lunas",
        "GPT-4",
        "gpt-6.2-sol",
        "llama3.2",
        "ft:gpt-4o-2024-08-06:acme::x",
        "gpt-6-luna-２０２６",
    ] {
        assert_eq!(table.resolve(unknown), None, "{unknown}");
    }
}

#[test]
fn what_has_no_price_is_unpriced_and_says_why() {
    let table = table();
    let now = at("2026-11-21");
    let usage = Some(tokens(10, 0, 0, 10));
    assert_eq!(
        table.cost("gpt-4", None, now),
        Cost::Unpriced {
            reason: Unpriced::NoUsage
        }
    );
    assert_eq!(
        table.cost("llama3.2", usage, now),
        Cost::Unpriced {
            reason: Unpriced::UnknownModel("llama3.2".into())
        }
    );
    let scale = table.cost_in_tier("gpt-4o", Some("scale"), usage, now);
    assert_eq!(
        scale,
        Cost::Unpriced {
            reason: Unpriced::NoPriceInForce {
                model: "gpt-4o".into(),
                tier: "scale".into()
            }
        }
    );
    // Tier prices are known from the day they were verified.
    let early = table.cost_in_tier("gpt-5.4", Some("flex"), usage, at("2026-10-11"));
    assert_eq!(early.nanos(), None);
    let absurd = tokens(u64::MAX, 0, 0, 0);
    assert_eq!(
        table.cost("gpt-4", Some(absurd), now),
        Cost::Unpriced {
            reason: Unpriced::AbsurdUsage
        }
    );
}

#[test]
fn the_price_id_names_model_tier_and_day() {
    let cost = table().cost(
        "gpt-5.6-luna-2026-06-01",
        Some(tokens(1, 0, 0, 0)),
        at("2026-11-21"),
    );
    let Cost::Priced { price_id, .. } = cost else {
        panic!("{cost:?}")
    };
    assert_eq!(price_id, "openai/gpt-5.6-luna/default/2026-07-30");
}

#[test]
fn faulty_tables_are_refused() {
    let model = |prices: &str| {
        format!(
            r#"{{"provider":"p","models":[{{"model":"m","names":["m"],"dated_snapshots":false,"prices":[{prices}]}}]}}"#
        )
    };
    let row = |more: &str| format!(r#"{{"tier":"default","input":"1","output":"2"{more}}}"#);
    assert!(PriceTable::from_json(&model(&row(""))).is_ok());
    let plain = row("");
    for bad in [
        format!("{plain},{plain}"),
        row(r#","effective_from":"yesterday""#),
        row(r#","cached_input":"-1""#),
        row(r#","cached_input":0.5"#),
        row(r#","long":{"over_prompt_tokens":9,"input":"0.5","output":"2"}"#),
        r#"{"tier":"default","input":"1"}"#.to_owned(),
    ] {
        assert!(PriceTable::from_json(&model(&bad)).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn more_tokens_never_cost_less(
        which in 0_usize..1_000,
        prompt in 0_u64..600_000,
        cached in 0_u64..100_000,
        completion in 0_u64..200_000,
        more in 0_u64..300_000,
    ) {
        let table = table();
        let mut names: Vec<_> = GOLDEN.iter().map(|case| case.0).collect();
        names.dedup();
        let model = names[which % names.len()];
        let now = at("2026-11-21");
        let price = |usage| table.cost(model, Some(usage), now).nanos().unwrap();
        let base = price(tokens(prompt + cached, cached, 0, completion));
        prop_assert!(price(tokens(prompt + cached + more, cached, 0, completion)) >= base);
        prop_assert!(price(tokens(prompt + cached, cached, 0, completion + more)) >= base);
        prop_assert!(price(tokens(prompt + cached + more, cached + more, 0, completion)) >= base);
    }

    /// Rounding happens once: splitting a request never makes it cheaper, and a request
    /// costs at most one nano-dollar more than its exact price.
    #[test]
    fn the_sum_is_rounded_up_once(prompt in 0_u64..272_000, cached_share in 0_u64..=100, completion in 0_u64..200_000) {
        let cached = prompt * cached_share / 100;
        let table = table();
        let now = at("2026-11-21");
        let nanos = table
            .cost_in_tier("gpt-5-nano", Some("flex"), Some(tokens(prompt, cached, 0, completion)), now)
            .nanos()
            .unwrap();
        // Flex: 25,000 / 2,500 / 200,000 pico-dollars a token.
        let picos = i128::from(prompt - cached) * 25_000 + i128::from(cached) * 2_500 + i128::from(completion) * 200_000;
        let over = i128::from(nanos) * 1_000 - picos;
        prop_assert!((0..1_000).contains(&over), "{over}");
    }
}
