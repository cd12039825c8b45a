//! A strict fake of the official runner program.

fn main() {}
