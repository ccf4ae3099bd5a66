//! The grammar of a chunked body by RFC 9112, 7.1. hyper ignores most of an extension, and takes a line feed after the
//! last chunk for the beginning of a trailer.

const MAX_TRAILER_BYTES: usize = 8 << 10;

#[derive(Default)]
pub struct Chunks {
    next: Next,
    /// Of the data that is not read yet.
    size: u64,
    trailer_bytes: usize,
}

/// What can come next.
#[derive(Clone, Copy, Default, PartialEq)]
enum Next {
    #[default]
    Size,
    /// Another digit, an extension or the end of the line.
    SizeRest,
    /// White space that only another extension can follow.
    Blank,
    Name,
    NameRest,
    /// White space after a name, then its value or another extension.
    NameBlank,
    Value,
    ValueRest,
    Quoted,
    Escaped,
    QuotedEnd,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerOrEnd,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

impl Chunks {
    /// How many of these bytes are valid.
    pub fn accept(&mut self, bytes: &[u8]) -> usize {
        let mut accepted = 0;
        while let [byte, ..] = &bytes[accepted..] {
            if self.next == Next::Data {
                let length = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - accepted);
                self.size -= length as u64;
                accepted += length;
                self.next = if self.size == 0 { Next::DataCr } else { Next::Data };
            } else {
                let Some(next) = self.after(*byte) else { break };
                self.next = next;
                accepted += 1;
            }
        }
        accepted
    }

    pub fn has_ended(&self) -> bool {
        self.next == Next::End
    }

    fn after(&mut self, byte: u8) -> Option<Next> {
        use Next::{
            Blank, Data, DataCr, DataLf, End, EndLf, Escaped, Name, NameBlank, NameRest, Quoted, QuotedEnd, Size,
            SizeLf, SizeRest, Trailer, TrailerLf, TrailerOrEnd, Value, ValueRest,
        };
        Some(match (self.next, byte) {
            (Size | SizeRest, digit) if digit.is_ascii_hexdigit() => {
                let digit = char::from(digit).to_digit(16)?;
                self.size = self.size.checked_mul(16)?.checked_add(digit.into())?;
                SizeRest
            }
            (SizeRest | Blank | NameRest | NameBlank | ValueRest | QuotedEnd, b';') => Name,
            (SizeRest | NameRest | ValueRest | QuotedEnd, b'\r') => SizeLf,
            (SizeRest | Blank | ValueRest | QuotedEnd, b' ' | b'\t') => Blank,
            (NameRest | NameBlank, b' ' | b'\t') => NameBlank,
            (NameRest | NameBlank, b'=') => Value,
            (same @ (Name | Value), b' ' | b'\t') => same,
            (Value, b'"') => Quoted,
            (Name | NameRest, byte) if is_in_token(byte) => NameRest,
            (Value | ValueRest, byte) if is_in_token(byte) => ValueRest,
            (Quoted, b'"') => QuotedEnd,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, byte) if byte == b'\t' || !byte.is_ascii_control() => Quoted,
            (SizeLf, b'\n') if self.size == 0 => TrailerOrEnd,
            (SizeLf, b'\n') => Data,
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size,
            (TrailerOrEnd, b'\r') => EndLf,
            (EndLf, b'\n') => End,
            (Trailer, b'\r') => TrailerLf,
            (TrailerLf, b'\n') => TrailerOrEnd,
            (TrailerOrEnd | Trailer, byte) if byte != b'\n' && self.trailer_bytes < MAX_TRAILER_BYTES => {
                self.trailer_bytes += 1;
                Trailer
            }
            _ => return None,
        })
    }
}

/// RFC 9110, 5.6.2.
fn is_in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_chunks_are_accepted_up_to_their_end() {
        for body in [
            "0\r\n\r\n",
            "1\r\nx\r\n0a\r\n0123456789\r\n000\r\n\r\n",
            "1;name\r\nx\r\n0;last\r\n\r\n",
            "1 ;\ta = b;c=\"quoted; \\\" text\" ;d\r\nx\r\n0\r\nChecksum: 1\r\nB: c\r\n\r\n",
        ] {
            let (mut chunks, mut in_bytes) = (Chunks::default(), Chunks::default());
            assert_eq!(chunks.accept(format!("{body}GET").as_bytes()), body.len(), "{body:?}");
            assert!(chunks.has_ended() && body.bytes().all(|byte| in_bytes.accept(&[byte]) == 1), "{body:?}");
            assert!(in_bytes.has_ended());
        }
    }

    #[test]
    fn the_first_invalid_byte_is_not_accepted() {
        for (valid, invalid) in [
            ("", "\r\n1\r\nx\r\n"),
            ("", ";a\r\n"),
            ("1", "\0\r\n"),
            ("1", "\nx"),
            ("1 ", "\r\n"),
            ("1\t", "1"),
            ("1;", "\r\n"),
            ("1;", "=b\r\n"),
            ("1;a", "\0"),
            ("1;a ", "\r\n"),
            ("1;a=", "\r\n"),
            ("1;a=b ", "\r\n"),
            ("1;a ", "b"),
            ("1;a=\"b", "\0\""),
            ("1;a=\"b", "\r\n"),
            ("1;a=\"b\"", "c"),
            ("1\r\nx", "y\r\n"),
            ("1\r\nx\r\n", "\r\n0"),
            ("0\r\n", "\n"),
            ("0\r\na: b", "\n\r\n"),
            ("0\r\n\r", "x"),
            ("ffffffffffffffff", "f"),
        ] {
            assert_eq!(Chunks::default().accept(format!("{valid}{invalid}").as_bytes()), valid.len(), "{valid:?}");
        }
        let trailer = format!("0\r\nA: {}", "b".repeat(MAX_TRAILER_BYTES));
        assert_eq!(Chunks::default().accept(trailer.as_bytes()), 3 + MAX_TRAILER_BYTES);
    }
}
