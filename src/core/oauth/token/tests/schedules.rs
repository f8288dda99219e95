//! Random schedules of clients that refresh from several places at once, lose replies and
//! repeat, over a database that fails and workers that die.

use std::collections::BTreeSet;

use super::super::super::settings::REFRESH_AGAIN_MS;
use super::shaky::{Fault, Task, interleave, shared};
use super::*;
use crate::digest::sha256_hex;
use crate::testing::Random;

const SCHEDULES: u64 = 20_000;
const CODE_SCHEDULES: u64 = 5_000;
const THREADS: usize = 2;

/// Places of one client, each with the token that it heard of last.
struct Places<'a> {
    world: &'a World,
    random: Random,
    first: String,
    held: Vec<String>,
}

fn in_threads(schedules: u64, run: fn(u64, Rc<Shaky>, Rc<FakeEntropy>)) {
    std::thread::scope(|scope| {
        for thread in (0..).take(THREADS) {
            scope.spawn(move || {
                let (database, entropy) = (shared(), Rc::new(FakeEntropy::default()));
                for seed in (thread..schedules).step_by(THREADS) {
                    run(seed, Rc::clone(&database), Rc::clone(&entropy));
                }
            });
        }
    });
}

fn asked(world: &World, form: &[(&str, String)]) -> Result<String, OAuthError> {
    block_on(world.unsigned(client("client-1"), encoded(form)))
}

#[test]
fn no_schedule_forks_a_chain_or_logs_anybody_out() {
    in_threads(SCHEDULES, |seed, database, entropy| {
        let world = World::unheard(database, entropy);
        let form = code_form(&world.code());
        let first = asked(&world, &form).unwrap();
        let mut places = Places {
            world: &world,
            random: Random::seeded(seed),
            held: vec![first.clone(); 3],
            first,
        };
        for _ in 0..2 {
            places.round();
        }
        places.end();
    });
}

