//! The windows, from user space: everything that changes them is done by a program, run on demand, so that it and the triggers
//! do not overwrite one another's work; each edge comes back through a ring buffer.

use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use abi::control::{BUSY, Command, DONE, Edge, FILLED_AT_ONCE, UNTIL_CLOSED};
use aya::maps::{Map, MapData, MapError, Queue, RingBuf};

use crate::error::{Cause, Error, ErrorKind, Result};
use crate::probes::object::Probes;

/// How long a trigger may take to open or close a window. It takes a microsecond, but may be preempted in it, and its process be
/// throttled then.
const PATIENCE: Duration = Duration::from_secs(1);

pub struct Control {
    edges: RingBuf<MapData>,
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "the triggers' programs are loaded later, and name the map by its descriptor"
        )
    )]
    change: Queue<MapData, u32>,
}

fn map_error(error: impl std::error::Error + 'static) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("a map of the probes cannot be used: {error}"),
    )
    .cause(Cause::of(&error))
}

impl Control {
    pub fn new(probes: &mut Probes) -> Result<Self> {
        fn taken<T: TryFrom<Map, Error = MapError>>(probes: &mut Probes, name: &str) -> Result<T> {
            T::try_from(probes.take_map(name)?).map_err(map_error)
        }
        let mut change: Queue<MapData, u32> = taken(probes, "CHANGE")?;
        change.push(0, 0).map_err(map_error)?;
        probes.load_control()?;
        Ok(Self {
            edges: taken(probes, "EDGES")?,
            change,
        })
    }

    /// The next edge that has not been taken.
    pub fn next_edge(&mut self) -> Option<Edge> {
        let item = self.edges.next()?;
        // SAFETY: the programs put only whole edges into the ring buffer: plain integers and bytes.
        (item.len() == size_of::<Edge>())
            .then(|| unsafe { item.as_ptr().cast::<Edge>().read_unaligned() })
    }

    /// Readable when there is an edge.
    pub fn edges_fd(&self) -> RawFd {
        self.edges.as_raw_fd()
    }
}

/// Opens the next window now.
pub fn open(probes: &Probes, length_ns: Option<u64>) -> Result<()> {
    run(probes, Command::Open, || length_ns.unwrap_or(UNTIL_CLOSED))
}

/// Closes the open window at this time, unless it is closed, or will be, before that. It is asked for anew if a trigger was in the
/// way meanwhile.
pub fn close(probes: &Probes, at_ns: impl Fn() -> u64) -> Result<()> {
    run(probes, Command::Close, at_ns)
}

/// Lets the start trigger open one more window.
pub fn arm(probes: &Probes, length_ns: Option<u64>) -> Result<()> {
    run(probes, Command::Arm, || length_ns.unwrap_or(UNTIL_CLOSED))
}

/// Takes back what was armed and has not been opened.
pub fn disarm(probes: &Probes) -> Result<()> {
    run(probes, Command::Disarm, || 0)
}

/// After the window's end: from now on, and after a grace period, no program counts anything in it; and whoever has told of that end is
/// done, if that does not take too long.
pub fn seal(probes: &Probes, window: u32) -> Result<()> {
    patiently(probes, Command::Seal, || window.into()).map(|_| ())
}

/// Nothing is awaited: start triggers are not missed.
pub fn rest(probes: &Probes) -> Result<()> {
    run(probes, Command::Rest, || 0)
}

/// Puts so many entries on a list of free ones, the last first, so that the first threads share pages.
pub fn fill(probes: &Probes, command: Command, count: u32) -> Result<()> {
    let mut left = count;
    while left > 0 {
        run(probes, command, || left.into())?;
        left = left.saturating_sub(FILLED_AT_ONCE);
    }
    Ok(())
}

fn run(probes: &Probes, command: Command, argument: impl Fn() -> u64) -> Result<()> {
    match patiently(probes, command, argument)? {
        DONE => Ok(()),
        result => {
            let message =
                format!("the probes' control program failed: {command:?} returned {result}");
            Err(Error::new(ErrorKind::Internal, message))
        }
    }
}

/// What it returns once nobody else changes windows, or [`BUSY`] after all.
fn patiently(probes: &Probes, command: Command, argument: impl Fn() -> u64) -> Result<u32> {
    let begun = Instant::now();
    loop {
        match probes.run_control(command, argument())? {
            BUSY if begun.elapsed() < PATIENCE => std::thread::yield_now(),
            result => return Ok(result),
        }
    }
}

#[cfg(test)]
mod tests {
    use abi::control::FAILED;

    use super::*;
    use crate::kernel::btf::Btf;
    use crate::kernel::offsets::configure;
    use crate::options::Options;
    use crate::probes::capacity::capacity;
    use crate::probes::object::PendingLoader;

    #[test]
    #[ignore = "it loads programs into this kernel: scripts/test runs it, scripts/test-unit does not"]
    fn what_the_program_returns_arrives() {
        let loader = PendingLoader::begin();
        let btf = Btf::of_running_kernel().unwrap();
        let (config, _) = configure(&btf).unwrap();
        let options = Options::default();
        let capacity = capacity(1, false, &options).unwrap();
        let mode = options.attach_mode;
        let mut probes = Probes::new(loader, &btf, &config, capacity, mode, 0).unwrap();
        let mut control = Control::new(&mut probes).unwrap();
        let result = |command, argument| probes.run_control(command, argument).unwrap();
        assert_eq!(result(Command::Disarm, 0), DONE);
        // As a trigger does that is opening or closing a window.
        control.change.pop(0).unwrap();
        assert_eq!(result(Command::Disarm, 0), BUSY);
        assert_eq!(result(Command::Arm, 1), BUSY);
        assert_eq!(result(Command::Seal, 1), BUSY);
        seal(&probes, 1).unwrap();
        let error = arm(&probes, None).unwrap_err();
        assert!(error.message.contains("Arm returned 1"), "{error}");
        control.change.push(0, 0).unwrap();
        assert_eq!(result(Command::Arm, 1), DONE);
        let mut filled = 0;
        while result(Command::FillChunks, 1) == DONE {
            filled += 1;
        }
        assert_eq!(filled, capacity.syscall_chunks);
        assert_eq!(result(Command::FillChunks, 1), FAILED);
    }
}
