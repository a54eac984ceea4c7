//! Runs [`flotilla_fuzz::cursor`] under libFuzzer.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| flotilla_fuzz::cursor::run(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("scripts/fuzz cursor");
}
