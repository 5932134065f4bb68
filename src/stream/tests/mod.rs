//! A stream as a whole: a camera's packets in, what a browser reassembles out.

mod cutting;
mod losses;
mod markers;
mod noise;
mod parameter_sets;
mod reads;
mod ring;
mod timestamps;
