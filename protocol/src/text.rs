//! Text of bounded length.

/// The start of `text` that fits into `bytes_max` bytes, cut between two characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn characters_stay_whole() {
        assert_eq!(cut("abc", 5), "abc");
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("aé€𝄞", 9), "aé€");
        assert_eq!(cut("€", 2), "");
    }
}
