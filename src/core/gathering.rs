//! Things that wait for company, one queue for an isolate. Whoever adds one comes back for it a
//! little later and does all that came in between. A thing leaves the queue only once it is
//! done with, and whoever added it stays until then: the program of one who had begun may end
//! at any time, which loses nothing of the others.

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::ports::Clock;

/// Whoever does the oldest has them for so long; then the next does them too.
const TURN_MS: i64 = 3_000;
const LOOK_AGAIN_MS: u64 = 100;

pub struct Gathering<T>(RefCell<Waiting<T>>);

struct Waiting<T> {
    /// Number of the oldest.
    first: u64,
    things: VecDeque<T>,
    /// When the turn ends of whoever does the oldest now.
    taken_until_ms: i64,
}

enum Turn<T> {
    /// The thing asked for is done with.
    Over,
    /// Somebody is at it.
    Others,
    /// The oldest, and the number after theirs.
    Ours(Vec<T>, u64),
}

impl<T> Default for Gathering<T> {
    fn default() -> Self {
        Self(RefCell::new(Waiting {
            first: 0,
            things: VecDeque::new(),
            taken_until_ms: i64::MIN,
        }))
    }
}

impl<T: Clone> Gathering<T> {
    pub fn len(&self) -> usize {
        self.0.borrow().things.len()
    }

    /// Returns its number, to come back with.
    pub fn add(&self, thing: T) -> u64 {
        let mut waiting = self.0.borrow_mut();
        waiting.things.push_back(thing);
        waiting.first + waiting.things.len() as u64 - 1
    }

    /// Has the oldest done, `most` of them at once, until the thing of that number is done with.
    /// `work` must bear being done twice, and is the last to hear of what it is given.
    pub async fn see_to(
        &self,
        number: u64,
        most: usize,
        clock: &dyn Clock,
        work: impl AsyncFn(&[T]),
    ) {
        loop {
            match self.turn(number, most, clock.now_ms()) {
                Turn::Over => return,
                Turn::Others => clock.sleep(LOOK_AGAIN_MS).await,
                Turn::Ours(things, next) => {
                    work(&things).await;
                    self.done(next);
                }
            }
        }
    }

    fn turn(&self, number: u64, most: usize, now_ms: i64) -> Turn<T> {
        let mut waiting = self.0.borrow_mut();
        if number < waiting.first {
            return Turn::Over;
        }
        if now_ms < waiting.taken_until_ms {
            return Turn::Others;
        }
        waiting.taken_until_ms = now_ms.saturating_add(TURN_MS);
        let things: Vec<T> = waiting.things.iter().take(most).cloned().collect();
        let next = waiting.first + things.len() as u64;
        Turn::Ours(things, next)
    }

    /// All before `next` go, unless another who did them was quicker.
    fn done(&self, next: u64) {
        let mut waiting = self.0.borrow_mut();
        while waiting.first < next && waiting.things.pop_front().is_some() {
            waiting.first += 1;
        }
        waiting.taken_until_ms = i64::MIN;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;

    use futures::FutureExt;
    use futures::future::join;

    use super::*;
    use crate::llm::scripted::{JumpClock, START_MS};
    use crate::testing::block_on;

    #[test]
    fn whoever_comes_first_does_all_and_the_others_find_nothing() {
        let clock = JumpClock::at(START_MS);
        let (gathering, done) = (Gathering::default(), RefCell::new(Vec::new()));
        let numbers = ["a", "b", "c"].map(|thing| gathering.add(thing));
        let see_to = |number| {
            gathering.see_to(number, 10, &clock, async |things: &[&'static str]| {
                done.borrow_mut().push(things.to_vec());
            })
        };
        block_on(see_to(numbers[1]));
        let later = gathering.add("d");
        block_on(see_to(numbers[0]));
        block_on(see_to(numbers[2]));
        block_on(see_to(later));
        assert_eq!(*done.borrow(), [vec!["a", "b", "c"], vec!["d"]]);
        assert_eq!(gathering.len(), 0);
    }

    #[test]
    fn more_than_a_batch_is_done_until_ones_own_is_among_them() {
        let clock = JumpClock::at(START_MS);
        let (gathering, done) = (Gathering::default(), RefCell::new(Vec::new()));
        let last = (0..25).map(|thing| gathering.add(thing)).last().unwrap();
        block_on(gathering.see_to(last, 10, &clock, async |things| {
            done.borrow_mut().push(things.len());
        }));
        assert_eq!(*done.borrow(), [10, 10, 5]);
    }

    #[test]
    fn what_one_had_begun_is_done_by_the_next_when_its_program_ends() {
        let clock = JumpClock::at(START_MS);
        let (gathering, done) = (Gathering::default(), RefCell::new(Vec::new()));
        let numbers = ["a", "b"].map(|thing| gathering.add(thing));
        let first = gathering.see_to(numbers[0], 10, &clock, async |_| pending().await);
        assert!(first.now_or_never().is_none());
        assert_eq!(gathering.len(), 2, "nothing is done yet");
        clock.run(gathering.see_to(numbers[1], 10, &clock, async |things| {
            done.borrow_mut().extend_from_slice(things);
        }));
        assert_eq!(*done.borrow(), ["a", "b"]);
        assert_eq!(clock.now_ms() - START_MS, TURN_MS);
    }

    #[test]
    fn while_one_is_at_it_the_others_wait() {
        let clock = JumpClock::at(START_MS);
        let (gathering, done) = (Gathering::default(), RefCell::new(Vec::new()));
        let numbers = ["a", "b"].map(|thing| gathering.add(thing));
        let see_to = |number| {
            gathering.see_to(number, 10, &clock, async |things: &[&'static str]| {
                clock.sleep(250).await;
                done.borrow_mut().push(things.to_vec());
            })
        };
        clock.run(join(see_to(numbers[0]), see_to(numbers[1])));
        assert_eq!(*done.borrow(), [vec!["a", "b"]]);
    }

    #[test]
    fn one_that_was_slow_takes_nothing_with_it_that_is_not_done() {
        let clock = JumpClock::at(START_MS);
        let (gathering, done) = (Gathering::default(), RefCell::new(Vec::new()));
        let first = gathering.add("a");
        let slow = gathering.see_to(first, 10, &clock, async |_| {
            clock.sleep(10_000).await;
        });
        let quick = async {
            clock.sleep(1).await;
            let second = gathering.add("b");
            let seen = gathering.see_to(second, 10, &clock, async |things: &[&'static str]| {
                done.borrow_mut().push(things.to_vec());
            });
            seen.await;
            gathering.add("c");
        };
        clock.run(join(slow, quick));
        assert_eq!(*done.borrow(), [["a", "b"]]);
        assert_eq!(gathering.len(), 1, "nobody has done the last");
    }
}
