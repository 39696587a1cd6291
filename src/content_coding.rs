//! Content codings of bodies that were compressed although every request asks for `identity`.
//!
//! Gateways and TLS-ending proxies compress whatever their rules name, so a body is decoded piece by piece as it
//! comes: an event of a stream is handed on when its last byte is there. How much may come out is for the readers, who
//! count decoded bytes. A body that is not coded as its label says, and plainly is not, is taken as it is.
//!
//! RFC 9110 sections 8.4 and 12.5.3; RFC 9659 for the window of Zstandard.

use std::error::Error;
use std::io;

use crate::text::printable;
use async_compression::tokio::bufread::{
    BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder,
};
use async_compression::zstd::DParameter;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio_util::io::{ReaderStream, StreamReader};

/// The value of `Accept-Encoding` in every request.
pub const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Codings applied to one body at most; more are a way to make a small body large.
const MAX_CODINGS: usize = 2;
/// The largest window of Zstandard that a browser accepts, as a power of two (RFC 9659 section 3).
const ZSTD_WINDOW: u32 = 23;
/// Bytes decoded at once at most.
const PIECE: usize = 32 * 1024;

/// The reason why the next piece of a body did not come. `E` is the error of the client that reads it.
#[derive(Debug, thiserror::Error)]
pub enum Broken<E> {
    /// The connection.
    #[error(transparent)]
    Connection(E),
    /// The bytes that came.
    #[error(transparent)]
    Body(#[from] Undecodable),
}

/// The reason why a body cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// The bytes are not in the coding that `Content-Encoding` names.
    #[error("a body that is not the {0} its Content-Encoding says")]
    Coding(&'static str),
    /// The body is coded in a way that is not known here; the name is cleaned for messages.
    #[error("a body with Content-Encoding {0:?}, which cannot be decoded")]
    Unknown(String),
    /// The body ends before its coding does.
    #[error("the compressed body ended too early")]
    Short,
}

/// The pieces of a body, decoded.
pub type Pieces<E> = BoxStream<'static, Result<Bytes, Broken<E>>>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
    /// Not known here, or no coding at all: `none` and `utf-8` are written in this field, too.
    Other(String),
}

impl Coding {
    /// Content codings are compared without case, and `x-gzip` is `gzip` (RFC 9110 sections 8.4.1 and 8.4.1.3).
    fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Self::Gzip,
            "deflate" => Self::Deflate,
            "br" => Self::Brotli,
            "zstd" => Self::Zstd,
            _ => Self::Other(printable(name, 40)),
        }
    }

    fn broken(&self) -> Undecodable {
        match self {
            Self::Gzip => Undecodable::Coding("gzip"),
            Self::Deflate => Undecodable::Coding("deflate"),
            Self::Brotli => Undecodable::Coding("br"),
            Self::Zstd => Undecodable::Coding("zstd"),
            Self::Other(name) => Undecodable::Unknown(name.clone()),
        }
    }

    /// Undoes this coding, unless the first byte shows that it was never applied.
    fn undone(&self, coded: Source, first: u8) -> io::Result<Source> {
        // RFC 1952 section 2.3.1; RFC 8878 sections 3.1.1 and 3.1.2; neither a gzip nor a Zstandard body begins otherwise.
        let is_plain = match self {
            Self::Gzip => first != 0x1f,
            Self::Zstd => !matches!(first, 0x28 | 0x50..=0x5f),
            // No deflated text of JSON begins with the text's own first byte.
            Self::Deflate => matches!(first, b'{' | b'['),
            Self::Brotli => false,
            // JSON, or the first line of a stream of events, with a byte order mark or without.
            Self::Other(_) => {
                matches!(first, b'{' | b'[' | b':' | b'a'..=b'z' | 0xef)
                    || first.is_ascii_whitespace()
            }
        };
        if is_plain {
            return Ok(coded);
        }
        let plain: Box<dyn AsyncRead + Send + Unpin> = match self {
            Self::Gzip => {
                let mut decoder = GzipDecoder::new(coded);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
            // "deflate" is the zlib format, and some send the bare data (RFC 9110 section 8.4.1.2).
            Self::Deflate if first & 0x0f == 8 => Box::new(ZlibDecoder::new(coded)),
            Self::Deflate => Box::new(DeflateDecoder::new(coded)),
            Self::Brotli => Box::new(BrotliDecoder::new(coded)),
            Self::Zstd => {
                let window = [DParameter::window_log_max(ZSTD_WINDOW)];
                Box::new(ZstdDecoder::with_params(coded, &window))
            }
            Self::Other(_) => return Err(io::Error::other(self.broken())),
        };
        Ok(Box::new(BufReader::with_capacity(PIECE, plain)))
    }
}

type Source = Box<dyn AsyncBufRead + Send + Unpin>;

/// The codings of a body, in the order they were applied.
fn codings(headers: &HeaderMap) -> Vec<Coding> {
    let mut found = Vec::new();
    for field in headers.get_all(CONTENT_ENCODING) {
        let field = String::from_utf8_lossy(field.as_bytes());
        let names = field.split(',').map(str::trim);
        let is_coding = |name: &&str| !name.is_empty() && !name.eq_ignore_ascii_case("identity");
        found.extend(names.filter(is_coding).map(Coding::named));
    }
    if found.len() > MAX_CODINGS {
        return vec![Coding::Other(format!("{} codings", found.len()))];
    }
    found
}

/// The body of a response with these headers, decoded as it comes.
pub fn pieces<E: Error + Send + Sync + 'static>(
    headers: &HeaderMap,
    body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Pieces<E> {
    undone(codings(headers), body)
}