impl Places<'_> {
    /// Some places refresh at once. Then those whose replies were lost repeat.
    fn round(&mut self) {
        self.plan_faults();
        let asking: Vec<usize> = (0..2 + self.random.below(2))
            .map(|_| self.random.at(self.held.len()))
            .collect();
        let tasks = asking.iter().map(|place| self.ask(*place)).collect();
        let answers = interleave(tasks, &self.random, 40);
        self.world.database.plan.take();
        for (place, answer) in asking.into_iter().zip(answers) {
            // One reply in five is lost on its way.
            let heard = answer.filter(|_| !self.random.one_in(5));
            if let Some(Ok(token)) = heard.map(Self::granted) {
                self.held[place] = token;
            }
        }
        self.world
            .clock
            .advance(i64::try_from(self.random.below(1000)).unwrap());
        self.all_catch_up();
        self.chain();
    }

    fn plan_faults(&mut self) {
        let faults = (0..24).map(|_| match self.random.below(12) {
            0 => Some(Fault::Before),
            1 => Some(Fault::After),
            _ => None,
        });
        self.world.database.plan.replace(faults.collect());
    }

    fn ask<'b>(&self, place: usize) -> Task<'b, Result<String, OAuthError>>
    where
        Self: 'b,
    {
        let form = encoded(&refresh_form(&self.held[place]));
        Box::pin(self.world.unsigned(client("client-1"), form))
    }

    fn refresh(&self, token: &str) -> Result<String, &'static str> {
        asked(self.world, &refresh_form(token)).map_err(|error| error.code)
    }

    /// Within the while a client hears a token or that it may try again, never a no.
    fn granted(answer: Result<String, OAuthError>) -> Result<String, ()> {
        match answer {
            Ok(token) => Ok(token),
            Err(error) => {
                assert_eq!(error.status, 503, "{error:?}");
                Err(())
            }
        }
    }

    /// Everybody repeats within the while, and all are led to the one newest token.
    fn all_catch_up(&mut self) {
        for place in 0..self.held.len() {
            if self.random.one_in(2) {
                self.held[place] = self.refresh(&self.held[place]).unwrap();
            }
        }
    }

    /// The tokens of the grant, in the order of the chain. None stands beside it.
    fn chain(&self) -> Vec<String> {
        let server = &self.world.server;
        let stored = block_on(server.refresh_token(&self.first))
            .unwrap()
            .unwrap();
        let rows = self.world.sql(&format!(
            "SELECT token_hash, replaced_at FROM oauth_refresh_tokens WHERE grant_id = '{}'",
            stored.standing.grant.id
        ));
        let mut left: BTreeSet<String> = rows
            .rows
            .iter()
            .map(|row| row.text("token_hash").unwrap())
            .collect();
        let live = rows
            .rows
            .iter()
            .filter(|row| row.opt_int("replaced_at").unwrap().is_none());
        assert_eq!(live.count(), 1, "one live token");
        assert!(
            stored.standing.grant.revoked_at_ms.is_none(),
            "nobody is logged out"
        );
        let mut chain = vec![self.first.clone()];
        while left.remove(&sha256_hex(chain.last().unwrap())) {
            let next = server.successor(chain.last().unwrap());
            chain.push(next);
        }
        chain.pop();
        assert!(left.is_empty(), "a token outside the chain");
        chain
    }

    /// Long after, the newest token works; one of the others ends the grant for all.
    fn end(self) {
        let chain = self.chain();
        let (newest, others) = chain.split_last().unwrap();
        self.world
            .clock
            .advance(REFRESH_AGAIN_MS + 1 + 3600 * SECOND);
        let next = self.refresh(newest).unwrap();
        let Some(reused) = (!others.is_empty()).then(|| &others[self.random.at(others.len())])
        else {
            return;
        };
        let form = refresh_form(reused);
        let stranger = self.world.unsigned(client("client-2"), encoded(&form));
        assert!(block_on(stranger).is_err());
        assert!(self.refresh(&next).is_ok(), "a stranger ends nothing");
        assert_eq!(self.refresh(reused), Err("invalid_grant"));
        for token in [newest, &next] {
            assert_eq!(
                self.refresh(token),
                Err("invalid_grant"),
                "the family has ended"
            );
        }
    }
}

#[test]
fn no_schedule_redeems_a_code_twice_or_by_half() {
    in_threads(CODE_SCHEDULES, |seed, database, entropy| {
        let (world, random) = (World::unheard(database, entropy), Random::seeded(seed));
        let code = world.code();
        let faults = (0..16).map(|_| match random.below(10) {
            0 => Some(Fault::Before),
            1 => Some(Fault::After),
            _ => None,
        });
        world.database.plan.replace(faults.collect());
        let ask = || -> Task<'_, _> {
            Box::pin(world.unsigned(client("client-1"), encoded(&code_form(&code))))
        };
        let tasks = (0..=random.below(3)).map(|_| ask()).collect();
        let answers = interleave(tasks, &random, 25);
        world.database.plan.take();
        let given = answers
            .iter()
            .flatten()
            .filter(|answer| answer.is_ok())
            .count();
        let stored = block_on(world.server.code(&code)).unwrap().unwrap();
        let grant = &stored.standing.grant;
        let tokens = world.count(&format!(
            "oauth_refresh_tokens WHERE grant_id = '{}'",
            grant.id
        ));
        assert!(given <= 1);
        assert_eq!(tokens == 1, stored.redeemed, "half used");
        assert_eq!(
            grant.last_used_at_ms.is_some(),
            stored.redeemed,
            "half used"
        );
        let again = asked(&world, &code_form(&code));
        assert_eq!(again.is_ok(), !stored.redeemed, "{again:?}");
        if stored.redeemed {
            let ended = block_on(world.server.grant(&grant.id)).unwrap().unwrap();
            assert!(ended.revoked_at_ms.is_some());
        }
    });
}
