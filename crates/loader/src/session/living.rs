//! Which of the targets live.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::probes::maps::Maps;
use crate::targets::identity::{Identity, Process};

/// Children of targets that have ended are held to see them end: so many at a time, and others after these.
const MOST_CHILDREN_HELD: usize = 64;

pub struct Living {
    /// As they were named.
    named: Vec<Arc<Process>>,
    follow: bool,
    /// Those of them that lived at the latest look, or, where children are followed, living children of theirs. Nobody looks while it
    /// has this lock.
    living: Mutex<Vec<Arc<Process>>>,
}

impl Living {
    pub fn new(named: Vec<Arc<Process>>, follow: bool) -> Self {
        Self {
            living: Mutex::new(named.clone()),
            named,
            follow,
        }
    }

    pub fn named(&self) -> &[Arc<Process>] {
        &self.named
    }

    pub fn follows(&self) -> bool {
        self.follow
    }

    /// Some of those that live, all of them unless there are many; none: all have ended.
    pub fn some(&self, maps: &Maps) -> Result<Vec<Arc<Process>>> {
        let mut living = self.lock().clone();
        living.retain(|process| !process.has_ended());
        if living.is_empty() && self.follow {
            living = self.living_children(maps)?;
        }
        // What another one has found meanwhile is as good: those that have ended are left out by the next look.
        self.lock().clone_from(&living);
        Ok(living)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Process>>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A child may have ended, and left a child of its own, between being listed and being looked at: there are none only if nobody is
    /// listed who was not looked at.
    fn living_children(&self, maps: &Maps) -> Result<Vec<Arc<Process>>> {
        let mut known = HashSet::new();
        loop {
            let listed = maps.targets()?;
            let count = known.len();
            known.extend(listed.iter().copied());
            if known.len() == count {
                return Ok(Vec::new());
            }
            let living = self.living_of(listed, maps)?;
            if !living.is_empty() {
                return Ok(living);
            }
        }
    }

    fn living_of(&self, listed: Vec<u32>, maps: &Maps) -> Result<Vec<Arc<Process>>> {
        let mut held = Vec::new();
        // 0: it has no pid in this namespace.
        for pid in listed.into_iter().filter(|&pid| pid != 0) {
            match Process::open(pid) {
                Ok(process) if !process.has_ended() => held.push(process),
                Ok(_) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) if held.is_empty() => return Err(error),
                Err(_) => break,
            }
            if held.len() == MOST_CHILDREN_HELD {
                break;
            }
        }
        if held.is_empty() {
            return Ok(Vec::new());
        }
        // A child that ended leaves the set before long: what has its pid is not in it.
        let still: HashSet<u32> = maps.targets()?.into_iter().collect();
        let children = held
            .into_iter()
            .filter(|child| still.contains(&child.pid()));
        Ok(children.map(Arc::new).collect())
    }

    /// All that /proc has by the pids of the targets and, where they are followed, of their children.
    pub fn there(&self, maps: &Maps) -> Result<Vec<Identity>> {
        let named = self.named.iter().filter(|process| process.is_there());
        let mut there: Vec<Identity> = named.map(|process| process.identity()).collect();
        if self.follow {
            let known: HashSet<u32> = self.named.iter().map(|process| process.pid()).collect();
            for pid in maps.targets()? {
                if !known.contains(&pid) {
                    let identity = Identity::of(pid);
                    there.extend(identity.map_err(|error| Error::io("/proc", &error))?);
                }
            }
        }
        Ok(there)
    }

    /// Which of these are there still: what was found by their pids since is theirs.
    pub fn still_there(&self, there: &[Identity], maps: &Maps) -> Result<HashSet<u32>> {
        let now: HashSet<Identity> = self.there(maps)?.into_iter().collect();
        let still = there.iter().filter(|identity| now.contains(identity));
        Ok(still.map(|identity| identity.pid).collect())
    }
}

/// There was no such process any more.
fn is_gone(error: &Error) -> bool {
    let errno = error.cause.as_ref().and_then(|cause| cause.errno);
    errno == Some(libc::ESRCH)
}
