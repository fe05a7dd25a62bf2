//! A thread of this process that keeps up with what cannot wait for the caller: threads that end give back their records, so that
//! a window does not run out of them however many come and go in it; what the flight recorder has recorded is taken in before it is
//! overwritten; a window whose targets have all ended is closed; and what
//! only /proc tells of a window's edge is looked up when the edge is there.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::kernel::clock::monotonic_ns;
use crate::kernel::own_thread::raise_priority;
use crate::session::attached::Attached;
use crate::session::harvest::{Field, harvest};
use crate::session::shared::Shared;
use crate::session::steal::StolenTime;
use crate::session::window::{PendingWindow, Span, Unseen};
use crate::targets::stopped::StoppedThreads;

/// Before Linux 5.11 a wait has fewer bits.
const LONGEST_WAIT_NS: u64 = 3_600_000_000_000;

/// Runs until the session is closed.
pub fn start(shared: Arc<Shared>) -> Result<()> {
    let wakeups = Wakeups::of(&shared)?;
    std::thread::Builder::new()
        .name("kdelay-harvest".to_owned())
        .spawn(move || {
            raise_priority();
            run(&shared, &wakeups);
        })
        .map_err(|error| Error::io("starting a thread", &error))?;
    Ok(())
}

/// Ready when the probes have woken whoever waits for ended threads or for edges, when a target has ended, when there is something
/// new to wait for, and from when the session is closed on. All but the last by changes: fewer than a crowd are no news,
/// and wait.
struct Wakeups {
    epoll: OwnedFd,
    /// Held, because `epoll` forgets what is closed.
    _ended: OwnedFd,
    _full_parts: Option<OwnedFd>,
}

impl Wakeups {
    fn of(shared: &Shared) -> Result<Self> {
        let attached = shared.attached()?;
        let of = || -> io::Result<Self> {
            let ended = attached.maps.ended_fd()?;
            let recording = attached.recording();
            let full_parts = recording.map(|recording| recording.full_parts_fd());
            let full_parts = full_parts.transpose()?;
            let epoll = epoll::create(CreateFlags::CLOEXEC)?;
            let data = EventData::new_u64(0);
            let changes = EventFlags::IN | EventFlags::ET;
            epoll::add(&epoll, &ended, data, changes)?;
            epoll::add(&epoll, &shared.edges, data, changes)?;
            if let Some(full_parts) = &full_parts {
                epoll::add(&epoll, full_parts, data, changes)?;
            }
            epoll::add(&epoll, &shared.news.for_harvester, data, changes)?;
            for process in shared.living.named() {
                // SAFETY: the descriptor belongs to the process, which outlives the call.
                let fd = unsafe { BorrowedFd::borrow_raw(process.as_raw_fd()) };
                epoll::add(&epoll, fd, data, changes)?;
            }
            epoll::add(&epoll, &shared.closing, data, EventFlags::IN)?;
            Ok(Self {
                epoll,
                _ended: ended,
                _full_parts: full_parts,
            })
        };
        of().map_err(|error| Error::io("waiting for threads to end", &error))
    }

    /// False: that time has come, and nothing else has happened.
    fn wait(&self, until_ns: Option<u64>) -> Result<bool> {
        let timeout = until_ns.map(|until_ns| {
            let left_ns = until_ns.saturating_sub(monotonic_ns()).min(LONGEST_WAIT_NS);
            Timespec {
                tv_sec: (left_ns / 1_000_000_000) as i64,
                tv_nsec: (left_ns % 1_000_000_000) as _,
            }
        });
        let mut events = Vec::with_capacity(8);
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            timeout.as_ref(),
        ) {
            Ok(happened) => Ok(happened > 0),
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(Error::io("waiting for threads to end", &error.into())),
        }
    }
}

fn run(shared: &Shared, wakeups: &Wakeups) {
    let mut has_failed = false;
    loop {
        let until_ns = if has_failed {
            // Not again at once: until something happens.
            None
        } else {
            shared.lock().next_look_ns(monotonic_ns())
        };
        let has_happened = match wakeups.wait(until_ns) {
            Ok(has_happened) => has_happened,
            Err(error) => return shared.lock().fail(error),
        };
        shared.news.for_harvester.clear();
        let Ok(attached) = shared.attached() else {
            break;
        };
        // What fails once may succeed with the next crowd: records that are not harvested wait for their window's end.
        has_failed = false;
        let known_ns = monotonic_ns();
        // First the edges: they say where the windows of those that have ended end.
        let unseen = advance(shared, has_happened);
        let stolen = match &unseen {
            Ok(unseen) if !unseen.is_empty() => StolenTime::now(),
            _ => None,
        };
        // Where nothing has, there is no crowd: to look for fewer would cost more than they are worth.
        let taken_in = if has_happened {
            take_in(shared, &attached)
        } else {
            Ok(())
        };
        if has_happened {
            take_in_recorded(shared, &attached, known_ns);
        }
        // Only now, as that takes as long as there are threads, while records run out. Of those that have ended it says nothing: their
        // first events came before it in any case.
        let looked = unseen.and_then(|unseen| look(shared, &unseen, stolen));
        for result in [looked, taken_in] {
            if let Err(error) = result {
                has_failed = true;
                shared.lock().fail(error);
            }
        }
    }
    let remains = shared.lock().take_remains();
    drop(remains);
}

/// With the edges that have come, and with the targets' ends, if one may have ended. Returns the edges that nobody has looked at.
fn advance(shared: &Shared, may_have_ended: bool) -> Result<Vec<(u32, Unseen)>> {
    let any_alive = !may_have_ended || shared.any_alive()?;
    let mut state = shared.lock();
    state.advance(any_alive)?;
    Ok(state.unseen(monotonic_ns()))
}

/// Asks /proc what it says after these edges.
fn look(shared: &Shared, unseen: &[(u32, Unseen)], stolen: Option<StolenTime>) -> Result<()> {
    if unseen.is_empty() {
        return Ok(());
    }
    let stopped = if unseen.iter().any(|(_, edges)| edges.start) {
        let named = shared.living.named().iter();
        Some(StoppedThreads::of(named.map(Arc::as_ref))?)
    } else {
        None
    };
    shared.lock().note(unseen, stopped.as_ref(), stolen);
    Ok(())
}

/// Before it is overwritten. `known_ns`: the edges up to then are known.
fn take_in_recorded(shared: &Shared, attached: &Attached, known_ns: u64) {
    let Some(mut recording) = attached.recording() else {
        return;
    };
    if recording.take_full_parts() {
        let spans: Vec<Span> = {
            let state = shared.lock();
            state
                .windows
                .iter()
                .filter_map(PendingWindow::span)
                .collect()
        };
        recording.take_in(&spans, known_ns);
    }
}

fn take_in(shared: &Shared, attached: &Attached) -> Result<()> {
    let ended = attached.maps.take_ended();
    if ended.is_empty() {
        return Ok(());
    }
    let fields: Vec<Field> = shared.lock().windows.iter().map(Field::from).collect();
    harvest(&attached.maps, &ended, &fields)
}
