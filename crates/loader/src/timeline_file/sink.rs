//! Bytes on their way to a file, which a thread writes: whoever has them must not wait for a disk, or for a reader.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::timeline_file::opened::OpenedFile;

const CHUNK_BYTES: usize = 1 << 16;
/// That wait to be written: 16 MiB.
const MOST_CHUNKS: usize = 256;
/// Whoever is slower than that for so long is not waited for: what the flight recorder has recorded would be overwritten meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Sink {
    chunk: Vec<u8>,
    /// `None`: the writer has failed, or is to end.
    chunks: Option<SyncSender<Vec<u8>>>,
    writer: Option<JoinHandle<io::Result<()>>>,
}

impl Sink {
    pub fn start(file: OpenedFile) -> io::Result<Self> {
        let (chunks, received) = sync_channel(MOST_CHUNKS);
        let writer = std::thread::Builder::new()
            .name("kdelay-timeline".to_owned())
            .spawn(move || write_all(file, &received))?;
        Ok(Self {
            chunk: Vec::with_capacity(CHUNK_BYTES),
            chunks: Some(chunks),
            writer: Some(writer),
        })
    }

    fn hand_on(&mut self) -> io::Result<()> {
        let Some(chunks) = &self.chunks else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        let begun = Instant::now();
        loop {
            match chunks.try_send(chunk) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return self.join(),
                Err(TrySendError::Full(_)) if begun.elapsed() >= PATIENCE => {
                    // The writer ends by itself once it has written what it has.
                    self.chunks = None;
                    self.writer = None;
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "it is written more slowly than it is made, and so ends early",
                    ));
                }
                Err(TrySendError::Full(back)) => chunk = back,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the writer has ended.
    fn join(&mut self) -> io::Result<()> {
        self.chunks = None;
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("its writer has panicked")),
            None => Ok(()),
        }
    }

    /// Waits until all is written.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.join()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() + bytes.len() > CHUNK_BYTES && !self.chunk.is_empty() {
            self.hand_on()?;
        }
        self.chunk.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Waits for no disk.
    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        self.hand_on()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Nobody is left who asks what became of it.
        drop(self.flush());
    }
}

fn write_all(mut file: OpenedFile, chunks: &Receiver<Vec<u8>>) -> io::Result<()> {
    for chunk in chunks {
        file.write_all(&chunk)?;
    }
    Ok(())
}
