//! `box.toml`: the host name and the network of a box, as `/data` keeps them and a preset gives
//! them. A preset may have the first password besides.
//!
//! A file is read whole or not at all. What is refused is refused in words that name the key, and
//! quote no value of the wrong type: it could be the password. Bounded by
//! [`crate::limits::BOX_FILE_BYTES_MAX`].

use toml::de::{DeTable, DeValue};

use super::network::{NetworkSettings, Unjudged, host_name_problem};
use crate::limits::{BOX_FILE_BYTES_MAX, BOX_FILE_NESTING_MAX};
use crate::storage::Secret;

/// The settings that init owns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BoxSettings {
    /// The host name; `None` for `weir`.
    pub hostname: Option<String>,
    /// How the box is on its network.
    pub network: NetworkSettings,
}

/// A `box.toml` of a preset: what it says, and nothing for what it does not say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BoxPreset {
    /// The host name to have from now on.
    pub hostname: Option<String>,
    /// The first password of the console and of the user `admin`.
    pub password: Option<Secret>,
    /// The network's settings from now on.
    pub network: Option<NetworkSettings>,
}

impl BoxSettings {
    /// Reads the text of a `box.toml` of `/data`.
    ///
    /// # Errors
    /// A sentence that names the key, and the limit if there is one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut table = parse_table(text)?;
        let (hostname, network) = (hostname(&mut table)?, network(&mut table)?);
        finish(&table)?;
        Ok(Self { hostname, network: network.unwrap_or_default() })
    }

    /// The text that [`BoxSettings::parse`] reads.
    pub fn text(&self) -> String {
        // No value that was judged has a sign that TOML wants written in another way.
        let mut text = String::new();
        if let Some(name) = &self.hostname {
            text += &format!("hostname = \"{name}\"\n\n");
        }
        let network = Unjudged::from(self.network.clone());
        text += &format!("[network]\nmode = \"{}\"\n", network.mode);
        let texts = [
            ("address", network.address),
            ("gateway", network.gateway),
            ("interface", network.interface),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                text += &format!("{key} = \"{value}\"\n");
            }
        }
        for (key, values) in [("dns", network.dns), ("ntp", network.ntp)] {
            if !values.is_empty() {
                text += &format!("{key} = [\"{}\"]\n", values.join("\", \""));
            }
        }
        text
    }

    /// The settings after a preset: what it does not name stays.
    #[must_use]
    pub fn with(self, preset: &BoxPreset) -> Self {
        Self {
            hostname: preset.hostname.clone().or(self.hostname),
            network: preset.network.clone().unwrap_or(self.network),
        }
    }
}

impl BoxPreset {
    /// Reads the text of a `box.toml` of a preset.
    ///
    /// # Errors
    /// As [`BoxSettings::parse`]; nothing of the password is in the sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut table = parse_table(text)?;
        let password = text_of(&mut table, "password")?.map(Secret::new);
        let (hostname, network) = (hostname(&mut table)?, network(&mut table)?);
        finish(&table)?;
        Ok(Self { hostname, password, network })
    }
}

fn parse_table(text: &str) -> Result<DeTable<'_>, String> {
    if text.len() > BOX_FILE_BYTES_MAX {
        return Err(format!("{} bytes, max {BOX_FILE_BYTES_MAX}", text.len()));
    }
    // `toml` recurses for each bracket.
    if nesting(text) > BOX_FILE_NESTING_MAX {
        return Err(format!("brackets nested deeper than {BOX_FILE_NESTING_MAX}"));
    }
    match DeTable::parse(text) {
        Ok(table) => Ok(table.into_inner()),
        Err(error) => {
            // `Display` would quote the line, and with it perhaps the password.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            Err(format!("line {line}: {}", error.message().replace('\n', ", ")))
        }
    }
}

