//! The different stacks of a sample, each once, and the names of their frames.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stacks::{Module, SymbolFrame, Symbolizer, Walk};

use crate::calls::recorded_call::CallStacks;
use crate::error::{Error, Result};
use crate::sample::Frame;

/// A stack without names.
#[derive(Clone)]
enum Stack {
    Kernel(Arc<[u64]>),
    User(Arc<Walk>),
}

/// Which stacks a call or a time has, as indices.
#[derive(Clone, Copy, Debug, Default)]
pub struct StackIndices {
    pub kernel: Option<u32>,
    pub user: Option<u32>,
}

#[derive(Default)]
pub struct StackTable {
    stacks: Vec<Stack>,
    /// By address in memory: equal ones are one.
    indices: HashMap<usize, u32>,
}

impl StackTable {
    pub fn add(&mut self, stacks: Option<&CallStacks>) -> StackIndices {
        let Some(stacks) = stacks else {
            return StackIndices::default();
        };
        let kernel = stacks.wait.as_ref().map(|wait| {
            let key = wait.frames.as_ptr() as usize;
            self.index(key, || Stack::Kernel(wait.frames.clone()))
        });
        let user = stacks.user.as_ref().map(|walk| {
            let key = Arc::as_ptr(walk) as usize;
            self.index(key, || Stack::User(walk.clone()))
        });
        StackIndices { kernel, user }
    }

    fn index(&mut self, key: usize, stack: impl FnOnce() -> Stack) -> u32 {
        *self.indices.entry(key).or_insert_with(|| {
            self.stacks.push(stack());
            self.stacks.len() as u32 - 1
        })
    }
}

/// A thread that names frames, since what is known of symbols cannot move to another. It ends with this.
pub struct Symbols {
    requests: Mutex<Sender<Request>>,
    debug_cache: Option<PathBuf>,
}

/// For the names of one sample. The largest programs take seconds; a file that is made to take for ever is left alone.
const PATIENCE: Duration = Duration::from_secs(60);
/// Debug files that are asked for at a time. A process may map any number of files, with any build ids.
const MOST_MISSING: usize = 256;

enum Request {
    Name(Vec<Stack>, Sender<Named>),
    Missing(Vec<Stack>, Sender<Vec<String>>),
}

/// The frames of each stack, innermost first; inlined functions are frames of their own.
pub struct Named {
    pub stacks: Vec<Vec<Frame>>,
    /// What is missing and why, a line each, each once.
    pub problems: Vec<String>,
}

impl Symbols {
    /// `debug_cache`: a folder with debug files that were fetched; `None`: none are.
    pub fn start(debug_cache: Option<PathBuf>) -> Result<Self> {
        Ok(Self {
            requests: Mutex::new(start(debug_cache.clone())?),
            debug_cache,
        })
    }

    /// Without names if those cannot be found in bearable time.
    pub fn name(&self, table: &StackTable) -> Named {
        match self.ask(|reply| Request::Name(table.stacks.clone(), reply)) {
            Ok(named) => named,
            Err(why) => Named {
                stacks: table.stacks.iter().map(unnamed).collect(),
                problems: vec![format!("the stacks of a sample have no names: {why}")],
            },
        }
    }

    /// The build ids of debug files that would have more names, each once.
    pub fn missing(&self, table: &StackTable) -> Vec<String> {
        if self.debug_cache.is_none() {
            return Vec::new();
        }
        let answer = self.ask(|reply| Request::Missing(table.stacks.clone(), reply));
        // Whatever the reason, to name them will have the same.
        answer.unwrap_or_default()
    }

    /// The answer, or why there is none.
    fn ask<T>(&self, request: impl FnOnce(Sender<T>) -> Request) -> std::result::Result<T, String> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let (reply, answer) = channel();
        let sent = requests.send(request(reply));
        let why = match sent.map(|()| answer.recv_timeout(PATIENCE)) {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(RecvTimeoutError::Timeout)) => {
                format!("they were not found in {} s", PATIENCE.as_secs())
            }
            _ => "the thread that finds them broke off".to_owned(),
        };
        match start(self.debug_cache.clone()) {
            // The one that was asked goes on with what it is about, and ends then.
            Ok(others) => *requests = others,
            // It stays the one that is asked; if it has broken off, the next question is another attempt.
            Err(error) => return Err(format!("{why}, and there is no other: {error}")),
        }
        Err(why)
    }
}

