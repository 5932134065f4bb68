//! Tests of a whole stream: a camera's packets are fed in, and a browser's view is checked.

mod cutting;
mod hevc;
mod judged;
mod losses;
mod markers;
mod noise;
mod parameter_sets;
mod reads;
mod ring;
mod timestamps;
