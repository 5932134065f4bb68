//! A profile as `go tool pprof` reads it (profile.proto of github.com/google/pprof), in gzip, made
//! piece by piece as it is sent. In it, texts are named by their place among all texts; the fields
//! may come in any order.

use hyper::StatusCode;

use super::gzip::{BLOCK_BYTES_MAX, Gzip};
use super::protobuf::WireMessage;
use crate::clock;
use crate::web::Reply;
use crate::web::content::Content;

/// Bytes of a piece, about; the last part of it may make it longer.
const PIECE_BYTES: usize = 4 << 10;
const _: () = assert!(8 * PIECE_BYTES < BLOCK_BYTES_MAX);

/// Fields of the profile itself.
const SAMPLE_TYPE: u8 = 1;
const SAMPLE: u8 = 2;
const MAPPING: u8 = 3;
const LOCATION: u8 = 4;
const FUNCTION: u8 = 5;
const TEXT: u8 = 6;
const TIME_NS: u8 = 9;
const DURATION_NS: u8 = 10;
const PERIOD_TYPE: u8 = 11;
const PERIOD: u8 = 12;
const DEFAULT_SAMPLE_TYPE: u8 = 14;

/// What is counted, and in which unit.
pub(super) type ValueType = (&'static str, &'static str);

/// Writes the parts of a profile.
#[derive(Debug)]
pub(super) struct Writer {
    message: WireMessage,
    /// Texts so far.
    texts: u64,
}

/// The program's file, as a profile names it.
#[derive(Debug)]
pub(super) struct Mapping<'a> {
    pub(super) start: u64,
    pub(super) bytes: u64,
    pub(super) file: &'a str,
    pub(super) build_id: &'a str,
}

impl Writer {
    /// A profile of samples with these values, the one to be shown first by its name. The first of
    /// all texts is empty.
    fn new(values: &[ValueType], shown: &str) -> Self {
        let mut writer = Self { message: WireMessage::default(), texts: 0 };
        writer.text("");
        for value in values {
            writer.value_type(SAMPLE_TYPE, *value);
        }
        let shown = writer.text(shown);
        writer.message.number(DEFAULT_SAMPLE_TYPE, shown);
        writer.message.number(TIME_NS, clock::unix_s() * 1_000_000_000);
        writer
    }

    /// How long was sampled, and what a sample stands for.
    pub(super) fn sampled(&mut self, duration_us: u64, unit: ValueType, period: u64) {
        self.value_type(PERIOD_TYPE, unit);
        self.message.number(DURATION_NS, duration_us * 1000).number(PERIOD, period);
    }

    /// The only mapping: the program's file.
    pub(super) fn mapping(&mut self, mapping: &Mapping<'_>) {
        let (file, build_id) = (self.text(mapping.file), self.text(mapping.build_id));
        let Mapping { start, bytes, .. } = mapping;
        self.message.message(MAPPING, |message| {
            message.number(1, 1).number(2, *start).number(3, start + bytes);
            message.number(5, file).number(6, build_id).number(7, 1);
        });
    }

    /// A function, by a number that no other has. Without the name that the linker knows it by, it
    /// counts as readable; of a name that is both, tools would cut off what is in angle brackets.
    pub(super) fn function(&mut self, id: u64, name: &str) {
        let name = self.text(name);
        self.message.message(FUNCTION, |message| {
            message.number(1, id).number(2, name);
        });
    }

    /// A place in a function; with its address if that is in the mapping.
    pub(super) fn location(&mut self, id: u64, function: u64, address: Option<u64>) {
        self.message.message(LOCATION, |message| {
            message.number(1, id).number(2, u64::from(address.is_some()));
            message.number(3, address.unwrap_or(0)).message(4, |line| {
                line.number(1, function);
            });
        });
    }

    /// A sample: locations, innermost first, and as many values as the profile has.
    pub(super) fn sample(&mut self, locations: impl IntoIterator<Item = u64>, values: &[u64]) {
        self.message.message(SAMPLE, |message| {
            message.numbers(1, locations).numbers(2, values.iter().copied());
        });
    }

    fn value_type(&mut self, field: u8, (what, unit): ValueType) {
        let (what, unit) = (self.text(what), self.text(unit));
        self.message.message(field, |message| {
            message.number(1, what).number(2, unit);
        });
    }

    fn text(&mut self, text: &str) -> u64 {
        self.message.text(TEXT, text);
        self.texts += 1;
        self.texts - 1
    }
}

/// A profile's reply; `part` writes the next part of it, and is false when there is none.
pub(super) fn reply(
    values: &[ValueType],
    shown: &str,
    mut part: impl FnMut(&mut Writer) -> bool + 'static,
) -> Reply {
    let mut writer = Writer::new(values, shown);
    let mut gzip = Gzip::new();
    let (mut head, mut is_over) = (Some(Gzip::head()), false);
    let mut reply = crate::web::reply(StatusCode::OK, "application/octet-stream", "");
    *reply.body_mut() = Content::Pieces(Box::new(move || {
        if is_over {
            return None;
        }
        while !is_over && writer.message.len() < PIECE_BYTES {
            is_over = !part(&mut writer);
        }
        let content = std::mem::take(&mut writer.message).into_bytes();
        let mut piece = head.take().map_or(Vec::new(), |head| head.to_vec());
        piece.extend(gzip.block(&content));
        if is_over {
            piece.extend(gzip.end());
        }
        Some(piece.into())
    }));
    reply
}
