//! Words and options of a command line, taken one by one; whatever is wrong is a usage error that names the argument.

use crate::error::WorkloadError;

/// Positional words in order, and `--name value` pairs in any place.
pub struct Options {
    words: std::collections::VecDeque<String>,
    pairs: Vec<(String, String)>,
}

impl Options {
    pub fn split(arguments: &[String]) -> Result<Self, WorkloadError> {
        let mut options = Self {
            words: Default::default(),
            pairs: Vec::new(),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument.starts_with("--") {
                let value = rest
                    .next()
                    .ok_or_else(|| usage(format!("{argument}: a value is missing")))?;
                options.pairs.push((argument.clone(), value.clone()));
            } else {
                options.words.push_back(argument.clone());
            }
        }
        Ok(options)
    }

    pub fn word(&mut self, name: &str) -> Result<String, WorkloadError> {
        self.words
            .pop_front()
            .ok_or_else(|| usage(format!("{name} is missing")))
    }

    pub fn number(&mut self, name: &str, least: u64, most: u64) -> Result<u64, WorkloadError> {
        let text = self.word(name)?;
        in_range(name, &text, least, most)
    }

    pub fn option(
        &mut self,
        name: &str,
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, WorkloadError> {
        let Some(index) = self.pairs.iter().position(|(key, _)| key == name) else {
            return Ok(None);
        };
        let (_, text) = self.pairs.remove(index);
        in_range(name, &text, least, most).map(Some)
    }

    pub fn cpu(&mut self) -> Result<Option<usize>, WorkloadError> {
        let cpu = self.option("--cpu", 0, libc::CPU_SETSIZE as u64 - 1)?;
        Ok(cpu.map(|cpu| cpu as usize))
    }

    pub fn nothing_left(self) -> Result<(), WorkloadError> {
        let mut left = self
            .words
            .into_iter()
            .chain(self.pairs.into_iter().map(|(key, _)| key));
        match left.next() {
            None => Ok(()),
            Some(argument) => Err(usage(format!("{argument:?} does not belong here"))),
        }
    }
}

fn in_range(name: &str, text: &str, least: u64, most: u64) -> Result<u64, WorkloadError> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| {
            usage(format!(
                "{name} {text:?}: must be a whole number from {least} to {most}"
            ))
        })
}

pub fn usage(message: String) -> WorkloadError {
    WorkloadError::Usage(message)
}
