//! Packets, one after the other, into whatever takes bytes. A trace is nothing but that: each is written as it is made.

use std::io::{self, Write};

use prost::Message;

use crate::proto::TracePacket;

/// `packet` of the message `Trace`: its number, and that a length follows.
const PACKET: u8 = 1 << 3 | 2;
/// All packets are of one writer.
const SEQUENCE: u32 = 1;

pub struct Packets<W> {
    to: W,
    /// One packet, as it is encoded.
    encoded: Vec<u8>,
    failure: Option<io::Error>,
}

impl<W: Write> Packets<W> {
    pub fn new(to: W) -> Self {
        Self {
            to,
            encoded: Vec::new(),
            failure: None,
        }
    }

    /// After a failure, nothing more is written: what is there by then is a whole of its own, but for the last packet.
    pub fn write(&mut self, packet: TracePacket) {
        if self.failure.is_some() {
            return;
        }
        let packet = TracePacket {
            trusted_packet_sequence_id: Some(SEQUENCE),
            ..packet
        };
        self.encoded.clear();
        self.encoded.push(PACKET);
        let encoded = packet.encode_length_delimited(&mut self.encoded);
        let written = encoded
            .map_err(io::Error::other)
            .and_then(|()| self.to.write_all(&self.encoded));
        self.failure = written.err();
    }

    /// Hands on what is buffered. The first failure of all, once.
    pub fn flush(&mut self) -> io::Result<()> {
        match self.failure.take() {
            Some(failure) => {
                // Nothing more is written after it.
                self.failure = Some(copy_of(&failure));
                Err(failure)
            }
            None => self.to.flush().inspect_err(|error| {
                self.failure = Some(copy_of(error));
            }),
        }
    }

    pub fn into_inner(self) -> W {
        self.to
    }

    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }
}

fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => error.kind().into(),
    }
}
