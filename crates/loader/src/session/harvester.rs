//! A thread of this process that takes in the records of threads that have ended, so that a window does not run out of
//! records however many threads come and go in it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::kernel::own_thread::raise_priority;
use crate::session::state::Shared;

/// Runs until the session is closed.
pub fn start(shared: Arc<Shared>) -> Result<()> {
    let news = News::of(&shared)?;
    std::thread::Builder::new()
        .name("kdelay-harvest".to_owned())
        .spawn(move || {
            raise_priority();
            if let Err(error) = run(&shared, &news) {
                shared.lock().fail(error);
            }
        })
        .map_err(|error| Error::io("starting a thread", &error))?;
    Ok(())
}

/// Ready when the probes have woken whoever waits for ended threads, and from when the session is closed on. Of the former by
/// edges: fewer than a crowd are no news, and wait.
struct News {
    epoll: OwnedFd,
    /// Held, because `epoll` forgets what is closed.
    _ended: OwnedFd,
}

impl News {
    fn of(shared: &Shared) -> Result<Self> {
        let ended = shared.lock().attached()?.maps.ended_fd();
        let of = |ended: io::Result<OwnedFd>| -> io::Result<Self> {
            let ended = ended?;
            let epoll = epoll::create(CreateFlags::CLOEXEC)?;
            let data = EventData::new_u64(0);
            epoll::add(&epoll, &ended, data, EventFlags::IN | EventFlags::ET)?;
            epoll::add(&epoll, &shared.closing, data, EventFlags::IN)?;
            Ok(Self {
                epoll,
                _ended: ended,
            })
        };
        of(ended).map_err(|error| Error::io("waiting for threads to end", &error))
    }

    fn wait(&self) -> Result<()> {
        let mut events = Vec::with_capacity(2);
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            None,
        ) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(Error::io("waiting for threads to end", &error.into())),
        }
    }
}

fn run(shared: &Shared, news: &News) -> Result<()> {
    loop {
        news.wait()?;
        let mut state = shared.lock();
        if state.attached.is_none() {
            return Ok(());
        }
        state.harvest()?;
    }
}
