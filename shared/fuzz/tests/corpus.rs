//! Every input that is checked in, without a fuzzer.

use std::path::Path;

type Target = (&'static str, fn(&[u8]));

#[test]
fn the_inputs_that_are_checked_in_break_no_promise() {
    let targets: [Target; 6] = [
        ("cursor", flotilla_fuzz::cursor::run),
        ("manifest", flotilla_fuzz::manifest::run),
        ("signature", flotilla_fuzz::signature::run),
        ("template", flotilla_fuzz::template::run),
        ("upload_key", flotilla_fuzz::upload_key::run),
        ("zip_directory", flotilla_fuzz::zip_directory::run),
    ];
    for (target, run) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let mut files = 0;
        for entry in std::fs::read_dir(folder).expect("a corpus").flatten() {
            println!("{}", entry.path().display());
            run(&std::fs::read(entry.path()).expect("an input"));
            files += 1;
        }
        // As many as scripts/fuzz keeps.
        assert!((1..=40).contains(&files), "{target} has {files} inputs");
    }
}
