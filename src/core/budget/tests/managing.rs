//! Budgets as people set and read them, over the real account and its tables.

use std::rc::Rc;

use garde::Validate;
use serde_json::{Value, json};

use super::super::manage::{BudgetGetInput, BudgetOutput, BudgetSetInput, Budgets, ManageError};
use super::super::remote::{RemoteUserLedger, UserLedger};
use super::remote::ledger;
use super::{NOW, admitted, exact, request};
use crate::auth::keys::Asking;
use crate::auth::{AuditLog, Principal, PrincipalKind, RequestInfo, Scopes};
use crate::ports::Database;
use crate::sql::{SqliteDatabase, Statement};
use crate::testing::{FakeBackground, FakeClock, FakeEntropy, FakeLog, block_on};

struct World {
    ledger: RemoteUserLedger,
    audit: AuditLog,
    background: Rc<FakeBackground>,
}

fn caller(scopes: &[&str]) -> Principal {
    Principal {
        user_id: "ann".into(),
        name: "key".into(),
        kind: PrincipalKind::User,
        scopes: Scopes::new(scopes.iter().copied()),
        token_id: "made-with".into(),
        client_id: None,
    }
}

impl World {
    /// Whose ledger loses that many replies; ann has the key `k1`, bob the key `k2`.
    fn new(lost: u32) -> Self {
        let background = Rc::new(FakeBackground::default());
        let database = Rc::new(SqliteDatabase::with_schema());
        for (id, user, hash) in [("k1", "ann", "a"), ("k2", "bob", "b")] {
            let insert = Statement::new(
                "INSERT INTO api_tokens (id, user_id, token_hash, name, scopes, status, created_at)
                 VALUES (?1, ?2, ?3, 'key', '[]', 'active', ?4)",
            );
            let insert = insert.bind(id).bind(user).bind(hash.repeat(64));
            block_on(database.run(insert.timestamp(NOW))).unwrap();
        }
        Self {
            ledger: ledger(lost).0,
            audit: AuditLog {
                queue: Rc::default(),
                database,
                clock: Rc::new(FakeClock::at(NOW)),
                entropy: Rc::new(FakeEntropy::default()),
                background: background.clone(),
                log: Rc::new(FakeLog::default()),
            },
            background,
        }
    }

    fn budgets(&self) -> Budgets<'_> {
        Budgets {
            ledger: &self.ledger,
            audit: &self.audit,
        }
    }

    fn set_as(&self, who: &Principal, input: Value) -> Result<BudgetOutput, ManageError> {
        let input: BudgetSetInput = serde_json::from_value(input).unwrap();
        let asking = Asking {
            principal: who,
            request: &RequestInfo::default(),
        };
        block_on(self.budgets().set(asking, &input))
    }

    fn set(&self, input: Value) -> Result<BudgetOutput, ManageError> {
        self.set_as(&caller(&[]), input)
    }

    fn get(&self, input: Value) -> Result<BudgetOutput, ManageError> {
        let input: BudgetGetInput = serde_json::from_value(input).unwrap();
        block_on(self.budgets().get(&caller(&[]), &input))
    }

    /// `outcome/reason/resource` and details of the rows.
    fn audited(&self) -> Vec<(String, Value)> {
        self.background.run_all();
        let select = "SELECT * FROM audit_logs WHERE action = 'budget_set' ORDER BY id";
        let rows = block_on(self.audit.database.run(Statement::new(select)));
        let rows = rows.unwrap().rows;
        rows.iter()
            .map(|row| {
                let reason = row.opt_text("reason").unwrap().unwrap_or_default();
                let (outcome, id) = (row.text("outcome"), row.text("resource_id"));
                let words = [outcome.unwrap(), reason, id.unwrap()];
                (words.join("/"), row.json("details").unwrap())
            })
            .collect()
    }
}

