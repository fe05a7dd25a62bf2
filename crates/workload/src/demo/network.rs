//! A client and a server on the loopback interface. The server waits in epoll, the client in poll.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

use crate::demo::stop::Stop;
use crate::error::WorkloadError;

const REQUEST_BYTES: usize = 1 << 10;
const WAIT_MS: i32 = 100;

/// Two ends of one connection over 127.0.0.1.
pub fn loopback_pair() -> Result<(TcpStream, TcpStream), WorkloadError> {
    let connect = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        Ok((server, client))
    };
    connect().map_err(|error| WorkloadError::system("cannot connect over 127.0.0.1", error))
}

/// Answers every request with the same bytes.
pub fn serve(stop: &Stop, mut stream: TcpStream) {
    let Some(epoll) = epoll_of(&stream) else {
        return;
    };
    let mut request = [0; REQUEST_BYTES];
    while !stop.is_set() {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: `event` has room for the one event asked for, and the descriptor is owned by `epoll`.
        let ready = unsafe { libc::epoll_wait(epoll.as_raw_fd(), &mut event, 1, WAIT_MS) };
        if ready == 1
            && (stream.read_exact(&mut request).is_err() || stream.write_all(&request).is_err())
        {
            return;
        }
    }
}

fn epoll_of(stream: &TcpStream) -> Option<OwnedFd> {
    // SAFETY: takes flags only.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if epoll < 0 {
        return None;
    }
    // SAFETY: the descriptor was just created and belongs to nobody else.
    let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
    let mut interest = libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: 0,
    };
    let fd = stream.as_raw_fd();
    // SAFETY: both descriptors are open, and `interest` is live; the kernel copies it.
    let added =
        unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut interest) };
    (added == 0).then_some(epoll)
}

pub fn ask(stop: &Stop, mut stream: TcpStream) {
    let request = [7; REQUEST_BYTES];
    let mut response = [0; REQUEST_BYTES];
    while !stop.is_set() {
        if stream.write_all(&request).is_err() || !wait_for_input(stop, &stream) {
            return;
        }
        if stream.read_exact(&mut response).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// False when the demo ends first: the server may be gone already.
fn wait_for_input(stop: &Stop, stream: &TcpStream) -> bool {
    while !stop.is_set() {
        let mut watched = libc::pollfd {
            fd: stream.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: `watched` is the one live entry that the count states.
        if unsafe { libc::poll(&mut watched, 1, WAIT_MS) } == 1 {
            return true;
        }
    }
    false
}
