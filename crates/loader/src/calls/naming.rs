//! A thread that names the frames of a sample's stacks, within what that may take, and what becomes of those that it does not get to.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stacks::Symbolizer;

use crate::calls::means::Means;
use crate::calls::stack_table::{Stack, StackTable, frames, modules, unnamed};
use crate::error::{Error, Result};
use crate::sample::Frame;

/// For the names of one sample, on a machine that has no time for them. What they may take of its time is less (`means`).
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at whether anybody still wants to wait.
const LOOK: Duration = Duration::from_millis(20);
/// What is under way when it is to end: a single file, of which no more is to be read.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// Debug files that are asked for at a time. A process may map any number of files, with any build ids.
const MOST_MISSING: usize = 256;

/// What is known of symbols cannot move to another thread. It ends with this.
pub struct Symbols {
    requests: Mutex<Sender<Request>>,
    debug_cache: Option<PathBuf>,
    /// Processes with means of their own; those of all others are together.
    named: HashSet<u32>,
    /// Nobody wants to wait any longer.
    is_hurried: AtomicBool,
}

pub(super) enum Request {
    Name(Asked, Sender<Answer>),
    Missing(Asked, Sender<Answer>),
}

pub(super) struct Asked {
    pub stacks: Vec<Stack>,
    pub named: HashSet<u32>,
    /// Whoever has asked does not wait any more.
    pub is_ended: Arc<AtomicBool>,
}

/// One after the other, so that what was found is there also if the rest is not.
pub(super) enum Answer {
    Stack(usize, Vec<Frame>),
    Missing(String),
    /// With what was wrong.
    Done(Vec<String>),
}

/// The frames of each stack, innermost first; inlined functions are frames of their own.
pub struct Named {
    pub stacks: Vec<Vec<Frame>>,
    /// What is missing and why, a line each, each once.
    pub problems: Vec<String>,
}

impl Symbols {
    /// `debug_cache`: a folder with debug files that were fetched; `None`: none are. `named`: pids of processes none of which is to
    /// take what is another's.
    pub fn start(debug_cache: Option<PathBuf>, named: HashSet<u32>) -> Result<Self> {
        Ok(Self::with(start(debug_cache.clone())?, debug_cache, named))
    }

    pub(super) fn with(
        requests: Sender<Request>,
        debug_cache: Option<PathBuf>,
        named: HashSet<u32>,
    ) -> Self {
        Self {
            requests: Mutex::new(requests),
            debug_cache,
            named,
            is_hurried: AtomicBool::new(false),
        }
    }

    /// For as long, what is asked is answered with what there is.
    pub fn set_hurried(&self, is_hurried: bool) {
        self.is_hurried.store(is_hurried, Ordering::Release);
    }

    /// Without names as far as those cannot be found in bearable time.
    pub fn name(&self, table: &StackTable) -> Named {
        let mut stacks: Vec<Option<Vec<Frame>>> = vec![None; table.stacks.len()];
        let mut problems = Vec::new();
        let why = self.ask(table, Request::Name, |answer| match answer {
            Answer::Stack(index, frames) => {
                if let Some(stack) = stacks.get_mut(index) {
                    *stack = Some(frames);
                }
            }
            Answer::Done(lines) => problems = lines,
            Answer::Missing(_) => {}
        });
        let count = stacks.iter().filter(|stack| stack.is_none()).count();
        if count > 0 {
            let why = why.err().unwrap_or_else(|| INTERRUPTED.to_owned());
            let of = stacks.len();
            problems.push(format!("{count} of {of} stacks have no names: {why}"));
        }
        let all = stacks.into_iter().zip(&table.stacks);
        let stacks = all
            .map(|(named, stack)| named.unwrap_or_else(|| unnamed(stack)))
            .collect();
        Named { stacks, problems }
    }

    /// The build ids of debug files that would have more names, each once.
    pub fn missing(&self, table: &StackTable) -> Vec<String> {
        let mut missing = Vec::new();
        if self.debug_cache.is_some() && !self.is_hurried.load(Ordering::Acquire) {
            // Whatever keeps it from being answered: to name them will have the same.
            let _ = self.ask(table, Request::Missing, |answer| {
                if let Answer::Missing(id) = answer {
                    missing.push(id);
                }
            });
        }
        if self.is_hurried.load(Ordering::Acquire) {
            // Nobody is going to fetch them.
            missing.clear();
        }
        missing
    }