#[test]
fn sums_are_exact_and_what_is_left_out_stays() {
    let world = World::new(0);
    world
        .set(json!({ "period": "month", "soft_usd": "0.000000001", "hard_usd": "12.340000007" }))
        .unwrap();
    let told = world
        .set(json!({ "period": "month", "soft_usd": "10" }))
        .unwrap();
    let nanos = &told.budgets[0].nanos;
    assert_eq!(
        (nanos.soft, nanos.hard),
        (Some(10_000_000_000), Some(12_340_000_007))
    );
    assert_eq!(told.budgets[0].usd.hard.as_deref(), Some("12.340000007"));
    assert_eq!(world.get(json!({})).unwrap(), told);
    let again = world.set(json!({ "period": "month", "soft_usd": "10" }));
    assert_eq!(again.unwrap(), told);
}

#[test]
fn null_removes_a_cap_and_the_last_one_the_budget() {
    let world = World::new(0);
    world
        .set(json!({ "period": "day", "soft_usd": "1", "hard_usd": "2" }))
        .unwrap();
    let told = world
        .set(json!({ "period": "day", "hard_usd": null }))
        .unwrap();
    let usd = &told.budgets[0].usd;
    assert_eq!((usd.soft.as_deref(), &usd.hard), (Some("1"), &None));
    assert_eq!(usd.remaining, None);
    let told = world
        .set(json!({ "period": "day", "soft_usd": null }))
        .unwrap();
    assert!(told.budgets.is_empty());
}

#[test]
fn money_and_rates_are_told_as_they_stand() {
    let world = World::new(0);
    world
        .set(json!({ "zone": "India", "period": "day", "soft_usd": "0.00000003", "hard_usd": "0.0000001" }))
        .unwrap();
    block_on(async {
        admitted(world.ledger.admit("ann", &request("a", 50)).await.unwrap());
        world.ledger.settle("ann", "a", exact(40)).await.unwrap();
        admitted(world.ledger.admit("ann", &request("b", 25)).await.unwrap());
    });
    let told = world.get(json!({})).unwrap();
    let value = serde_json::to_value(&told).unwrap();
    assert_eq!(
        value["budgets"],
        json!([{
            "key_id": null, "period": "day", "over_soft": true,
            "starts_at": "2026-11-20T18:30:00.000Z", "ends_at": "2026-11-21T18:30:00.000Z",
            "usd": { "soft": "0.00000003", "hard": "0.0000001", "spent": "0.00000004",
                "reserved": "0.000000025", "estimated": "0", "remaining": "0.000000035" },
            "nanos": { "soft": 30, "hard": 100, "spent": 40, "reserved": 25, "estimated": 0,
                "remaining": 35 },
        }])
    );
    assert_eq!((told.zone.as_str(), told.under_way), ("India", 1));
    assert_eq!(told.rates.requests.unwrap().remaining, 58);
    assert_eq!(told.rates.tokens["gpt-4"].remaining, 10_000 - 60);
    assert_eq!(told.rates.tokens["claude"].remaining, 60_000);
}

#[test]
fn limits_are_replaced_as_a_whole_and_null_brings_back_the_standard_ones() {
    let world = World::new(0);
    let mine = json!({ "requests_per_minute": 7, "tokens_per_minute": { "*": 9 } });
    let told = world.set(json!({ "limits": mine })).unwrap();
    assert_eq!(told.limits.requests_per_minute, Some(7));
    assert_eq!(told.rates.tokens["gpt-4"].limit, 9);
    let told = world.set(json!({ "limits": { "concurrent": 3 } })).unwrap();
    assert_eq!(
        (told.limits.requests_per_minute, told.limits.concurrent),
        (Some(60), Some(3))
    );
    let told = world.set(json!({ "limits": null })).unwrap();
    assert_eq!(told.limits.concurrent, Some(20));
    let told = world.set(json!({ "key_id": "k1", "limits": { "concurrent": 2 } }));
    let told = told.unwrap();
    assert_eq!(told.key_limits.unwrap().concurrent, Some(2));
    assert_eq!(told.limits.concurrent, Some(20));
}