fn undone<E: Error + Send + Sync + 'static>(
    codings: Vec<Coding>,
    coded: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Pieces<E> {
    let Some(outermost) = codings.last().cloned() else {
        return coded.map(|piece| piece.map_err(Broken::Connection)).boxed();
    };
    // In a box, because the decoders move it.
    let coded = coded.boxed();
    let coded = coded.map(|piece| piece.map_err(io::Error::other));
    let opened = async move {
        let mut source: Source = Box::new(StreamReader::new(coded));
        for coding in codings.into_iter().rev() {
            match source.fill_buf().await {
                // An empty body has no coding, whatever its label says.
                Ok([]) => break,
                Ok([first, ..]) => {
                    let first = *first;
                    match coding.undone(source, first) {
                        Ok(undone) => source = undone,
                        Err(error) => return failed(error),
                    }
                }
                Err(error) => return failed(error),
            }
        }
        ReaderStream::with_capacity(source, PIECE).boxed()
    };
    stream::once(opened)
        .flatten()
        .map(move |piece| piece.map_err(|error| broken(error, &outermost)))
        // A few bytes may be decoded for a long time without anything to wait for, and other requests share the thread.
        .then(|piece| async {
            tokio::task::coop::consume_budget().await;
            piece
        })
        .boxed()
}

fn failed(error: io::Error) -> BoxStream<'static, io::Result<Bytes>> {
    stream::once(async { Err(error) }).boxed()
}

fn broken<E: Error + Send + Sync + 'static>(error: io::Error, coding: &Coding) -> Broken<E> {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Undecodable::Short.into();
    }
    let Some(inner) = error.into_inner() else {
        return coding.broken().into();
    };
    match inner.downcast::<E>() {
        Ok(error) => Broken::Connection(*error),
        Err(inner) => match inner.downcast::<Undecodable>() {
            Ok(broken) => (*broken).into(),
            Err(_) => coding.broken().into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use async_compression::tokio::bufread::{
        BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder,
    };
    use tokio::io::AsyncReadExt as _;

    use super::*;

    const TEXT: &[u8] = br#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

    async fn all(mut source: impl AsyncRead + Unpin) -> Vec<u8> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    /// Decodes a body that comes one byte at a time.
    async fn decoded(labels: &[&'static str], body: &[u8]) -> Result<Vec<u8>, String> {
        let labels = labels.iter().map(|it| HeaderValue::from_static(it));
        let headers = HeaderMap::from_iter(labels.map(|it| (CONTENT_ENCODING, it)));
        let codings = codings(&headers);
        let bytes: Vec<_> = body.chunks(1).map(Bytes::copy_from_slice).collect();
        let bytes = bytes.into_iter().map(Ok::<_, io::Error>);
        let mut pieces = undone(codings, stream::iter(bytes));
        let mut whole = Vec::new();
        while let Some(piece) = pieces.next().await {
            whole.extend_from_slice(&piece.map_err(|error| error.to_string())?);
        }
        Ok(whole)
    }

    #[tokio::test]
    async fn every_coding_is_undone_however_it_is_spelled() {
        let gzip = all(GzipEncoder::new(TEXT)).await;
        let twice = all(BrotliEncoder::new(gzip.as_slice())).await;
        for (labels, body) in [
            (&["gzip"][..], gzip.clone()),
            (&["GZip"], gzip.clone()),
            (&["x-gzip"], gzip.clone()),
            (&["identity", "gzip"], gzip.clone()),
            (&["gzip, br"], twice.clone()),
            (&["gzip", "br"], twice),
            (&["br"], all(BrotliEncoder::new(TEXT)).await),
            (&["zstd"], all(ZstdEncoder::new(TEXT)).await),
            (&["deflate"], all(ZlibEncoder::new(TEXT)).await),
            (&["deflate"], all(DeflateEncoder::new(TEXT)).await),
            (&["identity"], TEXT.to_vec()),
            (&[""], TEXT.to_vec()),
            // A proxy has unpacked the body and left the label.
            (&["gzip"], TEXT.to_vec()),
            (&["zstd"], TEXT.to_vec()),
            (&["deflate"], TEXT.to_vec()),
            // What Next.js and others are told to write so that nothing is compressed, and a charset in the wrong place.
            (&["none"], TEXT.to_vec()),
            (&["UTF-8"], TEXT.to_vec()),
            (&["none", "gzip"], gzip.clone()),
        ] {
            let found = decoded(labels, &body).await;
            assert_eq!(found.as_deref(), Ok(TEXT), "{labels:?}");
        }
        assert_eq!(decoded(&["gzip"], b"").await, Ok(Vec::new()));
        // Two members are one body (RFC 1952 section 2.2).
        let both = [gzip.as_slice(), gzip.as_slice()].concat();
        assert_eq!(decoded(&["gzip"], &both).await, Ok(TEXT.repeat(2)));
    }

    #[tokio::test]
    async fn a_coding_that_cannot_be_undone_is_named() {
        let gzip = all(GzipEncoder::new(TEXT)).await;
        for (label, body, said) in [
            (
                "compress",
                &b"\x1f\x9d"[..],
                "\"compress\", which cannot be decoded",
            ),
            ("gzip, dcb", b"\xff\x44", "\"dcb\", which cannot be decoded"),
            (
                "gzip,gzip,gzip",
                &gzip,
                "\"3 codings\", which cannot be decoded",
            ),
            ("gzip", &gzip[..gzip.len() - 9], "ended too early"),
            ("gzip", b"\x1f\x8b\x07\x00 not gzip at all", "not the gzip"),
            ("br", b"\xff\xff\xff\xff\xff", "not the br"),
        ] {
            let error = decoded(&[label], body).await.unwrap_err();
            assert!(error.contains(said), "{label}: {error}");
        }
    }
}
