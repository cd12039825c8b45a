//! The smallest program that is a guard: what the tests beside it start, as `hearth` starts itself.

fn main() -> std::io::Result<()> {
    let descriptor = std::env::args().nth(1).and_then(|number| number.parse().ok());
    hearth_host::guard::run(descriptor.expect("the guard is started with the number of its socket"))
}
