//! Checks the rules of this repository: dependency directions, file lengths, documented codes, top-level files. See the
//! tests.

pub mod imports;
pub mod pages;
pub mod texts;

/// Whether an item is part of the tests.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test"))
    })
}
