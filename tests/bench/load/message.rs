//! HTTP/1.1 at either end of a connection, with no more than the bench needs: one message at a time,
//! header names in lower case as proxies write them, and bodies of a known length or in chunks.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Result, bail};

const END_OF_HEAD: &[u8] = b"\r\n\r\n";
const END_OF_CHUNKS: &[u8] = b"\r\n0\r\n\r\n";

/// A connection, and the last message that came on it.
pub(crate) struct Messages {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where the head of the message ends, and where all of it does.
    head: usize,
    end: usize,
}

impl Messages {
    pub(crate) fn on(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 << 10], head: 0, end: 0 })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Waits for the next message, to its end. False if the other side hung up instead.
    pub(crate) fn next(&mut self) -> Result<bool> {
        (self.head, self.end) = (0, 0);
        loop {
            let searched = self.end.saturating_sub(END_OF_HEAD.len());
            if !self.read()? {
                return match self.end {
                    0 => Ok(false),
                    _ => bail!("half a message"),
                };
            }
            let new = &self.buffer[searched..self.end];
            if let Some(place) = new.windows(END_OF_HEAD.len()).position(|it| it == END_OF_HEAD) {
                self.head = searched + place + END_OF_HEAD.len();
                break;
            }
        }
        let length = self.header("content-length");
        let length =
            length.map(|it| anyhow::Ok(str::from_utf8(it)?.parse::<usize>()?)).transpose()?;
        let is_chunked = self.header("transfer-encoding").is_some();
        while match length {
            Some(length) => self.end < self.head + length,
            None => is_chunked && !self.buffer[..self.end].ends_with(END_OF_CHUNKS),
        } {
            if !self.read()? {
                bail!("half a body");
            }
        }
        Ok(true)
    }

    /// A header of the message.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        let mut lines = self.buffer[..self.head].split(|byte| *byte == b'\n');
        let value =
            lines.find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b":"))?;
        Some(value.trim_ascii())
    }

    /// Whether the message is a response of success.
    pub(crate) fn is_ok(&self) -> bool {
        self.buffer[..self.head].starts_with(b"HTTP/1.1 200 ")
    }

    /// The body of the message, with the sizes of its chunks if it came in some.
    pub(crate) fn body(&self) -> &[u8] {
        &self.buffer[self.head..self.end]
    }

    fn read(&mut self) -> Result<bool> {
        if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.end, 0);
        }
        let count = self.stream.read(&mut self.buffer[self.end..])?;
        self.end += count;
        Ok(count > 0)
    }
}
