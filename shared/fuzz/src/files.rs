//! A few files in one input, so that a seed can be read and written by hand:
//!
//! ```text
//! %%% flotilla.json
//! {"flotilla": 1, "template": "template.json"}
//! %%% template.json
//! {"Resources": {}}
//! ```

/// What begins the line with a file's name.
const MARK: &[u8] = b"%%% ";

/// A file of the input; what stands before the first mark has no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, if it has one.
    pub name: Option<Vec<u8>>,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// Takes an input apart.
pub fn read(input: &[u8]) -> Vec<File> {
    let mut files = Vec::new();
    let mut open = File { name: None, content: Vec::new() };
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(MARK) {
            let name = name.strip_suffix(b"\n").unwrap_or(name).to_vec();
            files.push(std::mem::replace(&mut open, File { name: Some(name), content: Vec::new() }));
        } else {
            open.content.extend_from_slice(line);
        }
    }
    files.push(open);
    files.retain(|file| file.name.is_some() || !file.content.is_empty());
    files
}

/// Puts an input together.
pub fn write(files: &[File]) -> Vec<u8> {
    let mut out = Vec::new();
    for file in files {
        if let Some(name) = &file.name {
            if out.last().is_some_and(|last| *last != b'\n') {
                out.push(b'\n');
            }
            out.extend_from_slice(&[MARK, name, b"\n"].concat());
        }
        out.extend_from_slice(&file.content);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_put_together_as_it_was() {
        for input in ["", "no name", "%%% a\n{}\n%%% b\n", "x\n%%% a/b.json\n1\n2\n"] {
            assert_eq!(write(&read(input.as_bytes())), input.as_bytes(), "{input:?}");
        }
    }
}
