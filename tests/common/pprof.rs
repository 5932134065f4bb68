//! A reader of profiles (profile.proto), written from the format's description and not from weir's
//! writer.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// A profile, with its texts in place.
#[derive(Debug, Default)]
pub struct Profile {
    /// What each value counts, and its unit.
    pub sample_types: Vec<(String, String)>,
    /// Names of functions, innermost first, and values.
    pub samples: Vec<(Vec<String>, Vec<u64>)>,
    /// Addresses within the mapping.
    pub addresses: Vec<u64>,
    /// Where the mapping begins and ends.
    pub mapping: (u64, u64),
    /// The mapping's file and build id.
    pub file: (String, String),
    /// Nanoseconds that were sampled.
    pub duration_ns: u64,
    /// What a sample stands for.
    pub period: u64,
}

enum Field<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

impl<'m> Field<'m> {
    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(_) => panic!("a number was expected"),
        }
    }

    fn bytes(&self) -> &'m [u8] {
        match self {
            Self::Number(_) => panic!("a message or text was expected"),
            Self::Bytes(bytes) => bytes,
        }
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        value |= u64::from(first & 127) << shift;
        if first & 128 == 0 {
            return value;
        }
    }
    panic!("a number of more than ten bytes");
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                let (content, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(content)
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

/// The last number of a field; 0 without one.
fn number(message: &[(u64, Field<'_>)], field: u64) -> u64 {
    message.iter().rev().find(|(at, _)| *at == field).map_or(0, |(_, found)| found.number())
}

fn numbers(message: &[(u64, Field<'_>)], field: u64) -> Vec<u64> {
    let mut all = Vec::new();
    for (_, found) in message.iter().filter(|(at, _)| *at == field) {
        match found {
            Field::Number(number) => all.push(*number),
            Field::Bytes(packed) => {
                let mut packed = *packed;
                while !packed.is_empty() {
                    all.push(varint(&mut packed));
                }
            }
        }
    }
    all
}

impl Profile {
    /// Reads a file as weir sends it.
    pub fn open(file: &Path) -> Self {
        let output = Command::new("gzip").args(["-d", "-c"]).arg(file).output().expect("gzip runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self::read(&output.stdout)
    }

    /// Reads a profile that is not compressed; panics where it is no profile.
    pub fn read(bytes: &[u8]) -> Self {
        let whole = fields(bytes);
        let messages = |field: u64| {
            let found = whole.iter().filter(move |(at, _)| *at == field);
            found.map(|(_, found)| fields(found.bytes()))
        };
        let texts = whole.iter().filter(|(at, _)| *at == 6).map(|(_, text)| text.bytes());
        let texts: Vec<&str> =
            texts.map(|text| std::str::from_utf8(text).expect("UTF-8")).collect();
        assert_eq!(texts.first(), Some(&""), "the first text is empty");
        let text = |at: u64| texts[usize::try_from(at).expect("an index")].to_owned();
        let of = |message: &[(u64, Field<'_>)], field| text(number(message, field));
        let functions: BTreeMap<u64, String> =
            messages(5).map(|one| (number(&one, 1), of(&one, 2))).collect();
        assert_eq!(functions.len(), messages(5).count(), "each function has its number");
        let mut profile = Self {
            duration_ns: number(&whole, 10),
            period: number(&whole, 12),
            sample_types: messages(1).map(|one| (of(&one, 1), of(&one, 2))).collect(),
            ..Self::default()
        };
        if let Some(mapping) = messages(3).next() {
            profile.mapping = (number(&mapping, 2), number(&mapping, 3));
            profile.file = (of(&mapping, 5), of(&mapping, 6));
        }
        let mut locations = BTreeMap::new();
        for location in messages(4) {
            let line = location.iter().find(|(at, _)| *at == 4).expect("a line").1.bytes();
            let function = functions[&number(&fields(line), 1)].clone();
            assert!(locations.insert(number(&location, 1), function).is_none(), "used twice");
            if number(&location, 2) == 1 {
                profile.addresses.push(number(&location, 3));
            }
        }
        profile.samples = messages(2)
            .map(|sample| {
                let names = numbers(&sample, 1).iter().map(|at| locations[at].clone()).collect();
                (names, numbers(&sample, 2))
            })
            .collect();
        profile
    }

    /// The sum of one value over all samples whose innermost function is such a one.
    pub fn flat(&self, value: usize, is_meant: impl Fn(&str) -> bool) -> u64 {
        let meant = self.samples.iter().filter(|(names, _)| is_meant(&names[0]));
        meant.map(|(_, values)| values[value]).sum()
    }

    /// The same over all samples in which such a function is somewhere.
    pub fn cumulative(&self, value: usize, is_meant: impl Fn(&str) -> bool) -> u64 {
        let meant =
            self.samples.iter().filter(|(names, _)| names.iter().any(|name| is_meant(name)));
        meant.map(|(_, values)| values[value]).sum()
    }
}
