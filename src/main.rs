//! The `spanline` command.

fn main() {}
