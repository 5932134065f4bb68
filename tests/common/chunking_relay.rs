//! A TCP relay in front of a camera that decides where the reads end: what the camera sends goes
//! on in pieces of one byte to 64 KiB, with time between them for the reader to read each.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// ChunkingRelay have up to 2 to the power of this many bytes, …
const SIZE_BITS: u32 = 16;
/// … and less only when the camera has said nothing for this long.
const PATIENCE: Duration = Duration::from_millis(50);
/// After a piece; several times what weir takes to read it.
const PAUSE: Duration = Duration::from_micros(150);

/// ChunkingRelay written: of 1 byte, of 2 and 3, of 4 to 7, …; the last are of 32 to 64 KiB.
pub type Sizes = [AtomicU64; SIZE_BITS as usize];

/// A relay at work. Its threads end when it is dropped or a side closes.
pub struct ChunkingRelay {
    /// Where the camera seems to be.
    pub address: SocketAddr,
    /// What was written.
    pub sizes: Arc<Sizes>,
    stop: Arc<AtomicBool>,
}

impl ChunkingRelay {
    /// Relays to `camera`; the same seed makes the same sizes on a connection.
    pub fn start(camera: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let sizes = Arc::new(Sizes::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (counted, stopped) = (sizes.clone(), stop.clone());
        std::thread::spawn(move || {
            while let Ok((reader, _)) = listener.accept()
                && !stopped.load(Relaxed)
            {
                let camera = TcpStream::connect(camera).expect("the camera listens");
                serve(&camera, &reader, seed, &counted, &stopped);
            }
        });
        Self { address, sizes, stop }
    }
}

impl Drop for ChunkingRelay {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        // Wakes the thread that accepts; there is nobody to tell if that fails.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(
    camera: &TcpStream,
    reader: &TcpStream,
    seed: u64,
    sizes: &Arc<Sizes>,
    stop: &Arc<AtomicBool>,
) {
    let clones = || Some((camera.try_clone().ok()?, reader.try_clone().ok()?));
    let (mut to_camera, mut from_reader) = clones().expect("descriptors");
    std::thread::spawn(move || {
        // Ends with the reader's connection; then the camera's is over as well.
        let _ = std::io::copy(&mut from_reader, &mut to_camera);
        let _ = to_camera.shutdown(std::net::Shutdown::Both);
    });
    let (camera, reader) = clones().expect("descriptors");
    let mut cutting = Cutting { camera, reader, state: seed | 1, buffer: Vec::new() };
    let (sizes, stop) = (sizes.clone(), stop.clone());
    std::thread::spawn(move || {
        // An error is the reader's or the camera's end.
        let _ = cutting.run(&sizes, &stop);
        let _ = cutting.reader.shutdown(std::net::Shutdown::Both);
    });
}

struct Cutting {
    camera: TcpStream,
    reader: TcpStream,
    state: u64,
    buffer: Vec<u8>,
}

impl Cutting {
    fn run(&mut self, sizes: &Sizes, stop: &AtomicBool) -> std::io::Result<()> {
        self.camera.set_read_timeout(Some(PATIENCE))?;
        self.reader.set_nodelay(true)?;
        while !stop.load(Relaxed) {
            let wanted = self.size();
            self.fill(wanted)?;
            let rest = self.buffer.split_off(wanted.min(self.buffer.len()));
            let piece = std::mem::replace(&mut self.buffer, rest);
            if let Some(bits) = piece.len().checked_ilog2() {
                self.reader.write_all(&piece)?;
                sizes[bits.min(SIZE_BITS - 1) as usize].fetch_add(1, Relaxed);
                std::thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    /// Every power of two is as likely as the next, and then every size below it.
    fn size(&mut self) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let most = 1 << ((self.state >> 40) % u64::from(SIZE_BITS + 1));
        let least = most / 2 + 1;
        usize::try_from(least + (self.state >> 16) % (most - least + 1)).expect("64 KiB")
    }

    fn fill(&mut self, wanted: usize) -> std::io::Result<()> {
        let mut chunk = [0; 1 << SIZE_BITS];
        while self.buffer.len() < wanted {
            match self.camera.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => self.buffer.extend_from_slice(&chunk[..bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
