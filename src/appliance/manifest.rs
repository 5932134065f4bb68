//! What a bundle says of the slot in it, and whether that is signed.
//!
//! `manifest.toml` is signed in minisign's format, prehashed, by the key whose public half is in
//! the box's initramfs. Its hash of the slot makes the signature one over all of the bundle. What
//! is not signed is not read as TOML. `scripts/bundle` writes bundles.

use std::fmt;

use minisign_verify::{PublicKey, Signature};
use serde::Deserialize;

use crate::config::is_cheap;
use crate::hex;
use crate::limits::{
    SLOT_BLOCK_BYTES, SLOT_BYTES_MAX, SLOT_HEADER_BYTES, UPDATE_KEY_BYTES_MAX,
    UPDATE_MANIFEST_TABLES_MAX,
};

use super::slot::{SlotHeader, is_word};
use super::version::DottedVersion;

/// The format of manifests that this reads.
const FORMAT: u64 = 1;

/// A manifest whose signature was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the board that the slot is made for.
    pub board: String,
    /// Version of the weir in it.
    pub version: DottedVersion,
    /// Commit that it was built from, as far as that is known.
    pub build: String,
    /// The oldest version that may be installed over it.
    pub oldest: DottedVersion,
    /// Length of the slot, header included.
    pub slot_bytes: u64,
    /// SHA-256 of all these bytes.
    pub slot_sha256: [u8; 32],
}

/// The key that a box takes updates from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateKey(PublicKey);

/// Why a manifest does not count.
#[derive(Debug)]
pub enum ManifestError {
    /// The signature is no text in minisign's format.
    NoSignature(minisign_verify::Error),
    /// It is another key's.
    ForeignKey,
    /// It is not of this manifest, was changed, or is not prehashed.
    Signature(minisign_verify::Error),
    /// It is signed, but not the TOML that was agreed on.
    Toml(String),
    /// Its format is another one.
    Format(u64),
    /// The value of this name cannot be.
    Value(&'static str),
}

/// A text that is no public key in minisign's format.
#[derive(Debug)]
pub struct NoUpdateKey(String);

/// The keys of the file. More of them may come with a later version and mean nothing to this one.
#[derive(Deserialize)]
struct ManifestFile {
    format: u64,
    board: String,
    version: String,
    build: String,
    oldest: String,
    slot_bytes: u64,
    slot_sha256: String,
}

impl UpdateKey {
    /// Reads the file that `minisign -G` made: a comment, and the key.
    ///
    /// # Errors
    /// The text is too long or is none.
    pub fn read(text: &str) -> Result<Self, NoUpdateKey> {
        if text.len() > UPDATE_KEY_BYTES_MAX {
            let excess = format!("{} bytes, max {UPDATE_KEY_BYTES_MAX}", text.len());
            return Err(NoUpdateKey(excess));
        }
        let key = PublicKey::decode(text).map_err(|error| NoUpdateKey(error.to_string()))?;
        Ok(Self(key))
    }
}

impl Manifest {
    /// Checks the signature, and only then reads the manifest.
    pub(super) fn signed(
        manifest: &[u8],
        signature: &[u8],
        key: &UpdateKey,
    ) -> Result<Self, ManifestError> {
        use minisign_verify::Error::{InvalidEncoding, UnexpectedKeyId};
        let text = std::str::from_utf8(signature)
            .map_err(|_| ManifestError::NoSignature(InvalidEncoding))?;
        let signature = Signature::decode(text).map_err(ManifestError::NoSignature)?;
        key.0.verify(manifest, &signature, false).map_err(|error| match error {
            UnexpectedKeyId => ManifestError::ForeignKey,
            other => ManifestError::Signature(other),
        })?;
        Self::read(manifest)
    }

