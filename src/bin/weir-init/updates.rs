//! Updates: from weir's connection and from the partition of presets, one at a time, each on a
//! thread of its own. The loop says whether one may begin, and restarts the box after it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use weir::appliance::boot_order::BootOrder;
use weir::appliance::manifest::Manifest;
use weir::appliance::preset::ContentHash;
use weir::appliance::request::{BoxAnswer, ProgressSteps, UpdateProgress, write_answer};
use weir::limits::{
    BUNDLES_REMEMBERED_MAX, INIT_FILE_BYTES_MAX, INIT_STACK_BYTES, INIT_UPDATE_IDLE_MS_MAX,
    UPDATE_PIECE_BYTES,
};

use super::data::DataFolder;
use super::disk::SlotDisk;
use super::jobs::{Jobs, Question, Reply};
use super::mounts::PresetMount;
use super::update_job::UpdateJob;

/// The hashes of the bundles of the preset partition that were tried.
const TRIED: &str = "bundles";

/// What was installed, with the boot order that is in force now.
type Installed = (BootOrder, Manifest);

/// Serves the rest of an update's connection.
///
/// # Errors
/// The client is gone.
pub(crate) fn serve(
    source: &mut BufReader<&UnixStream>,
    bytes: u64,
    jobs: &Jobs,
) -> io::Result<()> {
    let sink = *source.get_ref();
    carry_out(sink, "an update", jobs, |job, progress| {
        let patience = Duration::from_millis(INIT_UPDATE_IDLE_MS_MAX);
        sink.set_read_timeout(Some(patience)).map_err(|error| error.to_string())?;
        job.install(&mut Patient(source), bytes, progress)
    })
}

/// Installs a bundle of the preset partition by its name, as a person asked at the console.
///
/// # Errors
/// The client is gone.
pub(crate) fn serve_file(sink: &UnixStream, name: &str, jobs: &Jobs) -> io::Result<()> {
    carry_out(sink, name, jobs, |job, progress| {
        // One name of a file, and no path to elsewhere.
        if name.contains('/') || name.starts_with('.') {
            return Err("the name of a file on the partition WEIR, without a path".to_owned());
        }
        let read = |error: io::Error| format!("{name} on the partition WEIR: {error}");
        let mounted = PresetMount::new(&job.presets).map_err(read)?;
        install_file(job, &mounted.path().join(name), progress)
    })
}

/// Begins an update, installs it, and tells the client of its progress and its end.
fn carry_out(
    mut sink: &UnixStream,
    what: &str,
    jobs: &Jobs,
    install: impl FnOnce(&UpdateJob, &mut dyn FnMut(UpdateProgress)) -> Result<Installed, String>,
) -> io::Result<()> {
    let job = match jobs.ask(Question::BeginUpdate) {
        Reply::Begin(job) => job,
        Reply::Answer(answer) => return write_answer(&mut sink, &answer),
    };
    let mut steps = ProgressSteps::default();
    let mut progress = |made: UpdateProgress| {
        if steps.is_due(made) {
            // Who does not listen gets its update all the same.
            let _ = write_answer(&mut sink, &BoxAnswer::Progress(made));
        }
    };
    let (answer, order) = match install(&job, &mut progress) {
        Ok((order, manifest)) => (BoxAnswer::Done(job.said(&manifest)), Some(order)),
        Err(why) => {
            log::error!("{what} was not installed: {why}");
            (BoxAnswer::Refused(why), None)
        }
    };
    jobs.ask(Question::EndUpdate(order));
    write_answer(&mut sink, &answer)
}

fn install_file(
    job: &UpdateJob,
    path: &Path,
    progress: &mut dyn FnMut(UpdateProgress),
) -> Result<Installed, String> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (bytes, mut file) = opened.map_err(|error| format!("{}: {error}", path.display()))?;
    job.install(&mut file, bytes, progress)
}

/// A connection whose silence has a sentence of its own.
struct Patient<'s, 'c>(&'s mut BufReader<&'c UnixStream>);

impl Read for Patient<'_, '_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                let silence_s = INIT_UPDATE_IDLE_MS_MAX / 1000;
                io::Error::new(io::ErrorKind::TimedOut, format!("nothing came for {silence_s} s"))
            }
            _ => error,
        })
    }
}

/// Tries the bundles of the preset partition, each once, until one is installed.
pub(crate) fn try_bundles(names: Vec<String>, disk: &SlotDisk, data: &DataFolder, jobs: Jobs) {
    let (data, device) = match disk.device("weir") {
        Ok(device) => (data.clone(), device),
        Err(error) => return log::error!("bundles: {error}"),
    };
    let work = move || {
        if let Err(error) = bundles(&names, device, &data, &jobs) {
            log::error!("bundles: {error}");
        }
    };
    let thread = thread::Builder::new().name("bundles".to_owned()).stack_size(INIT_STACK_BYTES);
    if let Err(error) = thread.spawn(work) {
        log::error!("bundles: {error}");
    }
}

fn bundles(names: &[String], device: PathBuf, data: &DataFolder, jobs: &Jobs) -> io::Result<()> {
    let mounted = PresetMount::new(&device)?;
    for name in names {
        let path = mounted.path().join(name);
        let hash = hash(&mut File::open(&path)?)?;
        if !is_new(data, hash)? {
            continue;
        }
        log::info!("{name}: this bundle is tried");
        let job = match jobs.ask(Question::BeginUpdate) {
            Reply::Begin(job) => job,
            Reply::Answer(answer) => {
                log::error!("{name}: {answer:?}");
                continue;
            }
        };
        match install_file(&job, &path, &mut |_| ()) {
            Ok((order, manifest)) => {
                log::info!("{name}: version {} is installed", manifest.version);
                jobs.ask(Question::EndUpdate(Some(order)));
                return Ok(());
            }
            Err(why) => {
                log::error!("{name}: {why}");
                jobs.ask(Question::EndUpdate(None));
            }
        }
    }
    Ok(())
}

fn hash(file: &mut File) -> io::Result<ContentHash> {
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; UPDATE_PIECE_BYTES];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        context.update(&piece[..count]);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Ok(ContentHash::from_bytes(hash))
}

/// Whether a bundle was never tried; remembered before it is tried, so that one that breaks the box
/// is not tried again.
fn is_new(data: &DataFolder, hash: ContentHash) -> io::Result<bool> {
    let bytes = data.own().read(TRIED, INIT_FILE_BYTES_MAX)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let digits = hash.to_string();
    let mut tried: Vec<&str> = text.lines().collect();
    if tried.contains(&&*digits) {
        return Ok(false);
    }
    let oldest = (tried.len() + 1).saturating_sub(BUNDLES_REMEMBERED_MAX);
    tried.drain(..oldest);
    tried.push(&digits);
    data.own().write(TRIED, (tried.join("\n") + "\n").as_bytes())?;
    Ok(true)
}
