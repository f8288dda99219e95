//! Things that wait for company, one queue for an isolate. Whoever adds one comes back for it a
//! little later, and takes it with all that came in between; or finds that it was taken.

use std::cell::RefCell;
use std::collections::VecDeque;

pub struct Gathering<T>(RefCell<Waiting<T>>);

struct Waiting<T> {
    /// Number of the oldest.
    first: u64,
    things: VecDeque<T>,
}

impl<T> Default for Gathering<T> {
    fn default() -> Self {
        Self(RefCell::new(Waiting {
            first: 0,
            things: VecDeque::new(),
        }))
    }
}

impl<T> Gathering<T> {
    pub fn len(&self) -> usize {
        self.0.borrow().things.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns its number, to come back with.
    pub fn add(&self, thing: T) -> u64 {
        let mut waiting = self.0.borrow_mut();
        waiting.things.push_back(thing);
        waiting.first + waiting.things.len() as u64 - 1
    }

    /// The oldest, `most` of them, to be asked for again until there are none: those up to
    /// `number` have been taken by then, and none is taken for a number that was taken before.
    pub fn take_for(&self, number: u64, most: usize) -> Vec<T> {
        let mut waiting = self.0.borrow_mut();
        if number < waiting.first {
            return Vec::new();
        }
        let count = waiting.things.len().min(most);
        waiting.first += count as u64;
        waiting.things.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_first_takes_all_and_the_others_find_nothing() {
        let gathering = Gathering::default();
        let numbers = ["a", "b", "c"].map(|thing| gathering.add(thing));
        assert_eq!(gathering.take_for(numbers[1], 10), ["a", "b", "c"]);
        let later = gathering.add("d");
        assert!(gathering.take_for(numbers[0], 10).is_empty());
        assert!(gathering.take_for(numbers[2], 10).is_empty());
        assert_eq!(gathering.take_for(later, 10), ["d"]);
        assert!(gathering.is_empty());
    }

    #[test]
    fn more_than_a_batch_is_taken_until_ones_own_is_among_them() {
        let gathering = Gathering::default();
        let last = (0..25).map(|thing| gathering.add(thing)).last().unwrap();
        assert_eq!(gathering.take_for(last, 10).len(), 10);
        assert_eq!(gathering.take_for(last, 10).len(), 10);
        assert_eq!(gathering.take_for(last, 10).len(), 5);
        assert!(gathering.take_for(last, 10).is_empty());
    }
}
