//! The thread that names the frames of a sample's stacks, within what that may take: each target its share.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use stacks::{Allotment, Symbolizer};

use crate::calls::means::{Means, Share};
use crate::calls::stack_table::{Stack, frames, modules};
use crate::sample::Frame;

/// Debug files that are asked for at a time. A process may map any number of files, with any build ids.
const MOST_MISSING: usize = 256;
/// Why there are no more names where nobody wanted to wait for them.
pub const INTERRUPTED: &str = "the search for them was ended";

pub enum Request {
    Name(Asked, Sender<Answer>),
    Missing(Asked, Sender<Answer>),
}

pub struct Asked {
    pub stacks: Vec<Stack>,
    pub named: HashSet<u32>,
    /// Whoever has asked does not wait any more.
    pub is_ended: Arc<AtomicBool>,
}

/// One after the other, so that what was found is there also if the rest is not.
pub enum Answer {
    Stack(usize, Vec<Frame>),
    Missing(String),
    /// With what was wrong.
    Done(Vec<String>),
}

/// Until nobody can ask any more.
pub fn run(requests: &Receiver<Request>, debug_cache: Option<PathBuf>) {
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

/// The indices of the kernel's stacks, and those of user stacks, together with those of the same owner: of each process that was named,
/// then those of all others.
fn by_owner(asked: &Asked) -> (Vec<usize>, Vec<Vec<usize>>) {
    let owner = |stack: &Stack| match stack {
        Stack::Kernel(_) => None,
        Stack::User(_, pid) if asked.named.contains(pid) => Some((0, *pid)),
        Stack::User(..) => Some((1, 0)),
    };
    let of = |index: &usize| asked.stacks.get(*index).and_then(owner);
    let all = 0..asked.stacks.len();
    let (kernel, mut user): (Vec<usize>, Vec<usize>) = all.partition(|index| of(index).is_none());
    user.sort_by_key(of);
    let groups = user.chunk_by(|one, other| of(one) == of(other));
    (kernel, groups.map(<[usize]>::to_vec).collect())
}

fn name(symbolizer: &mut Symbolizer, asked: &Asked, means: &mut Means, reply: &Sender<Answer>) {
    let mut naming = Naming {
        symbolizer,
        asked,
        reply,
        too_many: 0,
        broken_off: 0,
    };
    let (kernel, owners) = by_owner(asked);
    naming.all_of(&kernel, &mut Means::of_sample().share(1, &asked.is_ended));
    // First each has its share, and then what is left is for those for whom that was not enough.
    let is_shared = owners.len() > 1;
    naming.symbolizer.try_again(is_shared);
    let mut cut = Vec::new();
    for (owner, indices) in owners.iter().enumerate() {
        cut.push(naming.within(indices, means, owners.len() - owner));
    }
    if is_shared {
        naming.symbolizer.try_again(false);
        naming.too_many = 0;
        for indices in cut {
            naming.within(&indices, means, 1);
        }
    }
    let (too_many, broken_off) = (naming.too_many, naming.broken_off);
    let mut problems = symbolizer.take_problems();
    if too_many > 0 {
        problems.push(format!(
            "{too_many} stacks are left out: together they have too many frames"
        ));
    }
    if broken_off > 0 {
        problems.push(format!(
            "{broken_off} stacks have not all of their names: {INTERRUPTED}"
        ));
    }
    let _ = reply.send(Answer::Done(problems));
}

struct Naming<'a> {
    symbolizer: &'a mut Symbolizer,
    asked: &'a Asked,
    reply: &'a Sender<Answer>,
    /// Stacks for whose frames there was no room.
    too_many: u64,
    /// Stacks of which some frames have no names because nobody wanted to wait.
    broken_off: u64,
}

impl Naming<'_> {
    /// One's share of what is for so many; the stacks for which that was not enough.
    fn within(&mut self, indices: &[usize], means: &mut Means, among: usize) -> Vec<usize> {
        let mut share = means.share(among, &self.asked.is_ended);
        let cut = self.all_of(indices, &mut share);
        means.settle(share, &self.symbolizer.allot(Allotment::unlimited()));
        cut
    }

    fn all_of(&mut self, indices: &[usize], share: &mut Share) -> Vec<usize> {
        self.symbolizer.allot(share.allotment());
        let stacks = indices.iter();
        let stacks = stacks.filter_map(|index| self.asked.stacks.get(*index));
        for module in modules(stacks) {
            if self.asked.is_ended.load(Ordering::Acquire) {
                break;
            }
            self.symbolizer.look_again(module);
        }
        let mut cut = Vec::new();
        for &index in indices {
            let Some(stack) = self.asked.stacks.get(index) else {
                continue;
            };
            if self.asked.is_ended.load(Ordering::Acquire) {
                break;
            }
            let has_room = share.has_room_for(stack.len());
            let named = match has_room {
                true => frames(self.symbolizer, stack),
                false => Vec::new(),
            };
            self.too_many += u64::from(!has_room);
            let was_cut = self.symbolizer.was_cut();
            if was_cut || !has_room {
                cut.push(index);
            }
            self.broken_off += u64::from(was_cut && self.asked.is_ended.load(Ordering::Acquire));
            // Whoever asked may have gone.
            let _ = self.reply.send(Answer::Stack(index, named));
        }
        cut
    }
}

fn tell_missing(
    symbolizer: &mut Symbolizer,
    asked: &Asked,
    means: &mut Means,
    reply: &Sender<Answer>,
) {
    let (_, owners) = by_owner(asked);
    let mut count = 0;
    // What it is not enough for is not missing, and is tried again with the names.
    symbolizer.try_again(true);
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
        means.settle(share, &symbolizer.allot(Allotment::unlimited()));
    }
    // They are told with the names.
    let _ = reply.send(Answer::Done(Vec::new()));
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::{Asked, Stack, by_owner};

    #[test]
    fn the_stacks_of_processes_that_were_named_are_kept_apart() {
        let walk = Arc::new(stacks::Walk {
            frames: Vec::new(),
            end: stacks::End::Complete,
        });
        let user = |pid| Stack::User(Arc::clone(&walk), pid);
        let kernel = Stack::Kernel(Arc::from([1]));
        let asked = Asked {
            stacks: vec![
                user(9),
                user(1),
                kernel.clone(),
                user(2),
                user(7),
                user(1),
                kernel,
            ],
            named: HashSet::from([1, 2]),
            is_ended: Arc::default(),
        };
        // Children have one share together.
        let (kernel, owners) = by_owner(&asked);
        assert_eq!(kernel, [2, 6]);
        assert_eq!(owners, [vec![1, 5], vec![3], vec![0, 4]]);
    }
}
