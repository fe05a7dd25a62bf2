//! From a trigger to the places where it is attached.

use crate::error::{Error, ErrorKind, Result};
use crate::files::objects::Objects;
use crate::kernel::probing::Kernel;
use crate::resolve::in_kernel;
use crate::resolve::point::{MOST_POINTS, Point, Resolved, ReturnProbes};
use crate::resolve::usdt;
use crate::resolve::user;
use crate::trigger::syntax::{Location, Trigger};

pub fn resolve(trigger: &Trigger, process: &Objects, returns: ReturnProbes) -> Result<Vec<Point>> {
    let resolved = resolve_with(&Kernel::running(), trigger, process, returns)?;
    Ok(resolved.points)
}

/// For several triggers: what the kernel says is read once.
pub fn resolve_with(
    kernel: &Kernel,
    trigger: &Trigger,
    process: &Objects,
    returns: ReturnProbes,
) -> Result<Resolved> {
    match trigger {
        Trigger::Tracepoint { system, event } => {
            let id = in_kernel::tracepoint(kernel, system.as_bytes(), event.as_bytes())?;
            Ok(vec![Point::Tracepoint { id }].into())
        }
        Trigger::Kprobe { function, offset } => {
            in_kernel::function(kernel, function, *offset, false).map(Into::into)
        }
        Trigger::Kretprobe { function } => {
            in_kernel::function(kernel, function, 0, true).map(Into::into)
        }
        Trigger::Usdt {
            object,
            provider,
            probe,
        } => {
            kernel.uprobe_pmu()?;
            let points = usdt::usdt(process, object.as_ref(), provider, probe)?;
            if points.len() > MOST_POINTS {
                let message = format!("{trigger}: {} locations", points.len());
                return Err(Error::new(ErrorKind::Unprobeable, message).hint(format!(
                    "at most {MOST_POINTS} can be probed: name an OBJECT"
                )));
            }
            Ok(points.into())
        }
        Trigger::Uprobe { object, location } => {
            kernel.uprobe_pmu()?;
            user::function(process, object.as_ref(), location, None)
        }
        Trigger::Uretprobe { object, start } => {
            kernel.uprobe_pmu()?;
            let location = Location::from(start);
            user::function(process, object.as_ref(), &location, Some(returns))
        }
    }
}
