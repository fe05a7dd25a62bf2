//! kdelay's native part. Imports point down this list, and data climbs it, from the kernel to Node.js:
//!
//! - `node` is the surface that Node.js sees;
//! - [`session`] opens and closes windows over processes, and reads what the programs counted in each;
//! - `timeline_file` is where the time line of the windows goes;
//! - `calls` are those that were recorded one by one, with their stacks; `threads` goes from the records of threads to the
//!   threads of a sample; [`doctor`] says what this machine allows;
//! - [`targets`] are processes, as /proc and the kernel show them; [`probes`] are the eBPF programs and their maps;
//! - [`sample`] is what comes out: what one window saw;
//! - [`kernel`] finds where the running kernel keeps things, and speaks to it;
//! - `names` of what is a number in the kernel, [`options`], and [`error`].

mod calls;
pub mod doctor;
pub mod error;
pub mod kernel;
mod names;
#[cfg(feature = "node")]
mod node;
pub mod options;
pub mod probes;
pub mod sample;
pub mod session;
pub mod targets;
mod threads;
mod timeline_file;
#[cfg(test)]
mod typescript;
