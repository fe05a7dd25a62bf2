//! The different stacks of a sample, each once, and the names of their frames.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stacks::{SymbolFrame, Symbolizer, Walk};

use crate::error::{Error, Result};
use crate::recorded_call::CallStacks;
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
}

/// For the names of one sample. The largest programs take seconds; a file that is made to take for ever is left alone.
const PATIENCE: Duration = Duration::from_secs(60);

struct Request {
    stacks: Vec<Stack>,
    reply: Sender<Vec<Vec<Frame>>>,
}

impl Symbols {
    pub fn start() -> Result<Self> {
        Ok(Self {
            requests: Mutex::new(start()?),
        })
    }

    /// The frames of each stack, innermost first; inlined functions are frames of their own. Without names if those cannot be
    /// found in bearable time.
    pub fn name(&self, table: StackTable) -> Result<Vec<Vec<Frame>>> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let (reply, named) = channel();
        let stacks = table.stacks.clone();
        if requests.send(Request { stacks, reply }).is_ok()
            && let Ok(named) = named.recv_timeout(PATIENCE)
        {
            return Ok(named);
        }
        // It goes on with what it is about, and ends then.
        *requests = start()?;
        Ok(table.stacks.iter().map(unnamed).collect())
    }
}

fn start() -> Result<Sender<Request>> {
    let (requests, received) = channel();
    std::thread::Builder::new()
        .name("kdelay-symbols".to_owned())
        .spawn(move || run(&received))
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

fn run(requests: &Receiver<Request>) {
    let mut symbolizer = Symbolizer::new();
    while let Ok(Request { stacks, reply }) = requests.recv() {
        let named = stacks
            .iter()
            .map(|stack| frames(&mut symbolizer, stack))
            .collect();
        // Whoever asked may have gone.
        let _ = reply.send(named);
    }
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
