//! An answer that is small on the wire and fills the memory of whoever unpacks it.

use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_ENCODING, HeaderValue};
use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use futures_util::{StreamExt, stream};

/// RFC 1952: deflate, no flags, no time, unknown system.
const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// What a piece unpacks to; packed it is about a thousandth of that.
const PIECE_BYTES: usize = 1 << 20;
const PIECES: usize = 4_096;

/// 200, and gzip of 4 GiB of zeros. The trailer is missing: nobody should get that far.
pub(super) fn answer() -> HttpResponse {
    let pieces = stream::iter(std::iter::repeat_n(piece(), PIECES));
    let all = stream::iter([Bytes::from_static(HEADER)]).chain(pieces);
    let mut response = HttpResponse::Ok().streaming(all.map(Ok::<_, Infallible>));
    let packed = HeaderValue::from_static("gzip");
    response.headers_mut().insert(CONTENT_ENCODING, packed);
    response
}

/// Zeros that need nothing of what was before to be unpacked, nor of what follows.
fn piece() -> Bytes {
    let zeros = vec![0; PIECE_BYTES];
    let mut packed = Vec::with_capacity(PIECE_BYTES / 256);
    let mut deflate = Compress::new(Compression::best(), false);
    // It has room for all of it, and there is nothing else that it could fail by.
    let _ = deflate.compress_vec(&zeros, &mut packed, FlushCompress::Full);
    packed.into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_few_pieces_unpack_to_a_thousand_times_as_much() {
        let piece = piece();
        assert!(piece.len() < 2_000, "{}", piece.len());
        let packed = [HEADER, &piece, &piece, &piece].concat();
        let mut unpacked = vec![1; 3 * PIECE_BYTES];
        let mut decoder = GzDecoder::new(packed.as_slice());
        decoder.read_exact(&mut unpacked).unwrap();
        assert!(unpacked.iter().all(|byte| *byte == 0));
    }
}
