//! Hello world.
fn main() {}
