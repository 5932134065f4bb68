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
    /// What its numbers are told apart by; `None` for one number.
    pub by: Option<By>,
    /// Reads one of its numbers as it is now.
    pub value: fn(&T, usize) -> u64,
    /// How many of what is counted make one of the unit that the name ends in.
    pub parts: u32,
}

/// A label of the numbers of one figure.
#[derive(Debug, Clone, Copy)]
pub struct By {
    /// The label's name, as Prometheus has it.
    pub name: &'static str,
    /// Its value for each of the numbers, in their order.
    pub values: &'static [&'static str],
}

impl<T> Metric<T> {
    /// How many numbers it has.
    pub fn numbers(&self) -> usize {
        self.by.map_or(1, |by| by.values.len())
    }

    /// One of its numbers as it is now, in the unit of its name.
    #[allow(clippy::cast_precision_loss)] // of what is counted in parts, none reaches 2^53
    pub fn shown(&self, figures: &T, at: usize) -> String {
        let value = (self.value)(figures, at);
        if self.parts == 1 {
            value.to_string()
        } else {
            format!("{}", value as f64 / f64::from(self.parts))
        }
    }
}

/// What can be a figure.
pub(super) trait Figure {
    /// As it is before anything was written.
    #[allow(clippy::declare_interior_mutable_const)] // each use is a figure of its own
    const ZERO: Self;

    /// Makes it zero again.
    fn clear(&self);
}

/// A figure of one number or more.
pub(super) trait Numbers {
    /// One of the numbers as it is now.
    fn number(&self, at: usize) -> u64;
}

macro_rules! number {
    ($($type:ty = $zero:expr;)*) => {$(
        impl Figure for $type {
            const ZERO: Self = <$type>::new($zero);

            fn clear(&self) {
                self.store($zero, Relaxed);
            }
        }

        impl Numbers for $type {
            fn number(&self, _: usize) -> u64 {
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

impl<T: Figure, const COUNT: usize> Figure for [T; COUNT] {
    const ZERO: Self = [const { T::ZERO }; COUNT];

    fn clear(&self) {
        for figure in self {
            figure.clear();
        }
    }
}

impl<T: Numbers, const COUNT: usize> Numbers for [T; COUNT] {
    fn number(&self, at: usize) -> u64 {
        self[at].number(0)
    }
}

/// One line per figure: `name: type, reset or keep, "what it is"`, and for one that `/metrics`
/// shows `=> "its name there", "its kind"`, with a third where it is counted in smaller units than
/// its name says, to which an array adds `by "its label" VALUES`. `keep` is for what outlives one
/// use of a slot.
macro_rules! figures {
    (
        $(#[$doc:meta])*
        $name:ident:
        $($field:ident: $type:ty, $end:ident, $help:literal
            $(=> $metric:literal, $kind:literal $(, $parts:literal)?
                $(by $label:literal $values:expr)?)?;)*
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
                    by: figures!(@by $($label $values)?),
                    value: |figures, at| {
                        $crate::status::figures::Numbers::number(&figures.$field, at)
                    },
                    parts: 1 $(* $parts)?,
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
    (@by) => { None };
    (@by $label:literal $values:expr) => {
        Some($crate::status::figures::By { name: $label, values: $values })
    };
}

pub(super) use figures;
