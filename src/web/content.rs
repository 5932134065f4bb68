//! Bodies of answers: whole, or made piece by piece as the client takes them.
//!
//! What a client does not read stays in the library heap until its connection is closed. Small
//! answers may stay there. The long lists are made in pieces of [`PIECE_ITEMS`], so that a
//! connection keeps no more than one piece, however long the list and however slow the client.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Cameras or sessions in one piece: about 1 KiB, and 4 with all that can be found of them. hyper
/// takes pieces until it has 8 KiB.
pub(crate) const PIECE_ITEMS: usize = 2;

/// The body of an answer.
pub(crate) enum Content {
    /// The whole body; empty once it is sent.
    Whole(Bytes),
    /// Makes the next piece; `None` ends the body.
    Pieces(Box<dyn FnMut() -> Option<Bytes>>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => f.debug_tuple("Whole").field(bytes).finish(),
            Self::Pieces(_) => f.write_str("Pieces"),
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match self.get_mut() {
            Self::Whole(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Self::Pieces(next) => next(),
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