/// The deepest nesting of brackets and braces, those in texts and comments included.
fn nesting(text: &str) -> u32 {
    let (mut depth, mut most) = (0_u32, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

fn hostname(table: &mut DeTable<'_>) -> Result<Option<String>, String> {
    let name = text_of(table, "hostname")?;
    match name.as_deref().and_then(host_name_problem) {
        Some(problem) => Err(format!("`hostname`: {problem}")),
        None => Ok(name),
    }
}

fn network(table: &mut DeTable<'_>) -> Result<Option<NetworkSettings>, String> {
    let Some(value) = table.remove("network") else { return Ok(None) };
    let DeValue::Table(table) = value.into_inner() else {
        return Err("`network` is written [network]".to_owned());
    };
    let judged = network_of(table).map_err(|why| format!("[network]: {why}"));
    judged.map(Some)
}

fn network_of(mut table: DeTable<'_>) -> Result<NetworkSettings, String> {
    let given = Unjudged {
        mode: text_of(&mut table, "mode")?.unwrap_or_else(|| "dhcp".to_owned()),
        address: text_of(&mut table, "address")?,
        gateway: text_of(&mut table, "gateway")?,
        dns: texts_of(&mut table, "dns")?,
        ntp: texts_of(&mut table, "ntp")?,
        interface: text_of(&mut table, "interface")?,
    };
    finish(&table)?;
    given.try_into()
}

fn text_of(table: &mut DeTable<'_>, key: &str) -> Result<Option<String>, String> {
    match table.remove(key).map(toml::Spanned::into_inner) {
        None => Ok(None),
        Some(DeValue::String(text)) => Ok(Some(text.into_owned())),
        Some(_) => Err(format!("`{key}` is no text in quotation marks")),
    }
}

fn texts_of(table: &mut DeTable<'_>, key: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{key}` is no list of texts");
    let list = match table.remove(key).map(toml::Spanned::into_inner) {
        None => return Ok(Vec::new()),
        Some(DeValue::Array(list)) => list,
        Some(_) => return Err(wrong()),
    };
    let of = |value: &toml::Spanned<DeValue<'_>>| match value.get_ref() {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        _ => Err(wrong()),
    };
    list.iter().map(of).collect()
}

fn finish(table: &DeTable<'_>) -> Result<(), String> {
    match table.keys().next() {
        Some(key) => {
            let key: String = key.get_ref().chars().take(KEY_CHARS_SHOWN).collect();
            Err(format!("there is no key `{}`", key.escape_debug()))
        }
        None => Ok(()),
    }
}

/// Characters of an unknown key that a message shows.
const KEY_CHARS_SHOWN: usize = 32;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::appliance::network::AddressMode;
    use crate::limits::TIME_SERVERS_MAX;

    const STATIC: &str = "hostname = \"gate\"\n\n[network]\nmode = \"static\"\n\
                          address = \"192.0.2.7/24\"\ngateway = \"192.0.2.1\"\n\
                          interface = \"eth0\"\ndns = [\"192.0.2.53\", \"2001:db8::53\"]\n\
                          ntp = [\"time.example\"]\n";

    fn refused(text: &str) -> String {
        BoxSettings::parse(text).expect_err(text)
    }

    /// Lines of `[network]`, refused.
    fn refused_line(line: &str) -> String {
        refused(&format!("[network]\n{line}\n"))
    }

    #[test]
    fn what_is_written_is_read() {
        let settings = BoxSettings::parse(STATIC).expect("good");
        assert_eq!(settings.text(), STATIC);
        assert_eq!(settings.hostname.as_deref(), Some("gate"));
        let address = "192.0.2.7/24".parse().expect("an address");
        let gateway = Some(Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(settings.network.mode, AddressMode::Static { address, gateway });
        let plain = BoxSettings::default();
        assert_eq!(BoxSettings::parse(&plain.text()), Ok(plain.clone()));
        assert_eq!(BoxSettings::parse(""), Ok(plain));
        let by_dhcp = BoxSettings::parse("[network]\ndns = [\"192.0.2.53\"]\n").expect("good");
        assert_eq!(by_dhcp.network.mode, AddressMode::Dhcp);
        assert_eq!(BoxSettings::parse(&by_dhcp.text()), Ok(by_dhcp));
    }

    #[test]
    fn a_preset_changes_what_it_names() {
        let preset = format!("password = \"correct horse\"\n{STATIC}");
        assert!(refused(&preset).contains("`password`"), "that is no setting");
        let preset = BoxPreset::parse(&preset).expect("good");
        assert_eq!(preset.password.as_ref().map(Secret::reveal), Some("correct horse"));
        let settings = BoxSettings::default().with(&preset);
        assert_eq!(settings.text(), STATIC);
        let name = BoxPreset::parse("hostname = \"yard\"").expect("good");
        let settings = settings.with(&name);
        assert_eq!(settings.text(), STATIC.replace("\"gate\"", "\"yard\""));
        let dhcp = BoxPreset::parse("[network]\nmode = \"dhcp\"").expect("good");
        assert_eq!(
            settings.with(&dhcp).text(),
            "hostname = \"yard\"\n\n[network]\nmode = \"dhcp\"\n"
        );
    }

    #[test]
    fn refusals_name_the_key_and_the_limit() {
        let long = format!("hostname = \"{}\"", "x".repeat(64));
        assert_eq!(refused(&long), "`hostname`: a host name of 64 bytes, max 63");
        assert_eq!(refused("hostname = 7"), "`hostname` is no text in quotation marks");
        assert_eq!(refused("hostnam = \"gate\""), "there is no key `hostnam`");
        assert_eq!(refused("network = 1"), "`network` is written [network]");
        assert!(refused("hostname = \"gate\"\nx = = 1\n").starts_with("line 2: "));
        assert!(refused_line("mode = \"wifi\"").contains("`mode` is wifi, not dhcp or static"));
        let why = refused_line("address = \"192.0.2.7/24\"");
        assert!(why.contains("`address` needs mode = \"static\""), "{why}");
        assert!(refused_line("mode = \"static\"").contains("needs `address`"));
        let outside = "mode = \"static\"\naddress = \"192.0.2.7/24\"\ngateway = \"192.0.3.1\"";
        assert!(refused_line(outside).contains("192.0.3.1 is no neighbour of 192.0.2.7/24"));
        assert!(refused_line("dns = [\"router\"]").contains("router is no address of a server"));
        assert!(refused_line("dns = [7]").contains("`dns` is no list of texts"));
        let four = "\"192.0.2.53\",".repeat(4);
        assert!(refused_line(&format!("dns = [{four}]")).contains("4 servers, max 3"));
        let many = "\"a\",".repeat(TIME_SERVERS_MAX + 1);
        let why = refused_line(&format!("ntp = [{many}]"));
        assert!(why.contains(&format!("{} servers, max {TIME_SERVERS_MAX}", TIME_SERVERS_MAX + 1)));
        assert!(refused_line("ntp = [\"a b\"]").contains("no name and no address"));
        assert!(refused_line("interface = \"../eth0\"").contains("no name of an interface"));
        assert!(refused_line("interface = \"..\"").contains("no name of an interface"));
        assert!(refused_line("speed = 100").contains("there is no key `speed`"));
    }

    #[test]
    fn no_refusal_has_anything_of_the_password() {
        for line in [
            "password = 7654321",
            "password = [\"7654321\"]",
            "password = \"7654321",
            "password = 7654321x",
        ] {
            let why = BoxPreset::parse(line).expect_err(line);
            assert!(!why.contains("7654321"), "{why}");
        }
        let preset = BoxPreset::parse("password = \"7654321x\"").expect("good");
        assert!(!format!("{preset:?}").contains("7654321"));
    }

    #[test]
    fn a_long_or_deep_file_is_refused_before_it_is_read() {
        let long = format!("# {}\n", "x".repeat(BOX_FILE_BYTES_MAX));
        assert!(refused(&long).contains(&format!("max {BOX_FILE_BYTES_MAX}")));
        let most = format!("# {}", "x".repeat(BOX_FILE_BYTES_MAX - 2));
        assert!(BoxSettings::parse(&most).is_ok());
        assert!(refused(&format!("a = {}", "[".repeat(2000))).contains("nested deeper than 8"));
    }
}
