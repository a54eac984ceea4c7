//! Runs [`flotilla_fuzz::zip_directory`] under libFuzzer.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| flotilla_fuzz::zip_directory::run(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("scripts/fuzz zip_directory");
}
