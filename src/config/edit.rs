//! Changes that weir itself makes to the file, for a person at its console: add a camera, remove
//! one, set a password. The rest of the file stays as it was written, comments and order included.
//!
//! The file is read, changed, checked as at a reload, and replaced whole or not at all. It is left
//! alone when it has a fatal mistake, when the change would add a mistake, or when there is no
//! memory for the change.

use std::io;
use std::path::Path;

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::read::parse;
use super::redacted::redacted;
use super::source::Unusable;
use super::{Camera, CameraTrust, ConfigFile};
use crate::access::PasswordHash;
use crate::limits::{CONFIG_BYTES_MAX, CONFIG_EDIT_HEAP_FACTOR};
use crate::mem::accounts::OverBudget;
use crate::storage::{Secret, replace_file};

/// A change to the configuration file.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Appends a `[[camera]]` to the file.
    AddCamera(NewCamera),
    /// Removes the camera of this name.
    RemoveCamera(String),
    /// Sets `password` in `[console]`.
    ConsolePassword(PasswordHash),
    /// Sets the password of the `[[user]]` of this name.
    UserPassword(String, PasswordHash),
}

/// A camera to add, as typed at the console; unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCamera {
    /// The camera's name, unique among the cameras.
    pub name: String,
    /// The camera's URL. It may contain a login, so it is a secret.
    pub url: Secret,
    /// The user to log in as; `None` for no login, or for one in `url`.
    pub user: Option<String>,
    /// The user's password; empty for none.
    pub password: Secret,
}

/// Why an edit changed nothing.
#[derive(Debug)]
pub enum EditError {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// The file cannot be replaced.
    Unwritable(io::Error),
    /// The file has a mistake that must be fixed first.
    Broken(String),
    /// No camera or user has this name.
    Unknown(String),
    /// A camera of this name exists already.
    Known(String),
    /// The changed file would have this mistake.
    Refused(String),
    /// Too little library heap is free now; the number is the bytes needed.
    NoRoom(usize),
    /// The change took more memory than its account may hold.
    OverBudget(OverBudget),
}

impl std::fmt::Display for EditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "the configuration cannot be read: {error}"),
            Self::Unwritable(error) => write!(f, "the configuration cannot be written: {error}"),
            Self::Broken(problem) => write!(f, "the configuration has a mistake first: {problem}"),
            Self::Unknown(name) => write!(f, "the configuration has no {name}"),
            Self::Known(name) => write!(f, "there is a camera {name} already"),
            Self::Refused(problem) => write!(f, "{problem}"),
            Self::NoRoom(bytes) => write!(f, "this needs {bytes} bytes of the library heap"),
            Self::OverBudget(over) => write!(f, "this took {over}"),
        }
    }
}

impl std::error::Error for EditError {}

impl From<Unusable> for EditError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Unreadable(error) => Self::Unreadable(error),
            Unusable::Wrong(problem) => Self::Broken(problem.to_string()),
            Unusable::NoRoom(bytes, _) => Self::NoRoom(bytes),
            Unusable::OverBudget(over) => Self::OverBudget(over),
        }
    }
}

impl NewCamera {
    /// The camera as the configuration would read it; its `problem` says what would be wrong.
    pub fn checked(&self) -> Camera {
        let mut document = DocumentMut::new();
        let added = add(&mut document, self);
        let loaded = parse(&document.to_string(), Path::new(""));
        loaded.config.cameras.into_iter().next().unwrap_or_else(|| Camera {
            name: self.name.clone(),
            url: None,
            user: None,
            password: Secret::default(),
            trust: CameraTrust::default(),
            sound: true,
            transport: None,
            onvif_port: None,
            problem: Some(
                added.map_or_else(|error| error.to_string(), |()| "no camera".to_owned()),
            ),
        })
    }
}

impl ConfigFile {
    /// The file's text without secrets, for `config show` and `report` at the console.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or needs more library heap than is free. The message
    /// quotes nothing of the file.
    pub fn read_redacted(&self) -> Result<String, String> {
        let text = self.text_with_room(CONFIG_EDIT_HEAP_FACTOR);
        let (text, account) = text.map_err(|error| EditError::from(error).to_string())?;
        account.enter(|| redacted(&text))
    }

    /// Changes the file. The change takes effect with the next reload.
    ///
    /// # Errors
    /// [`EditError`]: why the file was not changed.
    pub fn edit(&self, edit: &Edit) -> Result<(), EditError> {
        let (text, account) = self.text_with_room(CONFIG_EDIT_HEAP_FACTOR)?;
        let folder = self.path().parent().unwrap_or(Path::new(""));
        let edited = account.enter(|| edited(&text, edit, folder))?;
        self.within_budget(&account)?;
        replace_file(self.path(), edited.as_bytes()).map_err(EditError::Unwritable)
    }
}

