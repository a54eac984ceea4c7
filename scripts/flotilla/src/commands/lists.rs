//! Comma-separated lists, as parameters of stacks have them.

/// Adds a member to a comma-separated list, if it is not there yet.
pub fn with(list: Option<&String>, one: &str) -> String {
    let known = list.map_or("", String::as_str).split(',').map(str::trim).filter(|member| !member.is_empty());
    let mut members: Vec<&str> = known.collect();
    if !members.contains(&one) {
        members.push(one);
    }
    members.join(",")
}

/// Removes a member of a comma-separated list.
pub fn without(list: Option<&String>, one: &str) -> String {
    let known = list.map_or("", String::as_str).split(',').map(str::trim);
    known.filter(|member| !member.is_empty() && *member != one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_a_stack_gets_a_member_once() {
        assert_eq!(with(None, "a"), "a");
        assert_eq!(with(Some(&String::new()), "a"), "a");
        assert_eq!(with(Some(&"b, a".to_owned()), "a"), "b,a");
        assert_eq!(with(Some(&"b".to_owned()), "a"), "b,a");
        assert_eq!(without(Some(&"b, a,c".to_owned()), "a"), "b,c");
        assert_eq!(without(None, "a"), "");
    }
}
