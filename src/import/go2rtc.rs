//! `go2rtc.yaml`: `streams`, each with one source or several, of which the first that weir can
//! fetch is used. Options of a source follow it after `#`. Frigate has the same in its section
//! `go2rtc`.

use super::source::{elsewhere, is_rtsp, refusal, rtsp};
use super::yaml::{Node, Tree};
use super::{Findings, Found, ImportedSource};

/// Sections that weir has under another name or not at all, and the remark on each.
const SECTIONS: [(&str, &str); 4] = [
    ("publish", "publishing to other servers is not taken over: weir serves browsers alone"),
    ("homekit", "HomeKit is not taken over: weir serves browsers alone"),
    ("hass", "cameras that Home Assistant knows are not taken over: this file does not name them"),
    ("ngrok", "the tunnel of `ngrok` is not taken over"),
];
/// Options of an RTSP source that change nothing in weir.
const IDLE_OPTIONS: [&str; 5] = ["backchannel", "timeout", "pkt_size", "gop", "reconnect"];
/// Options of ffmpeg that change the picture.
const PICTURE_OPTIONS: [&str; 5] = ["rotate", "width", "height", "raw", "drawtext"];

/// A source without its options, and remarks on what is left out.
struct Fetched {
    source: ImportedSource,
    remarks: Vec<String>,
}

pub(super) fn is_of(tree: &Tree) -> bool {
    root(tree).is_some()
}

/// The node that holds `streams`: the root, or Frigate's section.
fn root<'a, 't>(tree: &'a Tree<'t>) -> Option<Node<'a, 't>> {
    let has_streams = |node: &Node| node.value("streams").is_some_and(Node::is_map);
    let root = tree.root();
    Some(root).filter(has_streams).or_else(|| root.value("go2rtc").filter(has_streams))
}

/// Reads the streams; `None` without a map of streams.
pub(super) fn read(tree: &Tree) -> Option<Findings> {
    let root = root(tree)?;
    let streams = root.value("streams")?;
    let streams = streams.entries().map(|(name, value)| stream(name, value)).collect();
    let mut remarks: Vec<String> = SECTIONS
        .iter()
        .filter(|(section, _)| root.value(section).is_some_and(Node::is_map))
        .map(|(_, remark)| (*remark).to_owned())
        .collect();
    let has_login = |section: &&str| {
        let login = root.value(section).and_then(|section| section.value("username"));
        login.and_then(Node::words).is_some()
    };
    if ["api", "rtsp"].iter().any(has_login) {
        remarks.push(
            "users and passwords of viewers are not taken over: make them with `weir password`"
                .to_owned(),
        );
    }
    Some(Findings { streams, remarks })
}

fn stream(name: &str, value: Node) -> Found {
    let value = value.value("url").unwrap_or(value);
    let own = value.words().is_some() || value.tag().is_some();
    let sources: Vec<Node> = own.then_some(value).into_iter().chain(value.members()).collect();
    let sources: Vec<Result<&str, String>> = sources.into_iter().filter_map(text).collect();
    let mut remarks = Vec::new();
    let mut taken = None;
    let mut why = "it has no source".to_owned();
    for (index, text) in sources.iter().enumerate() {
        // A single source needs no number.
        let number =
            if sources.len() > 1 { format!("source {}: ", index + 1) } else { String::new() };
        match text.clone().and_then(fetched) {
            Ok(_) if taken.is_some() => {
                remarks.push(format!("{number}not taken over: weir has one source for a camera"));
            }
            Ok(fetched) => {
                taken = Some(fetched.source);
                remarks.extend(fetched.remarks.into_iter().map(|remark| number.clone() + &remark));
            }
            Err(reason) => {
                if index == 0 {
                    why.clone_from(&reason);
                }
                remarks.push(format!("{number}not taken over: {reason}"));
            }
        }
    }
    if taken.is_none() && sources.len() > 1 {
        why = format!("none of its {} sources can be: {why}", sources.len());
    }
    Found { name: name.to_owned(), source: taken.ok_or(why), remarks }
}

/// Text of a source, or why it cannot be read here; `None` for an empty one.
fn text<'a>(source: Node<'a, '_>) -> Option<Result<&'a str, String>> {
    let tagged = source.tag().map(|tag| Err(elsewhere(tag)));
    tagged.or_else(|| source.words().map(Ok))
}

/// A source as weir would fetch it, or why weir cannot.
fn fetched(text: &str) -> Result<Fetched, String> {
    let (url, options) = text.split_once('#').unwrap_or((text, ""));
    let options: Vec<(&str, &str)> = options
        .split('#')
        .filter(|option| !option.is_empty())
        .map(|option| option.split_once('=').unwrap_or((option, "")))
        .collect();
    let (scheme, input) = url.split_at(url.find(':').map_or(0, |colon| colon + 1));
    if scheme.eq_ignore_ascii_case("ffmpeg:") {
        let remark = through_ffmpeg(&options)?;
        if is_rtsp(input) {
            return Ok(Fetched { source: rtsp(input)?, remarks: vec![remark] });
        }
    }
    if !is_rtsp(url) {
        return Err(refusal(url));
    }
    let remarks = of_rtsp(&options)?;
    Ok(Fetched { source: rtsp(url)?, remarks })
}

/// Remarks on the options of an RTSP source, or why weir cannot use the source.
fn of_rtsp(options: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let mut remarks = Vec::new();
    for (key, value) in options {
        match (*key, *value) {
            ("transport", "" | "tcp") | ("media", "video") => {}
            ("transport", "udp") => {
                remarks.push("`#transport=udp` not taken over: weir asks for TCP".to_owned());
            }
            ("transport", _) => return Err("it is RTSP within a WebSocket".to_owned()),
            ("media", "audio") => {
                return Err("it has sound alone, and weir needs a picture".to_owned());
            }
            (key, _) if IDLE_OPTIONS.contains(&key) => {}
            ("video" | "audio", _) => {
                remarks.push(format!("`#{key}` not taken over: weir passes on the camera's H.264"));
            }
            _ => remarks.push("an option behind `#` not taken over: weir has no such".to_owned()),
        }
    }
    Ok(remarks)
}

/// Remark on a camera that ffmpeg reads, which weir reads directly where ffmpeg only copies; else
/// why weir cannot use it.
fn through_ffmpeg(options: &[(&str, &str)]) -> Result<String, String> {
    let has = |key: &str| options.iter().any(|(name, _)| *name == key);
    let is_sound = has("audio") && !has("video");
    let transcodes = options.iter().any(|(key, value)| *key == "video" && *value != "copy");
    if is_sound {
        Err("it has sound alone, and weir needs a picture".to_owned())
    } else if transcodes || PICTURE_OPTIONS.iter().any(|key| has(key)) {
        Err("ffmpeg transcodes it (`#video=`, `#rotate=` and such), and weir does not; set the \
             camera to H.264 and give its own `rtsp://` address"
            .to_owned())
    } else {
        Ok("without ffmpeg, which only copied it: weir reads the camera itself".to_owned())
    }
}
