use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// Every name and tier of the shipped table.
static PRICED: LazyLock<Vec<(String, String, String)>> = LazyLock::new(|| {
    let file: serde_json::Value = serde_json::from_str(include_str!("../prices.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let mut priced = Vec::new();
    for (provider, models) in file["providers"].as_object().unwrap() {
        for model in models.as_array().unwrap() {
            for row in model["prices"].as_array().unwrap() {
                priced.push((provider.clone(), text(&model["model"]), text(&row["tier"])));
            }
        }
    }
    priced
});

static TABLE: LazyLock<PriceTable> = LazyLock::new(table);

fn any_key() -> impl Strategy<Value = PriceKey<'static>> {
    any::<Index>().prop_map(|index| {
        let (provider, model, tier) = index.get(&PRICED);
        PriceKey {
            tier: Some(tier),
            ..key(provider, model)
        }
    })
}

/// Consistent counts, of hour-long writes too where the model has a rate for them.
fn any_usage(most: u64) -> impl Strategy<Value = TokenUsage> {
    let part = 0..most;
    (part.clone(), part.clone(), part.clone(), part).prop_map(
        |(uncached, cached, cache_write, completion)| TokenUsage {
            cached,
            cache_write,
            ..tokens(uncached + cached + cache_write, completion)
        },
    )
}

fn nanos(key: PriceKey<'_>, usage: TokenUsage) -> i64 {
    TABLE.cost(key, Some(usage)).nanos().unwrap()
}

#[test]
fn every_price_shipped_is_found_today() {
    assert!(PRICED.len() > 200, "{}", PRICED.len());
    for (provider, model, tier) in PRICED.iter() {
        let key = PriceKey {
            tier: Some(tier),
            ..key(provider, model)
        };
        assert!(nanos(key, tokens(1_000, 1_000)) > 0, "{key:?}");
    }
}

proptest! {
    #[test]
    fn more_of_any_kind_never_costs_less(key in any_key(), usage in any_usage(200_000), more in 0_u64..300_000) {
        let base = nanos(key, usage);
        let prompt = usage.prompt + more;
        let grown = [
            TokenUsage { prompt, ..usage },
            TokenUsage { prompt, cached: usage.cached + more, ..usage },
            TokenUsage { prompt, cache_write: usage.cache_write + more, ..usage },
            TokenUsage { completion: usage.completion + more, ..usage },
        ];
        for usage in grown {
            prop_assert!(nanos(key, usage) >= base, "{usage:?}");
        }
    }

    /// Only the rounding, once a call, tells one call from two, while neither is long.
    #[test]
    fn two_calls_cost_what_one_of_both_costs(key in any_key(), a in any_usage(15_000), b in any_usage(15_000)) {
        let both = TokenUsage {
            cached: a.cached + b.cached,
            cache_write: a.cache_write + b.cache_write,
            ..tokens(a.prompt + b.prompt, a.completion + b.completion)
        };
        let apart = nanos(key, a) + nanos(key, b);
        prop_assert!((0..=1).contains(&(apart - nanos(key, both))));
    }

    /// Long context only ever makes the joint call dearer.
    #[test]
    fn splitting_a_call_saves_no_more_than_long_context_adds(key in any_key(), a in any_usage(200_000), b in any_usage(200_000)) {
        let bound = TABLE.upper_bound(key, a.prompt + b.prompt, a.completion + b.completion).unwrap();
        prop_assert!(nanos(key, a) + nanos(key, b) <= bound + 1);
    }

    #[test]
    fn no_call_costs_more_than_its_bound(
        key in any_key(),
        usage in any_usage(400_000),
        one_hour in 0_u64..400_000,
        answered_in in select(vec![true, false]),
        room in 0_u64..1_000,
    ) {
        let bound = TABLE.upper_bound(key, usage.prompt + room, usage.completion + room).unwrap();
        let tier = if answered_in { key.tier } else { None };
        let key = PriceKey { tier, ..key };
        let usage = TokenUsage { cache_write_1h: one_hour.min(usage.cache_write), ..usage };
        if let Some(nanos) = TABLE.cost(key, Some(usage)).nanos() {
            prop_assert!(nanos <= bound, "{nanos} > {bound}");
        }
    }

    #[test]
    fn any_counts_have_a_sum_or_a_reason(key in any_key(), counts in any::<[u64; 6]>()) {
        let [prompt, cached, cache_write, cache_write_1h, completion, web_searches] = counts;
        let usage = TokenUsage { prompt, cached, cache_write, cache_write_1h, completion, web_searches, ..TokenUsage::default() };
        let cost = TABLE.cost(key, Some(usage));
        prop_assert!(cost.nanos().is_none_or(|nanos| nanos >= 0));
        let bound = TABLE.upper_bound(key, prompt, completion);
        prop_assert!(bound.is_err() || bound.is_ok_and(|nanos| nanos >= 0));
    }

    /// Flex: 25,000 / 2,500 / 200,000 pico-dollars a token.
    #[test]
    fn the_sum_is_rounded_up_once(prompt in 0_u64..272_000, cached_share in 0_u64..=100, completion in 0_u64..200_000) {
        let cached = prompt * cached_share / 100;
        let key = PriceKey { tier: Some("flex"), ..key("openai", "gpt-5-nano") };
        let nanos = nanos(key, TokenUsage { cached, ..tokens(prompt, completion) });
        let picos = i128::from(prompt - cached) * 25_000 + i128::from(cached) * 2_500 + i128::from(completion) * 200_000;
        let over = i128::from(nanos) * 1_000 - picos;
        prop_assert!((0..1_000).contains(&over), "{over}");
    }
}

#[test]
fn a_bound_takes_the_dearest_of_everything() {
    let bound = |model, tier, prompt, output| {
        let key = PriceKey {
            tier,
            ..key("openai", model)
        };
        TABLE.upper_bound(key, prompt, output)
    };
    // Writes at 2.5 dollars are dearer than input at 2; then long: 5 and 15.
    assert_eq!(bound("gpt-6.1-sol", None, 1_000, 100), Ok(3_500_000));
    assert_eq!(bound("gpt-6.1-sol", None, 272_001, 100), Ok(1_361_505_000));
    // Asked for flex, the answer may come at the standard tier.
    assert_eq!(
        bound("gpt-6.1-sol", Some("flex"), 1_000, 100),
        Ok(3_500_000)
    );
    assert_eq!(
        bound("gpt-6.1-sol", Some("priority"), 1_000, 100),
        Ok(7_000_000)
    );
    let anthropic = TABLE.upper_bound(key("anthropic", "claude-opus-5-5"), 1_000, 100);
    assert_eq!(anthropic, Ok(10_000_000));
    assert!(bound("gpt-7", None, 1, 1).is_err());
    assert!(bound("gpt-5-nano", Some("priority"), 1, 1).is_err());
    assert_eq!(
        bound("gpt-4", None, u64::MAX, 1),
        Err(Unpriced::AbsurdUsage)
    );
}
