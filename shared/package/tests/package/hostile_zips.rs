//! Rows P01 to P03 of the fault list: zips that lie.

use crate::support::{directory, unpack, zip_of};
use flotilla_domain::Code;

fn good() -> Vec<u8> {
    zip_of(&[("a.txt", b"hello hello hello hello"), ("b.zip", b"stored")])
}

/// Where the bytes of `pattern` are for the `nth` time.
fn at(zip: &[u8], pattern: &[u8], nth: usize) -> usize {
    zip.windows(pattern.len())
        .enumerate()
        .filter(|(_, w)| *w == pattern)
        .map(|(at, _)| at)
        .nth(nth)
        .expect("the pattern")
}

fn read_all(zip: &[u8]) -> Result<(), Code> {
    let directory = directory(zip).map_err(|r| r.code)?;
    directory.entries.iter().try_for_each(|entry| unpack(zip, entry).map(drop)).map_err(|r| r.code)
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

#[test]
fn a_good_zip_is_read() {
    assert_eq!(read_all(&good()), Ok(()));
    let names: Vec<_> = directory(&good()).unwrap().entries.into_iter().map(|e| e.name).collect();
    assert_eq!(names, ["a.txt", "b.zip"]);
}

#[test]
fn what_is_no_zip_is_told_from_what_is_cut_off() {
    assert_eq!(read_all(b""), Err(Code::NotAZip));
    assert_eq!(
        read_all(b"hello, this is not a zip at all, but it is long enough to be one"),
        Err(Code::NotAZip)
    );
    let zip = good();
    for cut in [1, 10, 21, 22, 60, zip.len() / 2] {
        let code = read_all(&zip[..zip.len() - cut]).unwrap_err();
        assert!(
            matches!(code, Code::ZipDamaged | Code::NotAZip | Code::EntriesInconsistent),
            "{cut}: {code:?}"
        );
    }
}

#[test]
fn p01_an_entry_that_unpacks_to_more_than_it_says_is_refused_while_it_is_read() {
    let bomb = zip_of(&[("bomb", &vec![0; 5_000_000])]);
    let mut zip = bomb.clone();
    for (header, offset) in [(at(&zip, LOCAL, 0), 22), (at(&zip, CENTRAL, 0), 24)] {
        zip[header + offset..header + offset + 4].copy_from_slice(&1_000_u32.to_le_bytes());
    }
    let entry = &directory(&zip).unwrap().entries[0];
    let mut reader = flotilla_package::zip_file::EntryReader::new(entry.clone());
    let mut seen = 0;
    let refusal = reader.push(&zip[..entry.end as usize], |bytes| seen += bytes.len()).unwrap_err();
    assert_eq!(refusal.code, Code::EntryCorrupt);
    assert!(seen <= 64 * 1024, "{seen} bytes came out before it was noticed");
}

#[test]
fn p01_a_directory_that_promises_more_than_the_limit_is_refused_before_anything_is_unpacked() {
    let mut zip = good();
    let central = at(&zip, CENTRAL, 0);
    zip[central + 24..central + 28].copy_from_slice(&4_000_000_000_u32.to_le_bytes());
    let refusal = directory(&zip).unwrap_err();
    assert_eq!(refusal.code, Code::LimitExceeded);
    assert!(refusal.message.contains("unpacked_bytes_max"), "{}", refusal.message);
}

#[test]
fn p02_unsafe_names_are_refused() {
    for name in ["../evil", "/etc/passwd", "a/../../b", "a\\b"] {
        let zip = zip_of(&[(name, b"x")]);
        assert_eq!(read_all(&zip), Err(Code::EntryNameUnsafe), "{name}");
    }
    let mut zip = good();
    for _ in ["local", "central"] {
        let name = at(&zip, b"a.txt", 0);
        zip[name] = 0xff;
    }
    assert_eq!(read_all(&zip), Err(Code::EntryNameUnsafe), "not UTF-8");
}

#[test]
fn p02_links_and_devices_are_refused() {
    for kind in [0o120_000_u32, 0o060_000, 0o020_000, 0o010_000, 0o140_000] {
        let mut zip = good();
        let central = at(&zip, CENTRAL, 0);
        zip[central + 38..central + 42].copy_from_slice(&((kind | 0o777) << 16).to_le_bytes());
        assert_eq!(read_all(&zip), Err(Code::EntrySpecial), "{kind:o}");
    }
}

#[test]
fn p03_duplicate_names_are_refused() {
    let mut zip = zip_of(&[("a.txt", b"one"), ("b.txt", b"two")]);
    let name = at(&zip, b"b.txt", 1);
    zip[name] = b'a';
    assert_eq!(read_all(&zip), Err(Code::EntriesInconsistent));
}

#[test]
fn p03_a_name_that_is_a_file_and_a_folder_is_refused() {
    assert_eq!(read_all(&zip_of(&[("a", b"x"), ("a/b", b"x")])), Err(Code::EntriesInconsistent));
}

#[test]
fn p03_overlapping_entries_are_refused() {
    let mut zip = good();
    let second = at(&zip, CENTRAL, 1);
    zip[second + 42..second + 46].copy_from_slice(&0_u32.to_le_bytes());
    assert_eq!(read_all(&zip), Err(Code::EntriesInconsistent));
}

#[test]
fn p03_prepended_and_trailing_bytes_are_refused() {
    let zip = good();
    let mut prepended = b"#!/bin/sh\n".to_vec();
    prepended.extend_from_slice(&zip);
    assert!(read_all(&prepended).is_err());
    let mut trailing = zip;
    trailing.extend_from_slice(b"more");
    assert!(read_all(&trailing).is_err());
}

#[test]
fn p03_a_local_header_unlike_the_central_one_is_refused() {
    for (offset, what) in
        [(0, "signature"), (8, "method"), (14, "checksum"), (18, "packed size"), (22, "size"), (30, "name")]
    {
        let mut zip = good();
        let local = at(&zip, LOCAL, 0);
        zip[local + offset] ^= 0x01;
        assert_eq!(read_all(&zip), Err(Code::HeaderMismatch), "{what}");
    }
}

#[test]
fn p03_bytes_between_entries_are_refused() {
    let mut zip = good();
    let (second, central, end) = (at(&zip, LOCAL, 1), at(&zip, CENTRAL, 1), at(&zip, END, 0));
    let start = u32::try_from(second + 4).unwrap();
    zip[central + 42..central + 46].copy_from_slice(&start.to_le_bytes());
    let directory_start = u32::from_le_bytes(zip[end + 16..end + 20].try_into().unwrap()) + 4;
    zip[end + 16..end + 20].copy_from_slice(&directory_start.to_le_bytes());
    zip.splice(second..second, *b"EVIL");
    assert_eq!(read_all(&zip), Err(Code::HeaderMismatch));
}

#[test]
fn corrupt_bytes_are_refused() {
    let mut zip = good();
    let stored = at(&zip, b"stored", 0);
    zip[stored] ^= 1;
    assert_eq!(read_all(&zip), Err(Code::EntryCorrupt));
    let mut zip = good();
    let first = at(&zip, LOCAL, 0);
    zip[first + 30 + 5] ^= 0xff;
    assert!(read_all(&zip).is_err());
}

#[test]
fn an_encrypted_entry_is_refused() {
    let mut zip = good();
    let (local, central) = (at(&zip, LOCAL, 0), at(&zip, CENTRAL, 0));
    zip[local + 6] |= 1;
    zip[central + 8] |= 1;
    assert_eq!(read_all(&zip), Err(Code::EntryUnreadable));
}

proptest::proptest! {
    #[test]
    fn no_change_of_a_zip_panics(changes in proptest::collection::vec((0_usize..400, proptest::prelude::any::<u8>()), 1..6)) {
        let mut zip = good();
        for (place, byte) in changes {
            let place = place % zip.len();
            zip[place] = byte;
        }
        let _ = read_all(&zip);
    }
}
