//! What no way is known to: it is taken for code where it reads as such without a gap.

use crate::code::walk::Walk;

impl Walk<'_> {
    /// Takes in what no way is known to.
    pub fn sweep(&mut self) -> Result<(), String> {
        let mut index = 0;
        // What is taken in may bring more parts.
        while let Some(range) = self.parts.get(index).map(|part| part.range.clone()) {
            let mut from = range.start;
            while from < range.end {
                let next = self.steps.range(from..range.end).next();
                let (at, after) =
                    next.map_or((range.end, range.end), |(at, step)| (*at, at + step.bytes));
                if at == from {
                    from = after;
                    continue;
                }
                let gap = self.code(from).unwrap_or_default();
                let gap = &gap[..gap.len().min((at - from) as usize)];
                // Between functions there is padding.
                if gap.iter().all(|byte| matches!(byte, 0 | 0xcc)) {
                    from = at;
                    continue;
                }
                self.follow(vec![from], true)
                    .map_err(|why| format!("no way leads to {}, and {why}", self.shown(from)))?;
            }
            index += 1;
        }
        Ok(())
    }
}