/// `text` with the change made, after it passed the checks of a reload.
fn edited(text: &str, edit: &Edit, directory: &Path) -> Result<String, EditError> {
    if let Some(problem) = parse(text, directory).fatal() {
        return Err(EditError::Broken(problem.to_string()));
    }
    let broken = |error: toml_edit::TomlError| EditError::Broken(error.message().to_owned());
    let mut document: DocumentMut = text.parse().map_err(broken)?;
    match edit {
        Edit::AddCamera(camera) => add(&mut document, camera)?,
        Edit::RemoveCamera(name) => {
            let removed = remove(&mut document, name);
            removed.ok_or_else(|| EditError::Unknown(format!("camera {name}")))?;
        }
        Edit::ConsolePassword(hash) => {
            let console = document.entry("console").or_insert(Item::Table(Table::new()));
            let console = console.as_table_like_mut().ok_or_else(not_a_table)?;
            console.insert("password", toml_edit::value(hash.to_string()));
        }
        Edit::UserPassword(name, hash) => {
            let user = with_name(document.get_mut("user"), name);
            let user = user.ok_or_else(|| EditError::Unknown(format!("user {name}")))?;
            user.insert("password", toml_edit::value(hash.to_string()));
        }
    }
    let edited = document.to_string();
    if edited.len() > CONFIG_BYTES_MAX {
        let problem = format!("the file would be {} bytes, max {CONFIG_BYTES_MAX}", edited.len());
        return Err(EditError::Refused(problem));
    }
    let loaded = parse(&edited, directory);
    if let Some(problem) = loaded.fatal() {
        return Err(EditError::Refused(problem.to_string()));
    }
    if let Edit::AddCamera(NewCamera { name, .. }) = edit {
        let camera = loaded.config.cameras.iter().find(|camera| camera.name == *name);
        let problem = match camera {
            Some(camera) => camera.problem.clone(),
            // The camera is beyond the last one that is read, or its name is not allowed.
            None => loaded.problems.last().map(|problem| problem.message.clone()),
        };
        if let Some(problem) = problem {
            return Err(EditError::Refused(problem));
        }
    }
    Ok(edited)
}

fn not_a_table() -> EditError {
    EditError::Broken("[console] is not a table".to_owned())
}

fn add(document: &mut DocumentMut, camera: &NewCamera) -> Result<(), EditError> {
    if with_name(document.get_mut("camera"), &camera.name).is_some() {
        return Err(EditError::Known(camera.name.clone()));
    }
    if let Some(problem) = super::name_problem(&camera.name) {
        return Err(EditError::Refused(format!("the name {problem}")));
    }
    let mut keys = vec![("name", camera.name.as_str()), ("url", camera.url.reveal())];
    keys.extend(camera.user.as_deref().map(|user| ("user", user)));
    if !camera.password.is_empty() {
        keys.push(("password", camera.password.reveal()));
    }
    let list = document.entry("camera").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    match list {
        Item::ArrayOfTables(tables) => tables.push(keys.into_iter().collect::<Table>()),
        // Written inline: `camera = [{ name = "gate", … }]`
        Item::Value(Value::Array(list)) => list.push(keys.into_iter().collect::<InlineTable>()),
        _ => return Err(EditError::Broken("`camera` is not written [[camera]]".to_owned())),
    }
    Ok(())
}

fn remove(document: &mut DocumentMut, name: &str) -> Option<()> {
    match document.get_mut("camera")? {
        Item::ArrayOfTables(tables) => {
            let index = tables.iter().position(|table| is_named(table, name))?;
            tables.remove(index);
        }
        Item::Value(Value::Array(list)) => {
            let index = position(list, name)?;
            list.remove(index);
        }
        _ => return None,
    }
    Some(())
}

/// The table of this name, whether the list is written `[[…]]` or inline.
fn with_name<'d>(list: Option<&'d mut Item>, name: &str) -> Option<&'d mut dyn TableLike> {
    match list? {
        Item::ArrayOfTables(tables) => {
            let table = tables.iter_mut().find(|table| is_named(*table, name))?;
            Some(table)
        }
        Item::Value(Value::Array(list)) => {
            let index = position(list, name)?;
            list.get_mut(index)?.as_inline_table_mut().map(|table| table as &mut dyn TableLike)
        }
        _ => None,
    }
}

fn position(list: &Array, name: &str) -> Option<usize> {
    list.iter().position(|item| item.as_inline_table().is_some_and(|item| is_named(item, name)))
}

