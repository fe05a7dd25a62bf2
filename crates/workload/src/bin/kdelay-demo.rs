//! `kdelay-demo [SECONDS]`: something to look at. Runs until SECONDS are over, or SIGTERM or SIGINT comes.
//!
//! Prints one line on stdout once every thread has been started, so that a script can wait for it.

use std::process::ExitCode;
use std::time::Duration;

use workload::demo::Demo;
use workload::error::WorkloadError;
use workload::signals::BlockedSignals;

const USAGE: &str = "usage: kdelay-demo [SECONDS]   (without SECONDS: until SIGTERM or SIGINT)";
const MOST_SECONDS: f64 = 30.0 * 86_400.0;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match parse(&words).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kdelay-demo: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(limit: Option<Duration>) -> Result<(), WorkloadError> {
    let signals = BlockedSignals::block(&[libc::SIGTERM, libc::SIGINT])?;
    let demo = Demo::start()?;
    println!(
        "kdelay-demo: pid {}, {} threads",
        std::process::id(),
        demo.thread_count() + 1
    );
    signals.wait(limit);
    demo.finish();
    Ok(())
}

fn parse(words: &[String]) -> Result<Option<Duration>, WorkloadError> {
    let [text] = words else {
        return if words.is_empty() {
            Ok(None)
        } else {
            Err(WorkloadError::Usage("at most one argument: SECONDS".into()))
        };
    };
    text.parse::<f64>()
        .ok()
        .filter(|seconds| *seconds > 0.0 && *seconds <= MOST_SECONDS)
        .map(|seconds| Some(Duration::from_secs_f64(seconds)))
        .ok_or_else(|| {
            WorkloadError::Usage(format!(
                "SECONDS {text:?}: must be above 0 and at most 30 days"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Option<Duration>, WorkloadError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn seconds_may_be_left_out_or_have_a_fraction() {
        assert_eq!(parse_line("").unwrap(), None);
        assert_eq!(
            parse_line("1.5").unwrap(),
            Some(Duration::from_millis(1500))
        );
    }

    #[test]
    fn bad_seconds_are_a_usage_error() {
        for line in ["0", "-1", "NaN", "inf", "x", "1 2"] {
            assert_eq!(parse_line(line).unwrap_err().exit_code(), 64, "{line}");
        }
    }
}
