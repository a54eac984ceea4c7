//! The APIs of slots, and the API mapping that points at one of them.

/// Where the traffic of a stack comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiMapping {
    /// The custom domain, such as `api.example.com`. It exists in every region of the stack.
    pub domain: String,
    /// The path under which the API is served, such as `orders`; empty for the whole domain.
    pub path: String,
    /// The logical id of the API, if the template has several.
    pub api: Option<String>,
    /// The API's stage, if it is not the only one of the template.
    pub api_stage: Option<String>,
}

impl std::fmt::Display for ApiMapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)
    }
}

/// An API and its stage, which a mapping points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiStage {
    /// The API's id.
    pub api: String,
    /// The name of its stage, such as `$default`.
    pub stage: String,
}

impl std::fmt::Display for ApiStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (stage {})", self.api, self.stage)
    }
}

/// What the mapping of a deployment points at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MappedApis {
    /// What it pointed at before the update; `None` if there was no such mapping.
    pub stable: Option<ApiStage>,
    /// The API of the updated stack, once it is known.
    pub new: Option<ApiStage>,
    /// Whether the mapping was ever to point at the new API.
    pub switched: bool,
}

impl MappedApis {
    /// What the mapping points at when the new API has this share of the traffic: it has all or nothing.
    pub fn at(&self, percent: u8) -> Option<&ApiStage> {
        if percent == 0 { self.stable.as_ref() } else { self.new.as_ref() }
    }
}
