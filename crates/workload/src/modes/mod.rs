//! One file per mode. Each sets up, says `ready`, waits for `go`, does exactly what it is named after, tells the truth and
//! waits for `end`.

mod contend;
mod counts;
mod exec;
mod forkbomb;
mod handoff;
mod ia32;
mod kernel_spin;
mod numbers;
mod pairs;
mod rename;
mod repeat;
mod reuse;
mod self_exit;
mod sleep;
mod sleepers;
mod spin;
mod stdin_block;
mod stop;
mod threads;

use crate::arguments::Mode;
use crate::error::WorkloadError;

pub fn run(mode: Mode) -> Result<(), WorkloadError> {
    match mode {
        Mode::Counts { calls } => counts::run(calls),
        Mode::Sleep { sleep_ms, sleeps } => sleep::run(sleep_ms, sleeps),
        Mode::Handoff { handoffs, cpu } => handoff::run(handoffs, cpu),
        Mode::Contend { duration_ms, cpu } => contend::run(duration_ms, cpu),
        Mode::Spin { duration_ms, cpu } => spin::run(duration_ms, cpu),
        Mode::SpinKernel { duration_ms } => kernel_spin::run(duration_ms),
        Mode::Threads {
            threads,
            batch,
            calls,
        } => threads::run(threads, batch, calls),
        Mode::Sleepers { threads } => sleepers::run(threads),
        Mode::Pairs {
            pairs,
            duration_ms,
            pause_us,
        } => pairs::run(pairs, duration_ms, pause_us),
        Mode::ForkBomb { children } => forkbomb::run(children),
        Mode::Exec => exec::run_from_main_thread(),
        Mode::ExecThread => exec::run_from_other_thread(),
        Mode::Execed {
            mode,
            from_tid,
            go_ns,
        } => exec::continue_after(&mode, from_tid, go_ns),
        Mode::Stop { stop_ms } => stop::run(stop_ms),
        Mode::Rename => rename::run(),
        Mode::Reuse => reuse::run(),
        Mode::StdinBlock => stdin_block::run(),
        Mode::Ia32 { calls } => ia32::run(calls),
        Mode::Numbers { rounds } => numbers::run(rounds),
        Mode::SelfExit { after_ms } => self_exit::run(after_ms),
        Mode::Loop { body, cpu, batch } => repeat::run(body, cpu, batch),
    }
}
