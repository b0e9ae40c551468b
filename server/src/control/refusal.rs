//! What is answered to requests that hyper would end without a word: those past the limit of the
//! gate, and HTTP/2.

/// Bytes read from one connection. A request is a few hundred.
pub(super) const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// How a client that was not told otherwise begins HTTP/2 (RFC 9113, section 3.4): the first line of
/// it, which no other client sends.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

// Without a length, an answer ends with the connection (RFC 9112, section 6.3).
const URI_TOO_LONG: &[u8] = b"HTTP/1.1 414 URI Too Long\r\n\
    connection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\r\n\
    the first line is longer than 16 KiB; / lists the paths there are\n";
const HEAD_TOO_LARGE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n\
    connection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\r\n\
    the request is longer than 16 KiB; no header is needed here but Host\n";
const NO_HTTP2: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\n\
    connection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\r\n\
    only HTTP/1.1 and HTTP/1.0 are spoken here\n";

/// What was seen of a connection's bytes.
#[derive(Debug, Default)]
pub(super) struct Seen {
    bytes: usize,
    /// How many of the first bytes are those of HTTP/2.
    preface_bytes: usize,
    line_ended: bool,
}

impl Seen {
    /// Takes the next bytes into account; returns the answer if the request is to be refused.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<&'static [u8]> {
        for &byte in bytes {
            let so_far_preface = self.preface_bytes == self.bytes;
            if so_far_preface && HTTP2_PREFACE.get(self.bytes) == Some(&byte) {
                self.preface_bytes += 1;
            }
            self.bytes += 1;
            self.line_ended |= byte == b'\n';
        }
        if self.preface_bytes == HTTP2_PREFACE.len() {
            Some(NO_HTTP2)
        } else if self.bytes <= REQUEST_BYTES_MAX {
            None
        } else if self.line_ended {
            Some(HEAD_TOO_LARGE)
        } else {
            Some(URI_TOO_LONG)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to `request`, which comes in pieces of `piece_bytes`.
    fn answer(request: &[u8], piece_bytes: usize) -> Option<&'static [u8]> {
        let mut seen = Seen::default();
        request.chunks(piece_bytes).find_map(|piece| seen.take(piece))
    }

    #[test]
    fn a_request_is_refused_for_what_it_is_however_it_is_cut() {
        let long_line = vec![b'x'; REQUEST_BYTES_MAX + 1];
        let long_head = [b"GET / HTTP/1.1\r\n".as_slice(), &long_line].concat();
        for piece_bytes in [1, 7, 1_000, 100_000] {
            assert_eq!(answer(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", piece_bytes), Some(NO_HTTP2));
            assert_eq!(answer(&long_line, piece_bytes), Some(URI_TOO_LONG));
            assert_eq!(answer(&long_head, piece_bytes), Some(HEAD_TOO_LARGE));
            assert_eq!(answer(&long_line[1..], piece_bytes), None);
            assert_eq!(answer(b"PRI * HTTP/1.1\r\n", piece_bytes), None);
            assert_eq!(answer(b"XPRI * HTTP/2.0\r\n", piece_bytes), None);
        }
    }
}
