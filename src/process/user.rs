//! A user of the box, from `/etc/passwd` and `/etc/group`.
//!
//! The C library is not used: it loads a module for each source of users, half a megabyte in all,
//! and a static program has none. Users from other sources (LDAP and the like) are given by their
//! numbers, `uid:gid`.

use std::fmt;
use std::fs::File;
use std::io::Read as _;

use heapless::Vec;

use crate::limits::{USER_DATABASE_BYTES_MAX, USER_GROUPS_MAX};

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// A user to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemUser {
    /// The name in the user database; `None` if it was given by numbers.
    pub(super) name: Option<String>,
    /// The user's numeric id.
    pub uid: u32,
    /// The numeric id of the user's own group.
    pub gid: u32,
    /// Its own group and those it is a member of, up to the bound.
    pub(super) groups: Vec<u32, USER_GROUPS_MAX>,
}

impl fmt::Display for SystemUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name} ")?;
        }
        write!(f, "({}:{})", self.uid, self.gid)
    }
}

impl SystemUser {
    /// A user without a name, in its own group only.
    pub(super) fn of(uid: u32, gid: u32) -> Self {
        Self { name: None, uid, gid, groups: Vec::from_iter([gid]) }
    }

    /// Finds a user by name, or by the numbers `uid:gid`.
    pub(super) fn find(text: &str) -> Option<Self> {
        if let Some((uid, gid)) = text.split_once(':') {
            return Some(Self::of(uid.parse().ok()?, gid.parse().ok()?));
        }
        Self::among(text, &read(USERS), &read(GROUPS))
    }

    fn among(name: &str, users: &str, groups: &str) -> Option<Self> {
        let mut fields = fields_of(name, users)?;
        // The first field after the name was once the password.
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        let mut user = Self { name: Some(name.to_owned()), ..Self::of(uid, gid) };
        for line in groups.lines() {
            let mut fields = line.split(':').skip(2);
            let (Some(number), Some(members)) = (fields.next(), fields.next()) else { continue };
            let Ok(number) = number.parse() else { continue };
            if number != gid && members.split(',').any(|member| member == name) {
                let _ = user.groups.push(number);
            }
        }
        Some(user)
    }
}

/// The fields after the name in a user's line.
fn fields_of<'a>(name: &str, database: &'a str) -> Option<impl Iterator<Item = &'a str>> {
    let line = database.lines().find(|line| line.split(':').next() == Some(name))?;
    Some(line.split(':').skip(1)).filter(|_| !name.is_empty())
}

/// Reads a database up to its bound; empty if it cannot be read.
fn read(path: &str) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(USER_DATABASE_BYTES_MAX).read_to_string(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let numbers = SystemUser::find("1000:100").expect("numbers");
        assert_eq!((numbers.uid, numbers.gid), (1000, 100));
        assert_eq!(numbers.to_string(), "(1000:100)");
        let root = SystemUser::find("root").expect("root");
        assert_eq!(root.to_string(), "root (0:0)");
        for nonsense in ["", "no-such-user-here", "1000", "a:b", "1:2:3", "-1:0", "a\0b"] {
            assert_eq!(SystemUser::find(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn a_user_has_its_groups_and_no_others() {
        let users = "root:x:0:0:root:/root:/bin/sh\nweir:x:997:995::/var/lib/weir:/bin/false\n\
                     broken:x:many:0\n:x:1:1\nshort:x\n";
        let groups = "root:x:0:\ndialout:x:20:anna,weir\nweir:x:995:weir\nadm:x:4:weirdo,anna\n\
                      broken:x:b:weir\nshort\nvideo:x:44:weir\n";
        let weir = SystemUser::among("weir", users, groups).expect("a user");
        assert_eq!((weir.uid, weir.gid, weir.groups.as_slice()), (997, 995, &[995, 20, 44][..]));
        assert_eq!(weir.to_string(), "weir (997:995)");
        for name in ["broken", "short", "", "weird"] {
            assert_eq!(SystemUser::among(name, users, groups), None, "{name}");
        }
    }
}
