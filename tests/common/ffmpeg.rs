//! ffmpeg as the encoder of clips and as the judge of what viewers got.

use std::io::Write;
use std::process::{Command, Stdio};

use weir::codec::Codec;

/// ffmpeg's name of a raw byte stream.
fn format(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "h264",
        Codec::H265 => "hevc",
    }
}

/// A test picture encoded as H.265 with these parameters of x265.
pub fn hevc_clip(size: &str, frames: u32, parameters: &str) -> Vec<u8> {
    let source = format!("testsrc2=size={size}:rate=25");
    let frames = frames.to_string();
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", &frames])
        .args(["-pix_fmt", "yuv420p", "-c:v", "libx265", "-preset", "ultrafast"])
        .args(["-x265-params", &format!("log-level=error:{parameters}"), "-f", "hevc", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The MD5 of each picture, as ffmpeg decodes `stream`, which it does without a complaint.
pub fn picture_md5s(codec: Codec, stream: &[u8]) -> Vec<String> {
    let (pictures, complaints) = decoded_md5s(codec, stream);
    assert!(complaints.is_empty(), "{complaints}");
    pictures
}

/// The MD5 of each picture, in its own size, as ffmpeg decodes `stream`, and its complaints.
pub fn decoded_md5s(codec: Codec, stream: &[u8]) -> (Vec<String>, String) {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", format(codec), "-threads", "1", "-i", "-", "-autoscale", "0"])
        .args(["-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs");
    let mut input = ffmpeg.stdin.take().expect("a pipe");
    let stream = stream.to_vec();
    let feeding = std::thread::spawn(move || input.write_all(&stream));
    let output = ffmpeg.wait_with_output().expect("our child");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaints}");
    feeding.join().expect("no panic").expect("ffmpeg reads all of it");
    let text = String::from_utf8(output.stdout).expect("text");
    let pictures = text.lines().filter(|line| !line.starts_with('#'));
    (
        pictures.map(|line| line.rsplit(", ").next().expect("a column").to_owned()).collect(),
        complaints,
    )
}
