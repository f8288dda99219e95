//! Whatever is asked, nobody is sent anywhere but to the registered URI.

use proptest::prelude::*;

use super::{CALLBACK, ask, query, world};
use crate::oauth::tests::world::{World, header};

thread_local! {
    static WORLD: World = world();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_query(text in "\\PC{0,200}") {
        let reply = WORLD.with(|world| ask(world, &text));
        prop_assert_eq!(header(&reply, "location"), None);
    }

    #[test]
    fn any_value_of_any_parameter(
        name in prop::sample::select(vec![
            "response_type", "redirect_uri", "state", "code_challenge", "code_challenge_method",
            "scope", "resource", "prompt", "max_age", "nonce", "dpop_jkt", "response_mode", "client_id",
        ]),
        value in "[\\PC\\x00-\\x20]{1,60}",
    ) {
        let reply = WORLD.with(|world| ask(world, &query(&[(name, &value)])));
        if let Some(location) = header(&reply, "location") {
            prop_assert!(location.starts_with(CALLBACK), "{}", location);
            prop_assert!(location.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
