//! Asking a thread for the names of a sample's stacks, and what becomes of those that it does not get to.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::calls::namer::{Answer, Asked, INTERRUPTED, Request, run};
use crate::calls::stack_table::{StackTable, unnamed};
use crate::error::{Error, Result};
use crate::sample::Frame;

/// For the names of one sample, on a machine that has no time for them. What they may take of its time is less (`means`).
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at whether anybody still wants to wait.
const LOOK: Duration = Duration::from_millis(20);
/// What is under way when it is to end: a single file, of which no more is to be read.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// What is known of symbols cannot move to another thread. It ends with this.
pub struct Symbols {
    requests: Mutex<Sender<Request>>,
    debug_cache: Option<PathBuf>,
    /// Processes with means of their own; those of all others are together.
    named: HashSet<u32>,
    /// Nobody wants to wait any longer.
    is_hurried: AtomicBool,
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
        let asked = self.ask(table, Request::Name, |answer| match answer {
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
            let why = asked.unwrap_or_else(Some).unwrap_or_default();
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

    /// Visits the answers. Why there are no more: an error, if the last of them has not come.
    pub(super) fn ask(
        &self,
        table: &StackTable,
        request: impl FnOnce(Asked, Sender<Answer>) -> Request,
        mut visit: impl FnMut(Answer),
    ) -> std::result::Result<Option<String>, String> {
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
                Ok(why) => return Ok(why),
                Err(why) => why,
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

    fn receive(
        &self,
        answers: &Receiver<Answer>,
        is_ended: &AtomicBool,
        visit: &mut impl FnMut(Answer),
    ) -> std::result::Result<Option<String>, String> {
        let mut until = Instant::now() + PATIENCE;
        let mut why = None;
        loop {
            let now = Instant::now();
            match &why {
                Some(why) if now >= until => return Err(String::clone(why)),
                Some(_) => {}
                None => {
                    if self.is_hurried.load(Ordering::Acquire) {
                        why = Some(INTERRUPTED.to_owned());
                    } else if now >= until {
                        why = Some(format!("they were not found in {} s", PATIENCE.as_secs()));
                    }
                    if why.is_some() {
                        is_ended.store(true, Ordering::Release);
                        until = now + LAST_MOMENT;
                    }
                }
            }
            match answers.recv_timeout(LOOK) {
                Ok(answer) => {
                    let is_last = matches!(answer, Answer::Done(_));
                    visit(answer);
                    if is_last {
                        return Ok(why);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(BROKE_OFF.to_owned()),
            }
        }
    }
}

const BROKE_OFF: &str = "the thread that finds them broke off";

fn start(debug_cache: Option<PathBuf>) -> Result<Sender<Request>> {
    let (requests, received) = channel();
    std::thread::Builder::new()
        .name("kdelay-symbols".to_owned())
        .spawn(move || run(&received, debug_cache))
        .map_err(|error| Error::io("starting a thread", &error))?;
    Ok(requests)
}

#[cfg(test)]
#[path = "naming_tests.rs"]
mod tests;
