//! Reading little-endian values out of bytes without ever running past their end.

use super::Error;

/// A place in a file being read.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    what: &'static str,
    data: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// `what` names the file in errors.
    pub fn new(what: &'static str, data: &'a [u8]) -> Self {
        Self { what, data, at: 0 }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let bytes = self.at.checked_add(count).and_then(|end| self.data.get(self.at..end));
        let bytes = bytes.ok_or(Error::Truncated {
            what: self.what,
            at: self.at,
            length: self.data.len(),
        })?;
        self.at += count;
        Ok(bytes)
    }

    /// `count` bytes from `offset` on, wherever the cursor stands.
    pub fn slice(&self, offset: u64, count: usize) -> Result<&'a [u8], Error> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        Self {
            at: start,
            ..self.clone()
        }
        .take(count)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    pub fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn f32(&mut self) -> Result<f32, Error> {
        self.array().map(f32::from_le_bytes)
    }

    /// A count written as a 32-bit number.
    pub fn count(&mut self) -> Result<usize, Error> {
        Ok(self.u32()? as usize)
    }

    /// UTF-8 text of `count` bytes.
    pub fn text(&mut self, count: usize) -> Result<&'a str, Error> {
        let at = self.at;
        std::str::from_utf8(self.take(count)?).map_err(|_| Error::Format {
            what: self.what,
            why: format!("the name at byte {at} is not UTF-8"),
        })
    }

    /// UTF-8 text up to the next line feed, which is passed over.
    pub fn line(&mut self) -> Result<&'a str, Error> {
        let rest = self.data.get(self.at..).unwrap_or_default();
        // Without a line feed the text runs past the end, which is the error.
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len() + 1);
        let text = self.text(length)?;
        self.take(1)?;
        Ok(text)
    }
}

/// Little-endian `f32` values; bytes after the last whole value are left out.
pub fn f32s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))
}
