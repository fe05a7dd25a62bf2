//! The demo: threads that really block, compute, sleep, do I/O, fault in pages, come and go, and contend for a CPU.
//!
//! It is meant to be looked at, so it leaves about half of a two-CPU machine to others.

mod compute;
mod files;
mod lifecycle;
mod network;
mod queue;
mod stop;

use std::thread::{self, JoinHandle};

use crate::demo::stop::Stop;
use crate::error::WorkloadError;
use crate::tasks::{allowed_cpus, choose_cpu};

/// The running threads of the demo.
pub struct Demo {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
}

impl Demo {
    /// Starts all threads. Signals that end the demo must be blocked before, so that only the waiter takes them.
    pub fn start() -> Result<Self, WorkloadError> {
        let mut demo = Self {
            stop: Stop::default(),
            threads: Vec::new(),
        };
        match demo.start_threads() {
            Ok(()) => Ok(demo),
            Err(error) => {
                demo.finish();
                Err(error)
            }
        }
    }

    fn start_threads(&mut self) -> Result<(), WorkloadError> {
        let contended_cpu = choose_cpu(None)?;
        let spare_cpu = allowed_cpus()?.first().copied();
        let (sender, receiver) = queue::bounded();
        self.add("producer", move |stop| queue::produce(stop, &sender))?;
        self.add("consumer", move |stop| queue::consume(stop, &receiver))?;
        self.add("cruncher", move |stop| compute::crunch(stop, spare_cpu))?;
        self.add("rival-a", move |stop| compute::contend(stop, contended_cpu))?;
        self.add("rival-b", move |stop| compute::contend(stop, contended_cpu))?;
        self.add("sleeper", lifecycle::sleep_on_the_clock)?;
        let file = files::open_unnamed()?;
        self.add("file-writer", move |stop| files::write_and_sync(stop, file))?;
        let (server, client) = network::loopback_pair()?;
        self.add("net-server", move |stop| network::serve(stop, server))?;
        self.add("net-client", move |stop| network::ask(stop, client))?;
        self.add("page-faults", lifecycle::fault_in_pages)?;
        self.add("spawner", lifecycle::spawn_short_lived)
    }

    fn add<W>(&mut self, name: &str, work: W) -> Result<(), WorkloadError>
    where
        W: FnOnce(&Stop) + Send + 'static,
    {
        let stop = self.stop.clone();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&stop))
            .map_err(|error| WorkloadError::system(format!("cannot start thread {name}"), error))?;
        self.threads.push(thread);
        Ok(())
    }

    pub fn thread_count(&self) -> usize {
        self.threads.len()
    }

    /// Ends all threads and waits for them.
    pub fn finish(self) {
        self.stop.set();
        for thread in self.threads {
            // A thread that panicked has already said so on stderr.
            let _ = thread.join();
        }
    }
}
