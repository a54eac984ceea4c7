//! The blocks of a page: what it asks its reader to do.

/// Something that a page asks its reader to do.
pub enum Block {
    /// Save a file.
    File { heading: String, path: String, content: String },
    /// Run commands; the last one prints `output`, if the page shows any.
    Commands { heading: String, lines: Vec<String>, output: Option<String> },
}

/// The blocks of a page.
pub fn blocks(page: &str) -> Vec<Block> {
    let (mut found, mut heading, mut paragraph) = (Vec::new(), String::new(), String::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let content: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            match (kind, found.last_mut()) {
                // A script that the reader saves is no list of commands.
                ("sh", _) if saved_as(&paragraph).is_none() => {
                    let lines = content.iter().map(|line| (*line).to_owned()).collect();
                    found.push(Block::Commands { heading: heading.clone(), lines, output: None });
                }
                ("text", Some(Block::Commands { output, .. })) => *output = Some(content.join("\n")),
                _ => {
                    if let Some(path) = saved_as(&paragraph) {
                        let content = content.join("\n") + "\n";
                        found.push(Block::File { heading: heading.clone(), path, content });
                    }
                }
            }
            paragraph.clear();
        } else if line.starts_with('#') {
            line.clone_into(&mut heading);
            paragraph.clear();
        } else {
            paragraph.push_str(line);
            paragraph.push(' ');
        }
    }
    found
}

/// The path in "Save this as `path`" or "Replace `path` by this".
fn saved_as(paragraph: &str) -> Option<String> {
    let (_, rest) = paragraph.split_once("Save this as `").or_else(|| paragraph.split_once("Replace `"))?;
    Some(rest.split_once('`')?.0.to_owned())
}
