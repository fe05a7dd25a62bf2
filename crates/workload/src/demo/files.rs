//! File I/O: writes that are forced to the disk, and reads that the kernel answers at once.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::thread;
use std::time::Duration;

use crate::demo::stop::Stop;
use crate::error::WorkloadError;

/// A temporary file whose name is gone as soon as it is open: however the demo ends, nothing stays behind.
pub fn open_unnamed() -> Result<File, WorkloadError> {
    let path = std::env::temp_dir().join(format!("kdelay-demo-{}.tmp", std::process::id()));
    let describe = |error| WorkloadError::system(format!("cannot use {}", path.display()), error);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(describe)?;
    fs::remove_file(&path).map_err(describe)?;
    Ok(file)
}

pub fn write_and_sync(stop: &Stop, mut file: File) {
    let mut block = vec![0; 256 << 10];
    while !stop.is_set() {
        if let Ok(mut zero) = File::open("/dev/zero") {
            let _ = zero.read_exact(&mut block);
        }
        // A full disk makes this thread idle, not the demo fail.
        let _ = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(&block))
            .and_then(|()| file.sync_all());
        thread::sleep(Duration::from_millis(10));
    }
}
