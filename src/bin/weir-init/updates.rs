//! Updates: from weir's connection and from the partition of presets, one at a time, each on a
//! thread of its own. The loop says whether one may begin, and restarts the box after it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
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
use super::presets;
use super::update_job::UpdateJob;

/// The hashes of the bundles of the preset partition that were tried.
const TRIED: &str = "bundles";

/// Serves the rest of an update's connection.
///
/// # Errors
/// The client is gone.
pub(crate) fn serve(
    source: &mut BufReader<&UnixStream>,
    bytes: u64,
    jobs: &Jobs,
) -> io::Result<()> {
    let mut sink = *source.get_ref();
    let job = match jobs.ask(Question::BeginUpdate) {
        Reply::Begin(job) => job,
        Reply::Answer(answer) => return write_answer(&mut sink, &answer),
    };
    let patience = Duration::from_millis(INIT_UPDATE_IDLE_MS_MAX);
    let patient = sink.set_read_timeout(Some(patience));
    let mut steps = ProgressSteps::default();
    let mut progress = |made: UpdateProgress| {
        if steps.is_due(made) {
            // Who does not listen gets its update all the same.
            let _ = write_answer(&mut sink, &BoxAnswer::Progress(made));
        }
    };
    let installed = match patient {
        Ok(()) => job.install(&mut Patient(source), bytes, &mut progress),
        Err(error) => Err(error.to_string()),
    };
    let (answer, order) = match installed {
        Ok((order, manifest)) => (BoxAnswer::Done(job.said(&manifest)), Some(order)),
        Err(why) => {
            log::error!("an update was not installed: {why}");
            (BoxAnswer::Refused(why), None)
        }
    };
    jobs.ask(Question::EndUpdate(order));
    write_answer(&mut sink, &answer)
}

/// Installs a bundle of the preset partition by its name, as a person asked at the console.
///
/// # Errors
/// The client is gone.
pub(crate) fn serve_file(mut sink: &UnixStream, name: &str, jobs: &Jobs) -> io::Result<()> {
    let job = match jobs.ask(Question::BeginUpdate) {
        Reply::Begin(job) => job,
        Reply::Answer(answer) => return write_answer(&mut sink, &answer),
    };
    let mut steps = ProgressSteps::default();
    let mut progress = |made: UpdateProgress| {
        if steps.is_due(made) {
            let _ = write_answer(&mut sink, &BoxAnswer::Progress(made));
        }
    };
    let (answer, order) = match install_file(&job, name, &mut progress) {
        Ok((order, manifest)) => (BoxAnswer::Done(job.said(&manifest)), Some(order)),
        Err(why) => {
            log::error!("{name}: {why}");
            (BoxAnswer::Refused(why), None)
        }
    };
    jobs.ask(Question::EndUpdate(order));
    write_answer(&mut sink, &answer)
}

fn install_file(
    job: &UpdateJob,
    name: &str,
    progress: &mut impl FnMut(UpdateProgress),
) -> Result<(BootOrder, Manifest), String> {
    // One name of a file, and no path to elsewhere.
    if name.contains('/') || name.starts_with('.') {
        return Err("the name of a file on the partition WEIR, without a path".to_owned());
    }
    let read = |error: io::Error| format!("{name} on the partition WEIR: {error}");
    let mounted = PresetMount::new(&job.presets, presets::PLACE).map_err(read)?;
    let mut file = File::open(mounted.path().join(name)).map_err(read)?;
    let bytes = file.metadata().map_err(read)?.len();
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
    let mounted = PresetMount::new(&device, presets::PLACE)?;
    for name in names {
        let mut file = File::open(mounted.path().join(name))?;
        let bytes = file.metadata()?.len();
        let hash = hash(&mut file)?;
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
        let mut file = File::open(mounted.path().join(name))?;
        match job.install(&mut file, bytes, &mut |_| ()) {
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
