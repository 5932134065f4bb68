//! gzip without compression (RFC 1952, stored blocks of RFC 1951): profiles are read where they
//! were made or over a LAN, and so nothing is kept but a checksum and a length.

/// Bytes of one block at most: its length has 16 bits.
pub(super) const BLOCK_BYTES_MAX: usize = u16::MAX as usize;

/// A gzip file that is being written.
#[derive(Debug)]
pub(super) struct Gzip {
    /// The complement of the checksum so far.
    rest: u32,
    bytes: u32,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { rest: u32::MAX, bytes: 0 }
    }

    /// The file's first bytes: no name, no time, an unknown system.
    pub(super) fn head() -> [u8; 10] {
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]
    }

    /// One block with at most [`BLOCK_BYTES_MAX`] bytes.
    pub(super) fn block(&mut self, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("callers make shorter blocks");
        self.bytes = self.bytes.wrapping_add(u32::from(length));
        self.rest = content.iter().fold(self.rest, |rest, byte| {
            let index = (rest ^ u32::from(*byte)).to_le_bytes()[0];
            TABLE[usize::from(index)] ^ (rest >> 8)
        });
        Self::stored(false, length, content)
    }

    /// What comes after the last block.
    pub(super) fn end(&self) -> Vec<u8> {
        let mut end = Self::stored(true, 0, &[]);
        end.extend_from_slice(&(!self.rest).to_le_bytes());
        end.extend_from_slice(&self.bytes.to_le_bytes());
        end
    }

    fn stored(is_last: bool, length: u16, content: &[u8]) -> Vec<u8> {
        let mut block = Vec::with_capacity(5 + content.len());
        block.push(u8::from(is_last));
        block.extend_from_slice(&length.to_le_bytes());
        block.extend_from_slice(&(!length).to_le_bytes());
        block.extend_from_slice(content);
        block
    }
}

/// The checksum's remainders (CRC-32, RFC 1952 section 8).
static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0_u32;
    while at < 256 {
        let (mut rest, mut bit) = (at, 0);
        while bit < 8 {
            rest = if rest & 1 == 1 { 0xedb8_8320 ^ (rest >> 1) } else { rest >> 1 };
            bit += 1;
        }
        table[at as usize] = rest;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    #[test]
    fn gzip_itself_reads_it() {
        let pieces: [&[u8]; 3] = [b"123456789", &[0; BLOCK_BYTES_MAX], b"\xff\0end"];
        let mut gzip = Gzip::new();
        let mut file = Gzip::head().to_vec();
        for piece in pieces {
            file.extend(gzip.block(piece));
        }
        file.extend(gzip.end());
        let mut child = Command::new("gzip")
            .args(["--decompress", "--stdout"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("gzip is on every system");
        let mut stdin = child.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || stdin.write_all(&file));
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("no panic").expect("all was read");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == pieces.concat());
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        let mut gzip = Gzip::new();
        gzip.block(b"123456789");
        let end = gzip.end();
        assert_eq!(end[5..9], 0xcbf4_3926_u32.to_le_bytes());
        assert_eq!(end[9..], 9_u32.to_le_bytes());
    }
}
