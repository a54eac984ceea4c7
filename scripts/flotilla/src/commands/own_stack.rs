//! A stack of Flotilla itself.

/// A stack to create or update.
pub struct OwnStack<'a> {
    /// Its name.
    pub name: String,
    /// Its template; `None` keeps the current one.
    pub template: Option<&'a str>,
    /// Where the template can be read. Without it, the template is sent with the call, which takes 51,200 bytes at most.
    pub template_url: Option<String>,
    /// The parameters to set. All others keep their values, or get the template's default if the stack is new.
    pub parameters: Vec<(String, String)>,
}

impl OwnStack<'_> {
    /// The template for the call; `None` if it is read from its URL, or the current one is kept.
    pub fn body(&self) -> Option<String> {
        self.template.filter(|_| self.template_url.is_none()).map(str::to_owned)
    }
}
