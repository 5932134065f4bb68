//! The domains that the box's own network gave it: `search` and `domain` of `/etc/resolv.conf`,
//! where DHCP writes what the router says. A router lets its hosts be found under them
//! (`weir.fritz.box`), so a name of one label under such a domain is a name of this network.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::rc::Rc;

use crate::limits::{HOSTS_BYTES_MAX, NAME_DOMAINS_MAX, OWN_DOMAINS_LOOK_US};

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Domains of one label that are not top-level domains and are not to become any. Under any other,
/// such as `com`, every stranger can have a name.
const SINGLE_LABELS: [&str; 8] =
    ["corp", "home", "internal", "intranet", "lan", "local", "localdomain", "private"];

/// The domains in the file, which is read again every [`OWN_DOMAINS_LOOK_US`]: DHCP comes after the
/// boot.
#[derive(Debug, Default)]
pub(super) struct Domains {
    looked_us: Cell<Option<u64>>,
    found: RefCell<Rc<[String]>>,
}

impl Domains {
    /// The domains at this time, in lower case.
    pub(super) fn at(&self, now_us: u64) -> Rc<[String]> {
        let is_old =
            self.looked_us.get().is_none_or(|looked_us| now_us >= looked_us + OWN_DOMAINS_LOOK_US);
        if is_old {
            self.looked_us.set(Some(now_us));
            let read = domains(&text(Path::new(RESOLV_CONF)));
            if **self.found.borrow() != *read {
                *self.found.borrow_mut() = read.into();
            }
        }
        Rc::clone(&self.found.borrow())
    }
}

/// The first [`HOSTS_BYTES_MAX`] of the file; empty where it cannot be read.
fn text(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(HOSTS_BYTES_MAX).read_to_string(&mut text);
    }
    text
}

/// The domains of a resolver file (resolv.conf(5)); its last `search` or `domain` line counts.
fn domains(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
        if let Some("search" | "domain") = words.next() {
            let words = words.map(|word| word.trim_end_matches('.').to_ascii_lowercase());
            found = words.filter(|domain| is_ours(domain)).take(NAME_DOMAINS_MAX).collect();
        }
    }
    found
}

fn is_ours(domain: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let labels = domain.split('.').filter(|label| !label.is_empty()).count();
    let is_whole = labels == domain.matches('.').count() + 1;
    domain.bytes().all(fits) && is_whole && (labels > 1 || SINGLE_LABELS.contains(&domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_router_said_and_no_domain_of_everybodys() {
        for (text, expected) in [
            ("nameserver 192.0.2.1\nsearch fritz.box\n", &["fritz.box"][..]),
            ("domain Speedport.ip.\n", &["speedport.ip"]),
            ("search lan tail1234.ts.net # both", &["lan", "tail1234.ts.net"]),
            ("search old.example\nsearch new.example", &["new.example"]),
            ("search com dev localdomain", &["localdomain"]),
            ("search . .. a..b -", &[]),
            ("#search fritz.box", &[]),
            ("search", &[]),
            ("", &[]),
        ] {
            assert_eq!(domains(text), expected, "{text}");
        }
        let many = format!("search{}", " a.b".repeat(100));
        assert_eq!(domains(&many).len(), NAME_DOMAINS_MAX);
    }
}
