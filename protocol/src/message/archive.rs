//! The common part of all messages: size, writing, and validated access in place.

use std::num::NonZeroUsize;

use rkyv::Portable;
use rkyv::api::access_with_context;
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::{Failure, Strategy};
use rkyv::validation::archive::ArchiveValidator;

use super::MessageError;

/// The messages are flat; the bound keeps a later nested one from recursing without end.
const VALIDATION_DEPTH_MAX: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// The validator of archives without shared pointers: it needs no memory of its own.
pub(super) type Validator<'a> = Strategy<ArchiveValidator<'a>, Failure>;

/// Validates `bytes` as one archive of type `T` that fills them exactly, and borrows it.
///
/// The root of an rkyv archive lies at its end: with surplus bytes it would shift silently, hence the exact
/// length.
#[inline]
pub(super) fn access<'a, T>(kind: u8, bytes: &'a [u8]) -> Result<&'a T, MessageError>
where
    T: Portable + CheckBytes<Validator<'a>>,
{
    if bytes.len() != size_of::<T>() {
        return Err(wrong_length(kind, 1 + bytes.len(), 1 + size_of::<T>(), 0));
    }
    let mut validator = ArchiveValidator::with_max_depth(bytes, Some(VALIDATION_DEPTH_MAX));
    access_with_context::<T, _, Failure>(bytes, &mut validator).map_err(|_| MessageError::Content(kind))
}

/// Like [`access`] for an archive followed by at most `tail_bytes_max` bytes, which are returned too.
#[inline]
pub(super) fn access_head<'a, T>(
    kind: u8,
    bytes: &'a [u8],
    tail_bytes_max: usize,
) -> Result<(&'a T, &'a [u8]), MessageError>
where
    T: Portable + CheckBytes<Validator<'a>>,
{
    match bytes.split_at_checked(size_of::<T>()) {
        Some((head, tail)) if tail.len() <= tail_bytes_max => Ok((access(kind, head)?, tail)),
        _ => Err(wrong_length(kind, 1 + bytes.len(), 1 + size_of::<T>(), tail_bytes_max)),
    }
}

#[cold]
fn wrong_length(kind: u8, found: usize, least: usize, tail_bytes_max: usize) -> MessageError {
    MessageError::Length { kind, found, least, most: least.saturating_add(tail_bytes_max) }
}

/// Gives a message struct its `KIND`, `LAYOUT`, `BYTES`, `write` and the conversion from its archive.
macro_rules! message {
    ($name:ident, $archived:ident, $kind:path, $layout:literal) => {
        impl $name {
            /// The message's first byte.
            pub const KIND: u8 = $kind;
            /// The field list, which is also the byte layout; part of [`LAYOUT_HASH`](super::LAYOUT_HASH).
            pub const LAYOUT: &'static str = $layout;
            /// Bytes on the wire: the kind and the archive, without the game's bytes that follow some messages.
            pub const BYTES: usize = 1 + size_of::<$archived>();

            /// Appends the kind and the archive to `out`, and touches no other memory.
            #[inline]
            pub fn write(&self, out: &mut Vec<u8>) {
                out.reserve(Self::BYTES);
                out.push(Self::KIND);
                let Ok(_position) =
                    rkyv::api::serialize_using::<Vec<u8>, rkyv::rancor::Infallible>(self, out);
            }
        }

        impl From<&$archived> for $name {
            #[inline]
            fn from(archived: &$archived) -> Self {
                let Ok(native) =
                    rkyv::api::deserialize_using::<$name, _, rkyv::rancor::Infallible>(archived, &mut ());
                native
            }
        }
    };
}
