//! Stacks with calls on them, told only what probes are told: entries, and the returns of those calls that return.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{
    BY_PAGE, Call, Entered, Entry, NEVER_REPLACED, Owner, Returned, StackKey, UNKNOWN, WORD, Words,
};

const START: u64 = 0x40_1000;
const FUNCTION_BYTES: u64 = 0x80;
const TRAMPOLINE: u64 = 0x7fff_e000;

/// What a word on a stack becomes as its call is entered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Returns {
    /// It stays.
    Plain(Words),
    /// It is replaced.
    Trampoline(Words),
}

fn words(replaced: u64) -> Words {
    Words {
        replaced,
        again_within: 0,
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A call from this place in the code, with a frame of so many words; it writes to its own variables, or leaves there what was.
    Call {
        is_function: bool,
        words: u64,
        site: u64,
        writes: bool,
        /// Of the function: it begins again, on a larger stack or on the one that it has.
        again: Option<bool>,
    },
    Return,
    /// So many calls are left.
    Throw(usize),
    /// The goroutine's stack is moved, at whatever point.
    Move,
}

fn any_step(throws: bool, moves: bool) -> impl Strategy<Value = Step> {
    let again = if moves {
        any::<Option<bool>>().boxed()
    } else {
        Just(None).boxed()
    };
    let call = (any::<bool>(), 1u64..5, 1u64..4, any::<bool>(), again).prop_map(
        |(is_function, words, site, writes, again)| Step::Call {
            is_function,
            words: 2 * words,
            // In functions close by.
            site: START + FUNCTION_BYTES * site + 5,
            writes,
            again,
        },
    );
    let left = if throws {
        (1usize..4).prop_map(Step::Throw).boxed()
    } else {
        Just(Step::Return).boxed()
    };
    let moved = Just(if moves { Step::Move } else { Step::Return });
    prop_oneof![4 => call, 3 => Just(Step::Return), 1 => left, 1 => moved]
}

#[derive(Clone, Copy, Debug)]
struct Active {
    is_function: bool,
    /// From the stack's upper end.
    frame: u64,
    /// Which of all.
    number: u64,
}

/// A stack as its program has it.
struct Stack {
    upper: u64,
    /// From the stack's upper end.
    memory: HashMap<u64, u64>,
    calls: Vec<Active>,
    /// Where frames are counted from the upper end.
    is_goroutine: bool,
    known: Option<Call>,
    /// Stacks that were left, as they were then.
    old: HashMap<u64, u64>,
}

impl Stack {
    fn new(upper: u64, is_goroutine: bool) -> Self {
        Self {
            upper,
            memory: HashMap::new(),
            calls: Vec::new(),
            is_goroutine,
            known: None,
            old: HashMap::new(),
        }
    }

    fn top(&self) -> u64 {
        self.calls.last().map_or(0, |call| call.frame)
    }

    fn word(&self, address: u64) -> Option<u64> {
        let here = self.memory.get(&address.wrapping_sub(self.upper));
        Some(here.or(self.old.get(&address)).copied().unwrap_or(0))
    }

    fn base(&self) -> u64 {
        if self.is_goroutine { self.upper } else { 0 }
    }

    fn seen(&self, frame: u64) -> u64 {
        self.upper.wrapping_add(frame).wrapping_sub(self.base())
    }

    /// As the program does it.
    fn enter(&mut self, words: Words, number: u64) -> Entered {
        let frame = self.top();
        let entry = Entry {
            frame: self.seen(frame),
            base: self.base(),
            return_address: self.memory[&frame],
            pc: START,
        };
        let entered = self.known.map_or(Entered::Outermost, |known| {
            known.entered(&entry, words, |address| self.word(address))
        });
        let since_ns = match (entered, self.known) {
            (Entered::Nested, _) => return entered,
            (Entered::Again, Some(known)) => known.since_ns,
            _ => number,
        };
        self.known = Some(Call {
            frame: entry.frame,
            base: entry.base,
            return_address: entry.return_address,
            since_ns,
        });
        entered
    }

    /// As the program does it, where a call owns the window; which call it was that has returned.
    fn leave(&mut self, frame: u64) -> Option<u64> {
        let known = self.known?;
        match known.returned(self.seen(frame)) {
            Returned::Nested => None,
            Returned::Outermost => {
                self.known = None;
                Some(known.since_ns)
            }
            Returned::Left => {
                self.known = None;
                None
            }
        }
    }

    fn outermost(&self) -> Option<u64> {
        let call = self.calls.iter().find(|call| call.is_function)?;
        Some(call.number)
    }

    /// The function's first instructions call for a larger stack, or for another goroutine's turn.
    fn begin_again(&mut self, rules: Words, moves: bool) {
        let frame = self.top();
        self.memory.insert(frame.wrapping_sub(WORD), START + 0x40);
        if moves {
            self.move_up();
        }
        let is_known = self.known.map(|known| known.frame) == Some(self.seen(frame));
        let expected = if is_known {
            Entered::Again
        } else {
            Entered::Nested
        };
        assert_eq!(self.enter(rules, u64::MAX), expected);
    }

    fn move_up(&mut self) {
        for (&frame, &word) in &self.memory {
            self.old.insert(self.upper.wrapping_add(frame), word);
        }
        let top = self.top() as i64;
        self.memory.retain(|&frame, _| frame as i64 >= top);
        self.upper += 1 << 24;
    }
}

/// What happened in a history that must not, or by what it was misjudged.
#[derive(Debug, Default)]
struct Told {
    /// Calls that were told to have begun as outermost ones, and are.
    begun: u64,
    /// Those that were taken for nested ones though nothing was around them.
    missed: u64,
    returned: u64,
}

fn play(stacks: &mut [Stack], steps: &[(usize, Step)], returns: Returns) -> Told {
    let mut told = Told::default();
    let (rules, replaces) = match returns {
        Returns::Plain(words) => (words, false),
        Returns::Trampoline(words) => (words, true),
    };
    for (number, &(index, step)) in (1u64..).zip(steps) {
        let stack = &mut stacks[index];
        match step {
            Step::Call {
                is_function,
                words,
                site,
                writes,
                again,
            } => {
                let before = stack.outermost();
                let frame = stack.top().wrapping_sub(WORD * words);
                if writes {
                    // What the caller has between its own frame and the return address, and the address of what it saved.
                    for word in 1..words {
                        stack.memory.insert(frame.wrapping_add(WORD * word), 7);
                    }
                }
                stack.memory.insert(frame, site);
                stack.calls.push(Active {
                    is_function,
                    frame,
                    number,
                });
                if !is_function {
                    continue;
                }
                match (stack.enter(rules, number), before) {
                    (Entered::Outermost, None) => told.begun += 1,
                    (Entered::Nested, Some(_)) => {}
                    (Entered::Nested, None) => told.missed += 1,
                    (entered, before) => panic!("{entered:?} in {before:?}"),
                }
                if let Some(moves) = again {
                    stack.begin_again(rules, moves);
                }
                if replaces {
                    stack.memory.insert(frame, TRAMPOLINE);
                }
                // Its prologue saves a register there.
                stack.memory.insert(frame.wrapping_sub(WORD), 7);
            }
            Step::Return => {
                let Some(call) = stack.calls.pop() else {
                    continue;
                };
                if !call.is_function {
                    continue;
                }
                let sp = if number % 2 == 0 {
                    call.frame
                } else {
                    call.frame.wrapping_add(WORD)
                };
                if let Some(of) = stack.leave(sp) {
                    assert_eq!(of, call.number, "the return of another call");
                    told.returned += 1;
                }
            }
            Step::Throw(most) => {
                let left = stack.calls.len().saturating_sub(most);
                stack.calls.truncate(left);
            }
            Step::Move => stack.move_up(),
        }
    }
    told
}

fn several(is_goroutine: bool) -> Vec<Stack> {
    [0x10_0000u64, 0x20_0000, 0x30_0000]
        .into_iter()
        .map(|upper| Stack::new(upper, is_goroutine))
        .collect()
}

fn any_steps(throws: bool, again: bool) -> impl Strategy<Value = Vec<(usize, Step)>> {
    prop::collection::vec((0usize..3, any_step(throws, again)), 0..200)
}

proptest! {
    /// Each outermost call begins and returns as one, and no other does.
    #[test]
    fn where_calls_return_the_outermost_are_known(steps in any_steps(false, false), way in 0usize..4) {
        let returns = [
            Returns::Plain(words(NEVER_REPLACED)),
            Returns::Plain(words(UNKNOWN)),
            Returns::Trampoline(words(BY_PAGE)),
            Returns::Trampoline(words(TRAMPOLINE)),
        ][way];
        let mut stacks = several(false);
        let told = play(&mut stacks, &steps, returns);
        let still = stacks.iter().filter_map(Stack::outermost).count() as u64;
        prop_assert_eq!(told.missed, 0);
        prop_assert_eq!(told.begun, told.returned + still);
    }

    /// No window is closed by another call's return than its own, and a call is not taken for an outermost one within another; only
    /// a call after one that was left may be missed.
    #[test]
    fn where_calls_are_left_no_return_is_taken_for_theirs(steps in any_steps(true, false)) {
        let mut stacks = several(false);
        play(&mut stacks, &steps, Returns::Plain(words(NEVER_REPLACED)));
        let mut stacks = several(false);
        play(&mut stacks, &steps, Returns::Trampoline(words(BY_PAGE)));
        let mut stacks = several(false);
        play(&mut stacks, &steps, Returns::Plain(words(UNKNOWN)));
    }

    /// The same on stacks that move, of functions that begin twice.
    #[test]
    fn a_function_that_begins_again_is_one_call(steps in any_steps(true, true)) {
        let rules = Words { replaced: NEVER_REPLACED, again_within: FUNCTION_BYTES };
        play(&mut several(true), &steps, Returns::Plain(rules));
    }
}

const SITE: u64 = 0x50_0000;

fn known(frame: u64) -> Call {
    Call {
        frame,
        base: 0,
        return_address: SITE,
        since_ns: 1,
    }
}

fn entry(frame: u64) -> Entry {
    Entry {
        frame,
        base: 0,
        return_address: SITE,
        pc: START,
    }
}

#[test]
fn an_entry_at_the_same_place_or_further_out_follows_a_call_that_was_left() {
    let rules = words(NEVER_REPLACED);
    for frame in [0x1000, 0x1008, 0x8000] {
        let entered = known(0x1000).entered(&entry(frame), rules, |_| Some(SITE));
        assert_eq!(entered, Entered::Outermost, "{frame:#x}");
    }
}

#[test]
fn an_entry_further_in_is_nested_while_the_return_address_stands() {
    let of = |word: Option<u64>, replaced| {
        known(0x1000).entered(&entry(0xf00), words(replaced), |address| {
            assert_eq!(address, 0x1000);
            word
        })
    };
    assert_eq!(of(Some(SITE), NEVER_REPLACED), Entered::Nested);
    assert_eq!(of(Some(7), NEVER_REPLACED), Entered::Outermost);
    assert_eq!(of(Some(TRAMPOLINE), NEVER_REPLACED), Entered::Outermost);
    assert_eq!(of(Some(TRAMPOLINE), BY_PAGE), Entered::Nested);
    assert_eq!(of(Some(0), BY_PAGE), Entered::Outermost);
    assert_eq!(of(Some(SITE), TRAMPOLINE), Entered::Nested);
    assert_eq!(of(Some(TRAMPOLINE), TRAMPOLINE), Entered::Nested);
    assert_eq!(of(Some(0), TRAMPOLINE), Entered::Outermost);
    assert_eq!(of(None, NEVER_REPLACED), Entered::Nested, "not there now");
    assert_eq!(of(Some(7), UNKNOWN), Entered::Nested);
}

#[test]
fn a_function_that_had_come_further_does_not_begin_again() {
    let rules = Words {
        replaced: NEVER_REPLACED,
        again_within: FUNCTION_BYTES,
    };
    let before = Call {
        base: 0x9000,
        frame: 0x1000u64.wrapping_sub(0x9000),
        ..known(0)
    };
    // On a stack elsewhere, at the same depth.
    let now = Entry {
        base: 0x2_9000,
        ..entry(before.frame)
    };
    let of = |now: &Entry, below: u64| {
        before.entered(now, rules, |address| {
            assert_eq!(address, 0x1000 - 8);
            Some(below)
        })
    };
    assert_eq!(of(&now, START + 0x40), Entered::Again);
    assert_eq!(of(&now, 0xc000_0000), Entered::Outermost);
    assert_eq!(of(&now, START - 1), Entered::Outermost);
    let elsewhere = Entry {
        return_address: SITE + 5,
        ..now
    };
    assert_eq!(of(&elsewhere, START + 0x40), Entered::Outermost);
}

#[test]
fn a_return_is_its_calls_at_its_instruction_and_after_it() {
    let owner = Owner {
        key: StackKey::default(),
        frame: 0x1000,
    };
    for (frame, expected) in [
        (0xff8, Returned::Nested),
        (0x1000, Returned::Outermost),
        (0x1004, Returned::Outermost),
        (0x1008, Returned::Outermost),
        (0x1010, Returned::Left),
    ] {
        assert_eq!(owner.returned(frame), expected, "{frame:#x}");
        assert_eq!(known(0x1000).returned(frame), expected, "{frame:#x}");
    }
}
