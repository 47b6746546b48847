//! Lengths, texts and numbers in ClickHouse's RowBinary format.

/// Appends a length as unsigned LEB128.
pub(crate) fn put_length(mut length: usize, out: &mut Vec<u8>) {
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// Appends a text: its length and its bytes.
pub(crate) fn put_text(text: &str, out: &mut Vec<u8>) {
    put_length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// Removes `N` bytes from the front; `None` when there are fewer.
pub(crate) fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

/// Removes a length from the front; `None` when it is incomplete or longer than five groups of seven bits.
pub(crate) fn read_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0;
    for group in 0..5 {
        let [byte] = *take(bytes)?;
        length |= usize::from(byte & 0x7f) << (7 * group);
        if byte < 0x80 {
            return Some(length);
        }
    }
    None
}

/// Removes a text from the front; `None` when it is incomplete. ClickHouse does not require UTF-8.
pub(crate) fn read_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = read_length(bytes)?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(text)
}

/// Removes a text from the front, like [`read_text`], and returns it with its length before it.
#[inline]
pub(crate) fn read_encoded_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let all = *bytes;
    // Most texts have a length of one byte.
    if let Some(length @ ..0x80) = all.first() {
        let (text, rest) = all.split_at_checked(1 + usize::from(*length))?;
        *bytes = rest;
        return Some(text);
    }
    read_text(bytes)?;
    Some(&all[..all.len() - bytes.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_leb128() {
        for (number, bytes) in [(0, vec![0]), (127, vec![127]), (128, vec![0x80, 1]), (300, vec![0xac, 2])] {
            let mut out = Vec::new();
            put_length(number, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(read_length(&mut &*out), Some(number));
        }
    }
}
