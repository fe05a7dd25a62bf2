//! The oracle's command line.

use crate::command_line::{Options, usage};
use crate::error::WorkloadError;
use crate::{failing, harmless};

/// What `loop` repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopBody {
    Getppid,
    Read0,
    FutexPingPong,
    /// So many different calls in turn.
    Failing {
        calls: usize,
    },
}

impl LoopBody {
    pub fn name(self) -> &'static str {
        match self {
            Self::Getppid => "getppid",
            Self::Read0 => "read0",
            Self::FutexPingPong => "futexpp",
            Self::Failing { .. } => "failing",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    Counts {
        calls: u64,
    },
    Sleep {
        sleep_ms: u64,
        sleeps: u64,
    },
    Handoff {
        handoffs: u64,
        cpu: Option<usize>,
    },
    Contend {
        duration_ms: u64,
        cpu: Option<usize>,
    },
    Spin {
        duration_ms: u64,
        cpu: Option<usize>,
    },
    SpinKernel {
        duration_ms: u64,
    },
    Threads {
        threads: u64,
        batch: u64,
        /// Different ones of each.
        calls: usize,
    },
    Sleepers {
        threads: u64,
    },
    Pairs {
        pairs: u64,
        duration_ms: u64,
        /// Of each pair between two rounds.
        pause_us: u64,
    },
    ForkBomb {
        children: u64,
    },
    Exec,
    ExecThread,
    /// What `exec` and `execthread` become; not for people.
    Execed {
        mode: String,
        from_tid: i32,
        go_ns: u64,
    },
    Stop {
        stop_ms: u64,
    },
    Rename,
    Reuse,
    StdinBlock,
    Ia32 {
        calls: u64,
    },
    Numbers {
        rounds: u64,
    },
    SelfExit {
        after_ms: u64,
    },
    Loop {
        body: LoopBody,
        cpu: Option<usize>,
        /// Of how many is one time taken.
        batch: u64,
    },
}

pub const USAGE: &str = "usage: kdelay-oracle MODE [ARGUMENTS]
  counts N                 N calls of each of ten system calls
  sleep MS N               N sleeps of MS ms
  handoff N [--cpu N]      two threads hand a futex back and forth, N times each
  contend MS [--cpu N]     two threads spin on one CPU for MS ms
  spin MS [--cpu N]        one thread spins in user space, without a system call
  spinkernel MS            one thread burns about MS ms of CPU inside a single system call
  threads N [--batch N] [--calls N]
                           N threads that make N different calls (default 0, up to 22) and
                           exit, so many at a time (default 1)
  sleepers N               N threads that are blocked all along
  pairs N MS [--pause US]  N pairs of threads that hand a futex over and back, sleep for US us
                           (default 20000) and do so again, for MS ms
  forkbomb N               N short child processes, at most 8 at a time
  exec, execthread         the process execs itself, from its main or another thread
  stop MS                  a child stops this process for MS ms and continues it
  rename                   a thread takes a name with control characters half way
  reuse                    a second thread gets the tid of the first (needs root)
  stdin-block              the process is blocked in read(0) all along
  ia32 N                   N system calls through the 32-bit entry (x86_64 only)
  numbers N                every number of a system call in every convention, N times; a sleep
                           after each round
  selfexit MS              the process exits by itself MS ms after go
  loop BODY [--cpu N] [--batch N] [--calls N]
                           BODY is getppid, read0, futexpp or failing (N different calls, by
                           default 10, up to 200), timed so many at a time (default 256);
                           answers `slice MS` lines
prints {\"ready\":true,…}, waits for a line (go), works, prints the truth, waits for a line (end)";

/// Reads the arguments that follow the program's name.
pub fn parse(arguments: &[String]) -> Result<Mode, WorkloadError> {
    let mut options = Options::split(arguments)?;
    let name = options.word("MODE")?;
    let mode = match name.as_str() {
        "counts" => Mode::Counts {
            calls: options.number("N", 1, 1 << 40)?,
        },
        "sleep" => Mode::Sleep {
            sleep_ms: options.number("MS", 0, MAX_MS)?,
            sleeps: options.number("N", 1, 1 << 32)?,
        },
        "handoff" => Mode::Handoff {
            handoffs: options.number("N", 1, 1 << 40)?,
            cpu: options.cpu()?,
        },
        "contend" => Mode::Contend {
            duration_ms: options.number("MS", 1, MAX_MS)?,
            cpu: options.cpu()?,
        },
        "spin" => Mode::Spin {
            duration_ms: options.number("MS", 1, MAX_MS)?,
            cpu: options.cpu()?,
        },
        "spinkernel" => Mode::SpinKernel {
            duration_ms: options.number("MS", 1, MAX_MS)?,
        },
        "threads" => Mode::Threads {
            threads: options.number("N", 1, 1 << 32)?,
            batch: options.option("--batch", 1, 1024)?.unwrap_or(1),
            calls: options
                .option("--calls", 0, harmless::MOST_CALLS as u64)?
                .unwrap_or(0) as usize,
        },
        "sleepers" => Mode::Sleepers {
            threads: options.number("N", 1, 1 << 20)?,
        },
        "pairs" => Mode::Pairs {
            pairs: options.number("N", 1, 1 << 20)?,
            duration_ms: options.number("MS", 1, MAX_MS)?,
            pause_us: options.option("--pause", 0, MAX_MS)?.unwrap_or(20_000),
        },
        "forkbomb" => Mode::ForkBomb {
            children: options.number("N", 1, 1 << 20)?,
        },
        "exec" => Mode::Exec,
        "execthread" => Mode::ExecThread,
        "execed" => Mode::Execed {
            mode: options.word("MODE")?,
            from_tid: options.number("TID", 1, i32::MAX as u64)? as i32,
            go_ns: options.number("GO_NS", 0, u64::MAX)?,
        },
        "stop" => Mode::Stop {
            stop_ms: options.number("MS", 0, MAX_MS)?,
        },
        "rename" => Mode::Rename,
        "reuse" => Mode::Reuse,
        "stdin-block" => Mode::StdinBlock,
        "ia32" => Mode::Ia32 {
            calls: options.number("N", 1, 1 << 40)?,
        },
        "numbers" => Mode::Numbers {
            rounds: options.number("N", 1, 1 << 20)?,
        },
        "selfexit" => Mode::SelfExit {
            after_ms: options.number("MS", 0, MAX_MS)?,
        },
        "loop" => Mode::Loop {
            body: loop_body(&mut options)?,
            cpu: options.cpu()?,
            batch: options.option("--batch", 1, 1 << 16)?.unwrap_or(256),
        },
        other => return Err(usage(format!("unknown mode {other:?}"))),
    };
    options.nothing_left()?;
    Ok(mode)
}

/// A day: far beyond any use, and still far from overflow in nanoseconds.
const MAX_MS: u64 = 86_400_000;

fn loop_body(options: &mut Options) -> Result<LoopBody, WorkloadError> {
    match options.word("BODY")?.as_str() {
        "getppid" => Ok(LoopBody::Getppid),
        "read0" => Ok(LoopBody::Read0),
        "futexpp" => Ok(LoopBody::FutexPingPong),
        "failing" => {
            let calls = options.option("--calls", 1, failing::MOST_CALLS as u64)?;
            Ok(LoopBody::Failing {
                calls: calls.unwrap_or(10) as usize,
            })
        }
        name => Err(usage(format!(
            "BODY {name:?}: must be getppid, read0, futexpp or failing"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Mode, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words).map_err(|error| {
            assert_eq!(error.exit_code(), 64, "{line}");
            error.to_string()
        })
    }

    #[test]
    fn every_mode_is_understood() {
        let cases = [
            ("counts 5", Mode::Counts { calls: 5 }),
            (
                "sleep 20 3",
                Mode::Sleep {
                    sleep_ms: 20,
                    sleeps: 3,
                },
            ),
            (
                "handoff 7",
                Mode::Handoff {
                    handoffs: 7,
                    cpu: None,
                },
            ),
            (
                "handoff --cpu 1 7",
                Mode::Handoff {
                    handoffs: 7,
                    cpu: Some(1),
                },
            ),
            (
                "contend 100 --cpu 0",
                Mode::Contend {
                    duration_ms: 100,
                    cpu: Some(0),
                },
            ),
            (
                "spin 10",
                Mode::Spin {
                    duration_ms: 10,
                    cpu: None,
                },
            ),
            ("spinkernel 10", Mode::SpinKernel { duration_ms: 10 }),
            (
                "threads 9",
                Mode::Threads {
                    threads: 9,
                    batch: 1,
                    calls: 0,
                },
            ),
            (
                "threads 9 --batch 4 --calls 22",
                Mode::Threads {
                    threads: 9,
                    batch: 4,
                    calls: 22,
                },
            ),
            ("sleepers 10000", Mode::Sleepers { threads: 10_000 }),
            (
                "pairs 500 30000",
                Mode::Pairs {
                    pairs: 500,
                    duration_ms: 30_000,
                    pause_us: 20_000,
                },
            ),
            (
                "pairs 2 50 --pause 100",
                Mode::Pairs {
                    pairs: 2,
                    duration_ms: 50,
                    pause_us: 100,
                },
            ),
            ("forkbomb 3", Mode::ForkBomb { children: 3 }),
            ("exec", Mode::Exec),
            ("execthread", Mode::ExecThread),
            ("stop 50", Mode::Stop { stop_ms: 50 }),
            ("rename", Mode::Rename),
            ("reuse", Mode::Reuse),
            ("stdin-block", Mode::StdinBlock),
            ("ia32 4", Mode::Ia32 { calls: 4 }),
            ("numbers 3", Mode::Numbers { rounds: 3 }),
            ("selfexit 0", Mode::SelfExit { after_ms: 0 }),
            (
                "loop getppid",
                Mode::Loop {
                    body: LoopBody::Getppid,
                    cpu: None,
                    batch: 256,
                },
            ),
            (
                "loop read0",
                Mode::Loop {
                    body: LoopBody::Read0,
                    cpu: None,
                    batch: 256,
                },
            ),
            (
                "loop failing --calls 200",
                Mode::Loop {
                    body: LoopBody::Failing { calls: 200 },
                    cpu: None,
                    batch: 256,
                },
            ),
            (
                "loop futexpp --cpu 1",
                Mode::Loop {
                    body: LoopBody::FutexPingPong,
                    cpu: Some(1),
                    batch: 256,
                },
            ),
        ];
        for (line, mode) in cases {
            assert_eq!(parse_line(line), Ok(mode), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("", "MODE is missing"),
            ("dance", "unknown mode \"dance\""),
            ("counts", "N is missing"),
            ("counts 0", "N \"0\": must be a whole number from 1 to"),
            ("counts -3", "N \"-3\": must be"),
            ("counts 1.5", "N \"1.5\": must be"),
            ("sleep 20", "N is missing"),
            ("sleep 86400001 1", "MS \"86400001\": must be"),
            ("counts 5 6", "\"6\" does not belong here"),
            ("counts 5 --cpu 1", "\"--cpu\" does not belong here"),
            ("spin 5 --cpu", "--cpu: a value is missing"),
            ("spin 5 --cpu x", "--cpu \"x\": must be"),
            ("spin 5 --cpu 1 --cpu 2", "\"--cpu\" does not belong here"),
            ("threads 5 --batch 0", "--batch \"0\": must be"),
            (
                "loop dance",
                "BODY \"dance\": must be getppid, read0, futexpp or failing",
            ),
            ("loop failing --calls 201", "--calls \"201\": must be"),
            ("loop read0 --calls 2", "\"--calls\" does not belong here"),
        ];
        for (line, message) in cases {
            let error = parse_line(line).unwrap_err();
            assert!(error.starts_with(message), "{line}: {error}");
        }
    }
}