    /// Visits the answers; why there are no more, if the last of them has not come.
    pub(super) fn ask(
        &self,
        table: &StackTable,
        request: impl FnOnce(Asked, Sender<Answer>) -> Request,
        mut visit: impl FnMut(Answer),
    ) -> std::result::Result<(), String> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let (reply, answers) = channel();
        let is_ended = Arc::new(AtomicBool::new(false));
        let asked = Asked {
            stacks: table.stacks.clone(),
            named: self.named.clone(),
            is_ended: Arc::clone(&is_ended),
        };
        let sent = requests.send(request(asked, reply));
        let why = match sent {
            Ok(()) => match self.receive(&answers, &is_ended, &mut visit) {
                None => return Ok(()),
                Some(why) => why,
            },
            Err(_) => BROKE_OFF.to_owned(),
        };
        match start(self.debug_cache.clone()) {
            // The one that was asked goes on with what it is about, and ends then.
            Ok(others) => *requests = others,
            // It stays the one that is asked; if it has broken off, the next question is another attempt.
            Err(error) => return Err(format!("{why}, and there is no other: {error}")),
        }
        Err(why)
    }

    /// `None`: all answers have come.
    fn receive(
        &self,
        answers: &Receiver<Answer>,
        is_ended: &AtomicBool,
        visit: &mut impl FnMut(Answer),
    ) -> Option<String> {
        let mut until = Instant::now() + PATIENCE;
        let mut why = None;
        loop {
            let now = Instant::now();
            if why.is_none() {
                if self.is_hurried.load(Ordering::Acquire) {
                    why = Some(INTERRUPTED.to_owned());
                } else if now >= until {
                    why = Some(format!("they were not found in {} s", PATIENCE.as_secs()));
                }
                if why.is_some() {
                    is_ended.store(true, Ordering::Release);
                    until = now + LAST_MOMENT;
                }
            } else if now >= until {
                return why;
            }
            match answers.recv_timeout(LOOK) {
                Ok(answer) => {
                    let is_last = matches!(answer, Answer::Done(_));
                    visit(answer);
                    if is_last {
                        return None;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Some(BROKE_OFF.to_owned()),
            }
        }
    }
}

const INTERRUPTED: &str = "the search for them was ended";
const BROKE_OFF: &str = "the thread that finds them broke off";

fn start(debug_cache: Option<PathBuf>) -> Result<Sender<Request>> {
    let (requests, received) = channel();
    std::thread::Builder::new()
        .name("kdelay-symbols".to_owned())
        .spawn(move || run(&received, debug_cache))
        .map_err(|error| Error::io("starting a thread", &error))?;
    Ok(requests)
}

fn run(requests: &Receiver<Request>, debug_cache: Option<PathBuf>) {
    let mut symbolizer = match debug_cache {
        Some(folder) => Symbolizer::with_debug_cache(folder),
        None => Symbolizer::new(),
    };
    // Of the sample that is asked for: what is missing first, and then the names.
    let mut means: Option<Means> = None;
    while let Ok(request) = requests.recv() {
        let means_of_sample = means.get_or_insert_with(|| {
            symbolizer.begin_sample();
            Means::of_sample()
        });
        match request {
            Request::Name(asked, reply) => {
                name(&mut symbolizer, &asked, means_of_sample, &reply);
                means = None;
            }
            Request::Missing(asked, reply) => {
                tell_missing(&mut symbolizer, &asked, means_of_sample, &reply);
            }
        }
    }
}

/// The indices of the stacks, together with those of the same owner: the kernel's first, then those of each process that was named,
/// then those of all others.
fn by_owner(asked: &Asked) -> Vec<Vec<usize>> {
    let owner = |stack: &Stack| match stack {
        Stack::Kernel(_) => (0, 0),
        Stack::User(_, pid) if asked.named.contains(pid) => (1, *pid),
        Stack::User(..) => (2, 0),
    };
    let mut indices: Vec<usize> = (0..asked.stacks.len()).collect();
    let of = |index: &usize| asked.stacks.get(*index).map(owner);
    indices.sort_by_key(of);
    let groups = indices.chunk_by(|one, other| of(one) == of(other));
    groups.map(<[usize]>::to_vec).collect()
}

fn name(symbolizer: &mut Symbolizer, asked: &Asked, means: &mut Means, reply: &Sender<Answer>) {
    for module in modules(&asked.stacks) {
        if asked.is_ended.load(Ordering::Acquire) {
            break;
        }
        symbolizer.look_again(module);
    }
    let owners = by_owner(asked);
    let mut too_many = 0u64;
    for (owner, indices) in owners.iter().enumerate() {
        let mut share = means.share(owners.len() - owner, &asked.is_ended);
        symbolizer.allot(share.allotment());
        for &index in indices {
            let Some(stack) = asked.stacks.get(index) else {
                continue;
            };
            if asked.is_ended.load(Ordering::Acquire) {
                break;
            }
            let named = match share.has_room_for(stack.len()) {
                true => frames(symbolizer, stack),
                false => {
                    too_many += 1;
                    Vec::new()
                }
            };
            // Whoever asked may have gone.
            let _ = reply.send(Answer::Stack(index, named));
        }
        means.settle(share, &symbolizer.allot(stacks::Allotment::unlimited()));
    }
    let mut problems = symbolizer.take_problems();
    if too_many > 0 {
        problems.push(format!(
            "{too_many} stacks are left out: together they have too many frames"
        ));
    }
    let _ = reply.send(Answer::Done(problems));
}

fn tell_missing(
    symbolizer: &mut Symbolizer,
    asked: &Asked,
    means: &mut Means,
    reply: &Sender<Answer>,
) {
    let owners = by_owner(asked);
    let mut count = 0;
    for (owner, indices) in owners.iter().enumerate() {
        let share = means.share(owners.len() - owner, &asked.is_ended);
        symbolizer.allot(share.allotment());
        let stacks = indices.iter().filter_map(|index| asked.stacks.get(*index));
        for module in modules(stacks) {
            if count >= MOST_MISSING || asked.is_ended.load(Ordering::Acquire) {
                break;
            }
            symbolizer.look_again(module);
            if let Some(id) = symbolizer.missing(module) {
                count += 1;
                let _ = reply.send(Answer::Missing(id));
            }
        }
        means.settle(share, &symbolizer.allot(stacks::Allotment::unlimited()));
    }
    // They are told with the names.
    let _ = reply.send(Answer::Done(Vec::new()));
}

#[cfg(test)]
#[path = "naming_tests.rs"]
mod tests;
