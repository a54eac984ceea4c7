//! Runs [`flotilla_fuzz::manifest`] under libFuzzer, with inputs that stay well-formed every second time.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| flotilla_fuzz::manifest::run(data));

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    flotilla_fuzz::mutate::change(data, size, max_size, seed)
        .unwrap_or_else(|| libfuzzer_sys::fuzzer_mutate(data, size, max_size))
});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("scripts/fuzz manifest");
}
