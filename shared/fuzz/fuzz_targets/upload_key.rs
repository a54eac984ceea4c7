//! Runs [`flotilla_fuzz::upload_key`] under libFuzzer.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| flotilla_fuzz::upload_key::run(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("scripts/fuzz upload_key");
}