fn is_named(table: &dyn TableLike, name: &str) -> bool {
    table.get("name").and_then(Item::as_str) == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# The gate house, 2026\nconfig_version = 1\n\n[http]\n\
                        listen = \"127.0.0.1:8117\" # behind a proxy\n\n\
                        # The old one by the door\n[[camera]]\nname = 'gate'\n\
                        url   = \"rtsp://192.0.2.7/1\"\n\n[[camera]]\nname = \"yard\"\n\
                        url = \"rtsp://192.0.2.8/1\"\n";

    fn camera(name: &str, url: &str) -> NewCamera {
        let (name, url) = (name.to_owned(), Secret::new(url.to_owned()));
        NewCamera { name, url, user: None, password: Secret::default() }
    }

    fn edit(text: &str, edit: &Edit) -> Result<String, String> {
        edited(text, edit, Path::new("/nonexistent")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_camera_more_changes_nothing_else() {
        let new = NewCamera {
            user: Some("admin".to_owned()),
            password: Secret::new("p\"w".to_owned()),
            ..camera("door", "rtsp://192.0.2.9/1")
        };
        let edited = edit(FILE, &Edit::AddCamera(new)).expect("a good one");
        let added = edited.strip_prefix(FILE).expect("what was there is as it was");
        assert!(added.starts_with("\n[[camera]]\nname = \"door\"\n"), "{added}");
        let loaded = parse(&edited, Path::new(""));
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        let door = &loaded.config.cameras[2];
        assert_eq!((door.user.as_deref(), door.password.reveal()), (Some("admin"), "p\"w"));
    }

    #[test]
    fn a_camera_less_takes_its_comment_with_it_and_no_more() {
        let edited = edit(FILE, &Edit::RemoveCamera("gate".to_owned())).expect("it is there");
        assert_eq!(edited.matches("[[camera]]").count(), 1);
        assert!(edited.contains("# behind a proxy") && edited.contains("\"yard\""), "{edited}");
        assert!(edited.starts_with("# The gate house, 2026\n"), "{edited}");
        let edited = edit(&edited, &Edit::RemoveCamera("yard".to_owned())).expect("it is there");
        assert!(parse(&edited, Path::new("")).config.cameras.is_empty());
        let again = edit(&edited, &Edit::AddCamera(camera("gate", "rtsp://192.0.2.7/2")));
        assert_eq!(parse(&again.expect("again"), Path::new("")).config.cameras.len(), 1);
    }

    #[test]
    fn a_list_written_in_one_line_stays_one() {
        let text = "config_version = 1\ncamera = [{ name = \"gate\", url = \"rtsp://h/1\" }]\n";
        let edited = edit(text, &Edit::AddCamera(camera("yard", "rtsp://h/2"))).expect("good");
        let names: Vec<_> =
            parse(&edited, Path::new("")).config.cameras.into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["gate", "yard"]);
        let edited = edit(&edited, &Edit::RemoveCamera("gate".to_owned())).expect("there");
        assert_eq!(parse(&edited, Path::new("")).config.cameras[0].name, "yard");
    }

    #[test]
    fn what_would_be_a_mistake_is_not_written() {
        let add = |name: &str, url: &str| Edit::AddCamera(camera(name, url));
        for (text, change, says) in [
            (FILE, add("gate", "rtsp://h/1"), "there is a camera gate already"),
            (FILE, add("a b", "rtsp://h/1"), "the name has a character other than"),
            (FILE, add("api", "rtsp://h/1"), "the name is reserved"),
            (FILE, add("door", "http://h/1"), "`url`"),
            (FILE, Edit::RemoveCamera("door".to_owned()), "no camera door"),
            ("camera = 1\n", add("door", "rtsp://h/1"), "has a mistake first: line 1"),
            ("[http", add("door", "rtsp://h/1"), "has a mistake first: line 1"),
        ] {
            let refused = edit(text, &change).expect_err("refused");
            assert!(refused.contains(says), "{refused}");
        }
        let both = NewCamera {
            user: Some("u".to_owned()),
            ..camera("door", "rtsp://admin:hunter2@192.0.2.9/1")
        };
        let refused = edit(FILE, &Edit::AddCamera(both)).expect_err("two logins");
        assert!(refused.contains("has a user in it") && !refused.contains("hunter2"), "{refused}");
        let mut full = "config_version = 1\n".to_owned();
        for number in 0..crate::limits::CAMERAS_MAX {
            full += &format!("[[camera]]\nname = \"c{number}\"\nurl = \"rtsp://h/1\"\n");
        }
        let refused = edit(&full, &add("door", "rtsp://h/1")).expect_err("one too many");
        assert!(refused.contains(", max "), "{refused}");
    }

    #[test]
    fn passwords_are_put_where_they_belong() {
        let hash = PasswordHash::make("correct horse").expect("long enough");
        let edited = edit(FILE, &Edit::ConsolePassword(hash.clone())).expect("good");
        assert_eq!(parse(&edited, Path::new("")).config.console.password, Some(hash.clone()));
        let user = Edit::UserPassword("anna".to_owned(), hash.clone());
        assert!(edit(FILE, &user).expect_err("nobody").contains("no user anna"));
        let other = PasswordHash::make("battery staple").expect("long enough");
        let text = format!(
            "{FILE}[[user]]\nname = \"anna\"\nrole = \"operator\"\npassword = \"{other}\"\n"
        );
        let edited = edit(&text, &user).expect("she is there");
        assert!(edited.contains(&hash.to_string()) && !edited.contains(&other.to_string()));
    }
}
