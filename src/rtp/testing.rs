//! For tests: a seeded generator, a camera's packetizer, and what a browser does with the ring.
