//! Entries that only fill the map of tasks.

use crate::error::Result;
use crate::probes::maps::Maps;
use crate::session::shared::Shared;

/// The dead leave the map of tasks at their last switch; what was missed there must not fill it. Where no window is pending, all that
/// it has is of windows that have been read, whose records are free.
///
/// A window that is opened gives its threads entries, which must stay. So the lock is held for each removal, and for no more than
/// that, and whoever opens or arms a window has it meanwhile and ends this: what was not forgotten by then is the next time. A
/// window that was opened stays pending until a reader takes it, and that one waits for this one.
pub fn forget_tasks(shared: &Shared, maps: &Maps) -> Result<()> {
    if !shared.lock().is_idle() {
        return Ok(());
    }
    for task in maps.tasks()? {
        let state = shared.lock();
        if !state.is_idle() {
            break;
        }
        maps.forget_task(task)?;
    }
    Ok(())
}
