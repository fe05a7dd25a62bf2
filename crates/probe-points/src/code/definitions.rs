//! What x86's registers hold where an instruction uses them: which instructions write them, on all ways that lead there.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use iced_x86::{Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register};
use object::elf::{EM_386, EM_X86_64};

use crate::code::flow::Flow;
use crate::code::walk::Walk;
use crate::code::x86;

/// Instructions that are looked at, for all jumps of one function.
const MOST_LOOKS: u32 = 1 << 18;
/// From one register to another.
const MOST_COPIES: u32 = 4;

pub struct Definitions<'a> {
    walk: &'a Walk<'a>,
    bits: u32,
    /// Where an instruction is come to, and from which one.
    edges: Vec<(u64, u64)>,
    factory: RefCell<InstructionInfoFactory>,
    looks_left: Cell<u32>,
}

impl<'a> Definitions<'a> {
    /// `None`: not of this machine. `others`: what tables are known to lead to, and the jumps by them.
    pub fn new(walk: &'a Walk<'a>, others: &BTreeSet<(u64, u64)>) -> Option<Self> {
        let bits = match walk.machine {
            EM_X86_64 => 64,
            EM_386 => 32,
            _ => return None,
        };
        let mut edges: Vec<(u64, u64)> = others.iter().copied().collect();
        for (&at, step) in &walk.steps {
            let after = at + step.bytes;
            match step.flow {
                Flow::Next | Flow::Call(_) => edges.push((after, at)),
                Flow::Jump(to) => edges.push((to, at)),
                Flow::Branch(to, _) => edges.extend([(to, at), (after, at)]),
                _ => {}
            }
        }
        edges.sort_unstable();
        Some(Self {
            walk,
            bits,
            edges,
            factory: RefCell::new(InstructionInfoFactory::new()),
            looks_left: Cell::new(MOST_LOOKS),
        })
    }

    pub fn word_bytes(&self) -> u32 {
        self.bits / 8
    }

    pub fn decode(&self, at: u64) -> Option<Instruction> {
        let step = self.walk.steps.get(&at)?;
        x86::decode(self.bits, self.walk.instruction(at, step)?, at)
    }

    /// Which instructions write what a register holds at an address; `None`: not only those that can be told.
    pub fn of(&self, at: u64, register: Register) -> Option<Vec<u64>> {
        let register = register.full_register();
        let mut ways = vec![at];
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        while let Some(at) = ways.pop() {
            if at == self.walk.start {
                return None;
            }
            let first = self.edges.partition_point(|(to, _)| *to < at);
            let edges = self.edges[first..].iter();
            for (_, from) in edges.take_while(|(to, _)| *to == at) {
                if !seen.insert(*from) {
                    continue;
                }
                self.looks_left.set(self.looks_left.get().checked_sub(1)?);
                match self.writes(&self.decode(*from)?, register)? {
                    true => found.push(*from),
                    false => ways.push(*from),
                }
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// `None`: it may.
    fn writes(&self, it: &Instruction, register: Register) -> Option<bool> {
        // What else a call changes is not used after it; the compiler may know that it keeps some of it.
        let is_call = matches!(
            it.mnemonic(),
            Mnemonic::Call | Mnemonic::Syscall | Mnemonic::Int
        );
        if is_call {
            let is_result = matches!(register.full_register(), Register::RAX | Register::RDX);
            return if is_result { None } else { Some(false) };
        }
        let mut factory = self.factory.borrow_mut();
        let used = factory.info(it).used_registers();
        let mut accesses = used
            .iter()
            .filter(|used| used.register().full_register() == register)
            .map(|used| used.access());
        let may = accesses
            .clone()
            .any(|access| matches!(access, OpAccess::CondWrite | OpAccess::ReadCondWrite));
        (!may)
            .then(|| accesses.any(|access| matches!(access, OpAccess::Write | OpAccess::ReadWrite)))
    }

    /// The addresses that a register may hold, where all that is written to it are addresses.
    pub fn addresses(&self, at: u64, register: Register) -> Option<Vec<u64>> {
        self.addresses_by(at, register, MOST_COPIES)
    }

    fn addresses_by(&self, at: u64, register: Register, copies: u32) -> Option<Vec<u64>> {
        let mut addresses = Vec::new();
        for from in self.of(at, register)? {
            let it = self.decode(from)?;
            match (it.mnemonic(), it.op1_kind()) {
                (Mnemonic::Lea, _) if it.is_ip_rel_memory_operand() => {
                    addresses.push(it.memory_displacement64());
                }
                (Mnemonic::Mov, OpKind::Register) if it.op0_kind() == OpKind::Register => {
                    let of = it.op1_register();
                    addresses.extend(self.addresses_by(from, of, copies.checked_sub(1)?)?);
                }
                (
                    Mnemonic::Mov,
                    OpKind::Immediate32 | OpKind::Immediate32to64 | OpKind::Immediate64,
                ) => {
                    addresses.push(it.immediate(1));
                }
                _ => return None,
            }
        }
        Some(addresses)
    }
}