#[test]
fn a_key_has_a_budget_of_its_own_and_must_be_the_users() {
    let world = World::new(0);
    let told = world.set(json!({ "key_id": "k1", "period": "day", "hard_usd": "1" }));
    let told = told.unwrap();
    assert_eq!(told.budgets[0].key_id.as_deref(), Some("k1"));
    assert!(world.get(json!({})).unwrap().budgets.is_empty());
    for key in ["k2", "none"] {
        let input = json!({ "key_id": key, "period": "day", "hard_usd": "1" });
        assert_eq!(world.set(input).unwrap_err().code(), "KEY_NOT_FOUND");
        let told = world.get(json!({ "key_id": key }));
        assert_eq!(told.unwrap_err().code(), "KEY_NOT_FOUND");
    }
}

#[test]
fn what_is_wrong_changes_nothing_and_says_why() {
    let world = World::new(0);
    for (input, word) in [
        (json!({}), "name what to set"),
        (json!({ "period": "day" }), "soft_usd or hard_usd"),
        (json!({ "hard_usd": "1" }), "period"),
        (json!({ "period": "day", "hard_usd": "-1" }), "hard_usd"),
        (
            json!({ "period": "day", "soft_usd": "0.0000000001" }),
            "soft_usd",
        ),
        (json!({ "period": "day", "soft_usd": "1e3" }), "soft_usd"),
        (json!({ "limits": { "concurrent": 0 } }), "calls at once"),
        (
            json!({ "zone": "Nowhere", "period": "day", "hard_usd": "1" }),
            "Nowhere",
        ),
    ] {
        let error = world.set(input.clone()).unwrap_err();
        assert!(error.to_string().contains(word), "{input}: {error}");
    }
    let told = world.get(json!({})).unwrap();
    assert!(told.budgets.is_empty());
    assert_eq!(
        (told.zone.as_str(), told.limits.concurrent),
        ("UTC", Some(20))
    );
    let long = BudgetSetInput {
        zone: Some("x".repeat(65)),
        ..BudgetSetInput::default()
    };
    assert!(long.validate().is_err());
    let unknown = serde_json::from_value::<BudgetSetInput>(json!({ "hard": "1" }));
    assert!(unknown.is_err());
}

#[test]
fn naming_another_needs_delegation_and_every_change_is_a_row() {
    let world = World::new(0);
    let input = json!({ "user_id": "bob", "period": "day", "hard_usd": "1.50", "soft_usd": null });
    let refused = world.set(input.clone()).unwrap_err();
    assert_eq!(refused.code(), "USER_ID_REFUSED");
    let told = world.set_as(&caller(&["delegation:act"]), input).unwrap();
    assert_eq!(told.user_id, "bob");
    let told = world.get(json!({ "user_id": "bob" }));
    assert_eq!(told.unwrap_err().code(), "USER_ID_REFUSED");
    let details =
        json!({ "user_id": "bob", "period": "day", "hard_usd": "1.50", "soft_usd": null });
    assert_eq!(
        world.audited(),
        [
            ("deny/user_id/bob".to_owned(), details.clone()),
            ("allow//bob".to_owned(), details),
        ]
    );
}

#[test]
fn an_account_that_is_silent_is_told_as_ours() {
    let world = World::new(3);
    let silent = world.set(json!({ "period": "day", "hard_usd": "1" }));
    let silent = silent.unwrap_err();
    assert_eq!(silent.code(), "BUDGET_UNAVAILABLE");
    assert_eq!(silent.blame(), crate::services::Blame::Ours);
    assert_eq!(world.audited()[0].0, "deny/unavailable/ann");
}

#[test]
fn clients_are_told_that_null_removes() {
    let schema = crate::mcp::schema::of::<BudgetSetInput>();
    for field in ["soft_usd", "hard_usd", "limits"] {
        let property = &schema["properties"][field];
        let null = json!({ "type": "null" });
        let forms = property["anyOf"].as_array();
        let listed = forms.is_some_and(|forms| forms.contains(&null));
        let typed = property["type"].as_array();
        let typed = typed.is_some_and(|types| types.contains(&json!("null")));
        assert!(listed || typed, "{field}: {property}");
    }
    assert_eq!(schema.get("required"), None, "{schema}");
}