    /// Reads a manifest whose signature is known to be right.
    pub(super) fn read(manifest: &[u8]) -> Result<Self, ManifestError> {
        let no_toml = || ManifestError::Toml("a syntax mistake, or too many tables".to_owned());
        let text = std::str::from_utf8(manifest)
            .ok()
            .filter(|text| is_cheap(text, UPDATE_MANIFEST_TABLES_MAX));
        let file: ManifestFile = toml::from_str(text.ok_or_else(no_toml)?)
            .map_err(|error| ManifestError::Toml(error.message().to_owned()))?;
        if file.format != FORMAT {
            return Err(ManifestError::Format(file.format));
        }
        let word = |text: String, name| {
            if is_word(&text) { Ok(text) } else { Err(ManifestError::Value(name)) }
        };
        let version = |text: &str, name| text.parse().map_err(|_| ManifestError::Value(name));
        let is_length = file.slot_bytes.is_multiple_of(SLOT_BLOCK_BYTES)
            && (SLOT_HEADER_BYTES as u64..=SLOT_BYTES_MAX).contains(&file.slot_bytes);
        if !is_length {
            return Err(ManifestError::Value("slot_bytes"));
        }
        Ok(Self {
            version: version(&file.version, "version")?,
            oldest: version(&file.oldest, "oldest")?,
            board: word(file.board, "board")?,
            build: word(file.build, "build")?,
            slot_bytes: file.slot_bytes,
            slot_sha256: hex::bytes(&file.slot_sha256)
                .ok_or(ManifestError::Value("slot_sha256"))?,
        })
    }

    /// Whether the header of the slot says the same as this does.
    pub(super) fn is_of(&self, header: &SlotHeader) -> bool {
        self.board == header.board
            && self.version == header.version
            && self.build == header.build
            && self.oldest == header.oldest
            && self.slot_bytes == header.bytes
    }
}

impl fmt::Display for NoUpdateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is no public key as minisign writes it: {}", self.0)
    }
}

impl std::error::Error for NoUpdateKey {}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSignature(error) => {
                write!(f, "its signature is not in minisign's format: {error}")
            }
            Self::ForeignKey => f.write_str("it is signed by another key than this box knows"),
            Self::Signature(error) => write!(f, "its signature is not good: {error}"),
            Self::Toml(what) => write!(f, "its manifest is not what this weir reads: {what}"),
            Self::Format(format) => {
                write!(f, "its manifest has format {format}, this weir reads {FORMAT}")
            }
            Self::Value(name) => write!(f, "{name} of its manifest cannot be what it says"),
        }
    }
}

