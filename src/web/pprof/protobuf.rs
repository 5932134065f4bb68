//! The part of protobuf's wire format that a profile needs: numbers, texts, messages in messages.

/// A message that is being written, field by field.
#[derive(Debug, Default)]
pub(super) struct WireMessage(Vec<u8>);

impl WireMessage {
    /// A field that is a number; 0 is what a reader takes a missing one for.
    pub(super) fn number(&mut self, field: u8, value: u64) -> &mut Self {
        if value != 0 {
            self.tag(field, 0);
            self.varint(value);
        }
        self
    }

    /// A field that is a text.
    pub(super) fn text(&mut self, field: u8, text: &str) -> &mut Self {
        self.bytes(field, text.as_bytes())
    }

    /// A field that is a list of numbers.
    pub(super) fn numbers(
        &mut self,
        field: u8,
        values: impl IntoIterator<Item = u64>,
    ) -> &mut Self {
        let mut packed = Self::default();
        values.into_iter().for_each(|value| packed.varint(value));
        self.bytes(field, &packed.0)
    }

    /// A field that is a message, which `write` fills.
    pub(super) fn message(&mut self, field: u8, write: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0)
    }

    /// How long it is so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn bytes(&mut self, field: u8, bytes: &[u8]) -> &mut Self {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn tag(&mut self, field: u8, wire_type: u8) {
        self.varint(u64::from(field) << 3 | u64::from(wire_type));
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value > 127 {
            self.0.push(value.to_le_bytes()[0] | 128);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_formats_own_examples() {
        let mut message = WireMessage::default();
        message.number(1, 150).text(2, "testing").message(3, |inner| {
            inner.number(1, 150);
        });
        message.numbers(4, [3, 270, 86942]).number(5, 0).number(16, u64::MAX);
        assert_eq!(message.len(), 3 + 9 + 5 + 8 + 12);
        let expected: [&[u8]; 5] = [
            &[0x08, 0x96, 0x01],
            &[0x12, 0x07, b't', b'e', b's', b't', b'i', b'n', b'g'],
            &[0x1a, 0x03, 0x08, 0x96, 0x01],
            &[0x22, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05],
            &[0x80, 0x01, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
        ];
        assert_eq!(message.into_bytes(), expected.concat());
    }
}