fn start(debug_cache: Option<PathBuf>) -> Result<Sender<Request>> {
    let (requests, received) = channel();
    std::thread::Builder::new()
        .name("kdelay-symbols".to_owned())
        .spawn(move || run(&received, debug_cache))
        .map_err(|error| Error::io("starting a thread", &error))?;
    Ok(requests)
}

fn unnamed(stack: &Stack) -> Vec<Frame> {
    let frame = |address: u64| Frame {
        address: format!("{address:#x}"),
        ..Frame::default()
    };
    match stack {
        Stack::Kernel(addresses) => addresses.iter().map(|&address| frame(address)).collect(),
        Stack::User(walk) => walk.frames.iter().map(|walked| frame(walked.pc)).collect(),
    }
}

fn run(requests: &Receiver<Request>, debug_cache: Option<PathBuf>) {
    let mut symbolizer = match debug_cache {
        Some(folder) => Symbolizer::with_debug_cache(folder),
        None => Symbolizer::new(),
    };
    while let Ok(request) = requests.recv() {
        // Whoever asked may have gone.
        match request {
            Request::Name(stacks, reply) => {
                for module in modules(&stacks) {
                    symbolizer.look_again(module);
                }
                let named = stacks.iter().map(|stack| frames(&mut symbolizer, stack));
                let stacks = named.collect();
                let problems = symbolizer.take_problems();
                let _ = reply.send(Named { stacks, problems });
            }
            Request::Missing(stacks, reply) => {
                let mut modules = modules(&stacks);
                let mut missing = Vec::new();
                while missing.len() < MOST_MISSING
                    && let Some(module) = modules.next()
                {
                    symbolizer.look_again(module);
                    missing.extend(symbolizer.missing(module));
                }
                let _ = reply.send(missing);
            }
        }
    }
}

/// Those of the user stacks, each once.
fn modules(stacks: &[Stack]) -> impl Iterator<Item = &Arc<Module>> {
    let walks = stacks.iter().filter_map(|stack| match stack {
        Stack::User(walk) => Some(walk),
        Stack::Kernel(_) => None,
    });
    let mut seen = HashSet::new();
    walks
        .flat_map(|walk| walk.frames.iter().filter_map(|frame| frame.place.module()))
        .filter(move |module| seen.insert(Arc::as_ptr(module)))
}

fn frames(symbolizer: &mut Symbolizer, stack: &Stack) -> Vec<Frame> {
    match stack {
        Stack::Kernel(addresses) => {
            let frames = addresses
                .iter()
                .map(|&address| {
                    // Return addresses, all of them: the call is before it, maybe in another function.
                    let symbol = symbolizer.kernel(address.wrapping_sub(1));
                    frame(address, &symbol, true)
                })
                .collect();
            without_probe(frames)
        }
        Stack::User(walk) => walk
            .frames
            .iter()
            .flat_map(|walked| {
                let symbols = symbolizer.place(&walked.place, walked.pc);
                let named = symbols
                    .iter()
                    .map(|symbol| frame(walked.pc, symbol, !walked.is_exact));
                named.collect::<Vec<_>>()
            })
            .collect(),
    }
}

/// A stack that was taken in the switch itself begins with the probe that took it.
fn without_probe(mut frames: Vec<Frame>) -> Vec<Frame> {
    let scheduler = frames
        .iter()
        .position(|frame| frame.symbol.as_deref() == Some("__schedule"));
    if let Some(scheduler) = scheduler {
        frames.drain(..=scheduler);
    }
    frames
}

/// Offsets are those of the return address, as debuggers have them.
fn frame(address: u64, symbol: &SymbolFrame, is_return: bool) -> Frame {
    let beyond = u64::from(is_return);
    let module = symbol.module.as_deref();
    Frame {
        address: format!("{address:#x}"),
        symbol: symbol.function.clone(),
        offset: symbol
            .function
            .is_some()
            .then(|| symbol.offset.saturating_add(beyond) as i64),
        module: module.map(|module| module.path.clone()),
        module_address: module.map(|_| format!("{:#x}", symbol.address.wrapping_add(beyond))),
        build_id: module.and_then(|module| module.build_id.clone()),
        file: symbol.source.as_ref().map(|source| source.file.clone()),
        line: symbol.source.as_ref().and_then(|source| source.line),
        inlined: symbol.is_inlined,
    }
}

#[cfg(test)]
#[path = "stack_table_tests.rs"]
mod tests;