impl std::error::Error for ManifestError {}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = include_str!("../../tests/data/update/test-key.pub");
    const SIGNED: &[u8] = include_bytes!("../../tests/data/update/manifest.toml");
    const SIGNATURE: &str = include_str!("../../tests/data/update/manifest.toml.minisig");
    /// Of a key that is nowhere any more, for the same manifest.
    const FOREIGN: &str = include_str!("../../tests/data/update/foreign.minisig");
    /// Of the test key, by `minisign -S -l`: not prehashed.
    const LEGACY: &str = include_str!("../../tests/data/update/legacy.minisig");

    fn key() -> UpdateKey {
        UpdateKey::read(KEY).expect("a key")
    }

    fn signed(manifest: &[u8], signature: &str) -> Result<Manifest, String> {
        let judged = Manifest::signed(manifest, signature.as_bytes(), &key());
        judged.map_err(|error| error.to_string())
    }

    fn read(from: &str, to: &str) -> Result<Manifest, String> {
        let text = std::str::from_utf8(SIGNED).expect("text");
        assert!(text.contains(from), "{from}");
        let changed = text.replace(from, to);
        Manifest::read(changed.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_minisign_signed_is_read() {
        let manifest = signed(SIGNED, SIGNATURE).expect("good");
        assert_eq!(manifest.board, "test-board");
        assert_eq!(manifest.version.to_string(), "0.2.0");
        assert_eq!(manifest.oldest.to_string(), "0.1.0");
        assert_eq!(Ok(manifest), read("", ""));
    }

    #[test]
    fn a_foreign_key_an_old_signature_and_none_are_told_apart() {
        let foreign = "it is signed by another key than this box knows";
        assert_eq!(signed(SIGNED, FOREIGN), Err(foreign.to_owned()));
        let legacy = signed(SIGNED, LEGACY).expect_err("not prehashed");
        assert_eq!(legacy, "its signature is not good: Unexpected signature algorithm");
        for none in ["", "untrusted comment: x\n", "a\nb\nc\nd\n", KEY] {
            let said = signed(SIGNED, none).expect_err("none");
            assert!(said.starts_with("its signature is not in minisign's format"), "{said}");
        }
        Manifest::signed(SIGNED, &[0xff; 300], &key()).expect_err("no text");
    }

    #[test]
    fn every_flipped_bit_of_the_manifest_is_found() {
        for at in 0..SIGNED.len() {
            let mut bad = SIGNED.to_vec();
            bad[at] ^= 1 << (at % 8);
            signed(&bad, SIGNATURE).expect_err("changed");
        }
    }

    /// All but the first comment, which is not trusted: minisign itself does not look at it.
    #[test]
    fn every_changed_sign_of_the_signature_is_found() {
        let comment = SIGNATURE.lines().next().expect("a comment").len();
        let end = SIGNATURE.trim_end().len();
        for at in comment..end {
            let mut bad = SIGNATURE.as_bytes().to_vec();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            Manifest::signed(SIGNED, &bad, &key()).expect_err("changed");
        }
        for length in 0..end {
            signed(SIGNED, &SIGNATURE[..length]).expect_err("cut off");
        }
    }

    #[test]
    fn what_is_signed_and_makes_no_sense_is_refused_in_words() {
        let value = |name: &str| Err(format!("{name} of its manifest cannot be what it says"));
        assert_eq!(
            read("format = 1", "format = 2"),
            Err("its manifest has format 2, this weir reads 1".to_owned())
        );
        assert_eq!(read("\"test-board\"", "\"test board\""), value("board"));
        assert_eq!(read("\"0.2.0\"", "\"two\""), value("version"));
        assert_eq!(read("\"0.1.0\"", "\"\""), value("oldest"));
        assert_eq!(read("slot_sha256 = \"", "slot_sha256 = \"0"), value("slot_sha256"));
        let bytes = read("", "").expect("good").slot_bytes;
        let length = |bytes: u64, other: u64| {
            read(&format!("slot_bytes = {bytes}"), &format!("slot_bytes = {other}"))
        };
        assert_eq!(length(bytes, 32 << 20).expect("at the bound").slot_bytes, 32 << 20);
        for wrong in [0, 511, 512, 4095, bytes + 1, (32 << 20) + 512] {
            assert_eq!(length(bytes, wrong), value("slot_bytes"), "{wrong}");
        }
        for broken in ["x = \n", "board = \"a\"\n", "build = 1\n"] {
            let said = read("format = 1\n", broken).expect_err("no manifest");
            assert!(said.starts_with("its manifest is not what this weir reads: "), "{said}");
        }
    }

    #[test]
    fn a_later_manifest_may_have_more_in_it() {
        read("format = 1\n", "format = 1\nnotes = \"new\"\n").expect("it means nothing to this");
        let lists = |count: usize| {
            let lists = format!("format = 1\nnotes = [{}]\n", "[],".repeat(count - 1));
            read("format = 1\n", &lists)
        };
        lists(UPDATE_MANIFEST_TABLES_MAX).expect("at the bound");
        let said = lists(UPDATE_MANIFEST_TABLES_MAX + 1).expect_err("beyond it");
        assert!(said.ends_with("a syntax mistake, or too many tables"), "{said}");
    }

    #[test]
    fn a_key_is_what_minisign_writes() {
        for wrong in ["", "RWQ", "untrusted comment: x\nRWQ\n", SIGNATURE] {
            let said = UpdateKey::read(wrong).expect_err("no key").to_string();
            assert!(said.starts_with("this is no public key as minisign writes it"), "{said}");
        }
        UpdateKey::read(&"x".repeat(UPDATE_KEY_BYTES_MAX + 1)).expect_err("too long");
    }
}
