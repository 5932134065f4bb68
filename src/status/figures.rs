//! Figures that one thread writes and any thread reads, declared once each: [`figures`] makes the
//! struct, its zeros, its reset and its rows of `/metrics` from one line per figure.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

/// A figure that `/metrics` shows of a `T`.
#[derive(Debug)]
pub struct Metric<T> {
    /// As Prometheus has it; ends in its unit, and in `_total` for a counter.
    pub name: &'static str,
    /// `counter` or `gauge`, as Prometheus tells them apart.
    pub kind: &'static str,
    /// What it is, in one sentence.
    pub help: &'static str,
    /// Reads the figure as it is now.
    pub value: fn(&T) -> u64,
}

/// What can be a figure.
pub(super) trait Figure {
    /// As it is before anything was written.
    #[allow(clippy::declare_interior_mutable_const)] // each use is a figure of its own
    const ZERO: Self;

    /// Makes it zero again.
    fn clear(&self);
}

/// A figure that is one number.
pub(super) trait Number {
    /// The number as it is now.
    fn number(&self) -> u64;
}

macro_rules! number {
    ($($type:ty = $zero:expr;)*) => {$(
        impl Figure for $type {
            const ZERO: Self = <$type>::new($zero);

            fn clear(&self) {
                self.store($zero, Relaxed);
            }
        }

        impl Number for $type {
            fn number(&self) -> u64 {
                u64::from(self.load(Relaxed))
            }
        }
    )*};
}

number! {
    AtomicBool = false;
    AtomicU8 = 0;
    AtomicU32 = 0;
    AtomicU64 = 0;
}

impl<const COUNT: usize> Figure for [AtomicU64; COUNT] {
    const ZERO: Self = [const { AtomicU64::new(0) }; COUNT];

    fn clear(&self) {
        for figure in self {
            figure.clear();
        }
    }
}

/// One line per figure: `name: type, reset or keep, "what it is"`, and for one that `/metrics`
/// shows `=> "its name there", "its kind"`. `keep` is for what outlives one use of a slot.
macro_rules! figures {
    (
        $(#[$doc:meta])*
        $name:ident:
        $($field:ident: $type:ty, $end:ident, $help:literal $(=> $metric:literal, $kind:literal)?;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            $(#[doc = $help] pub $field: $type,)*
        }

        impl $name {
            /// Those that `/metrics` shows.
            pub const METRICS: &'static [$crate::status::figures::Metric<Self>] = &[$($(
                $crate::status::figures::Metric {
                    name: $metric,
                    kind: $kind,
                    help: $help,
                    value: |figures| $crate::status::figures::Number::number(&figures.$field),
                },
            )?)*];

            /// Figures that are all zero.
            pub const fn new() -> Self {
                Self { $($field: <$type as $crate::status::figures::Figure>::ZERO,)* }
            }

            /// Makes the figures ready for the next use of the slot.
            pub fn reset(&self) {
                $(figures!(@$end self.$field);)*
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    (@reset $field:expr) => { $crate::status::figures::Figure::clear(&$field) };
    (@keep $field:expr) => {};
}

pub(super) use figures;
