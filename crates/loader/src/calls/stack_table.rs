//! The different stacks of a sample, each once, and the names of their frames.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use stacks::{Module, SymbolFrame, Symbolizer, Walk};

use crate::calls::recorded_call::CallStacks;
use crate::sample::Frame;

/// A stack without names.
#[derive(Clone)]
pub enum Stack {
    Kernel(Arc<[u64]>),
    /// With the process's pid.
    User(Arc<Walk>, u32),
}

impl Stack {
    /// In frames, before those that were inlined are told apart.
    pub fn len(&self) -> usize {
        match self {
            Self::Kernel(addresses) => addresses.len(),
            Self::User(walk, _) => walk.frames.len(),
        }
    }
}

/// Which stacks a call or a time has, as indices.
#[derive(Clone, Copy, Debug, Default)]
pub struct StackIndices {
    pub kernel: Option<u32>,
    pub user: Option<u32>,
}

#[derive(Default)]
pub struct StackTable {
    pub stacks: Vec<Stack>,
    /// By address in memory: equal ones are one.
    indices: HashMap<usize, u32>,
}

impl StackTable {
    /// `pid`: of the process that they are of.
    pub fn add(&mut self, pid: u32, stacks: Option<&CallStacks>) -> StackIndices {
        let Some(stacks) = stacks else {
            return StackIndices::default();
        };
        let kernel = stacks.wait.as_ref().map(|wait| {
            let key = wait.frames.as_ptr() as usize;
            self.index(key, || Stack::Kernel(wait.frames.clone()))
        });
        let user = stacks.user.as_ref().map(|walk| {
            let key = Arc::as_ptr(walk) as usize;
            self.index(key, || Stack::User(walk.clone(), pid))
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

pub fn unnamed(stack: &Stack) -> Vec<Frame> {
    let frame = |address: u64| Frame {
        address: format!("{address:#x}"),
        ..Frame::default()
    };
    match stack {
        Stack::Kernel(addresses) => addresses.iter().map(|&address| frame(address)).collect(),
        Stack::User(walk, _) => walk.frames.iter().map(|walked| frame(walked.pc)).collect(),
    }
}

/// Those of the user stacks, each once.
pub fn modules<'a>(
    stacks: impl IntoIterator<Item = &'a Stack>,
) -> impl Iterator<Item = &'a Arc<Module>> {
    let walks = stacks.into_iter().filter_map(|stack| match stack {
        Stack::User(walk, _) => Some(walk),
        Stack::Kernel(_) => None,
    });
    let mut seen = HashSet::new();
    walks
        .flat_map(|walk| walk.frames.iter().filter_map(|frame| frame.place.module()))
        .filter(move |module| seen.insert(Arc::as_ptr(module)))
}

pub fn frames(symbolizer: &mut Symbolizer, stack: &Stack) -> Vec<Frame> {
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
        Stack::User(walk, _) => walk
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
