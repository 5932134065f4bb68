//! stub
pub(crate) const TOTAL_BYTES: usize = 0;
pub(crate) struct Message;
impl Message {
    pub(crate) const fn as_str(&self) -> &'static str {
        "over"
    }
}
pub(crate) const fn over_total_message() -> Message {
    Message
}
/// The table.
pub fn table() -> String {
    String::new()
}
