use super::*;

const OVERRIDES: &str = r#"{"providers": {
  "openai": [
    {"model": "gpt-4o", "prices": [
      {"tier": "default", "effective_from": "2026-01-01", "rates": {"input": "2", "output": "8"}}]},
    {"model": "gpt-4o-mini-2024-07-18", "prices": [
      {"tier": "default", "rates": {"input": "1", "output": "1"}}]}],
  "ollama": [
    {"model": "llama3.2", "names": ["llama3.2:latest"], "prices": [
      {"tier": "default", "rates": {"input": "0", "output": "0.000001"}}]}]
}}"#;

fn overridden() -> PriceTable {
    table().with_overrides(OVERRIDES).unwrap()
}

#[test]
fn an_override_replaces_all_rows_of_the_models_it_names() {
    let table = overridden();
    let cost = |key| table.cost(key, Some(tokens(1_000, 100)));
    // Names of the shipped table go on to mean the model.
    for name in ["gpt-4o", "gpt-4o-2024-08-06"] {
        let cost = cost(key("openai", name));
        assert_eq!(cost.nanos(), Some(2_800_000));
        assert_eq!(price_id(cost), "openai/gpt-4o/default/2026-01-01/override");
    }
    let priority = PriceKey {
        tier: Some("priority"),
        ..key("openai", "gpt-4o")
    };
    assert_eq!(cost(priority).nanos(), None);
    let before = PriceKey {
        at_ms: at("2025-12-31"),
        ..key("openai", "gpt-4o")
    };
    assert_eq!(cost(before).nanos(), None);
}

#[test]
fn an_override_may_take_one_name_out_of_a_model() {
    let table = overridden();
    let id = |name| price_id(table.cost(key("openai", name), Some(tokens(1, 1))));
    let snapshot = "gpt-4o-mini-2024-07-18";
    assert_eq!(
        id(snapshot),
        format!("openai/{snapshot}/default/start/override")
    );
    assert_eq!(id("gpt-4o-mini"), "openai/gpt-4o-mini/default/start");
}

#[test]
fn an_override_may_add_a_provider() {
    let cost = overridden().cost(key("ollama", "llama3.2:latest"), Some(tokens(5, 1)));
    assert_eq!(cost.nanos(), Some(1));
    assert_eq!(price_id(cost), "ollama/llama3.2/default/start/override");
    let other = overridden().cost(key("anthropic", "claude-opus-5"), Some(tokens(1, 0)));
    assert_eq!(price_id(other), "anthropic/claude-opus-5/default/start");
}

#[test]
fn a_faulty_override_says_where() {
    let wrong = OVERRIDES.replace("\"8\"", "\"eight\"");
    let error = table().with_overrides(&wrong).unwrap_err();
    assert!(error.to_string().contains("openai/gpt-4o"), "{error}");
}
