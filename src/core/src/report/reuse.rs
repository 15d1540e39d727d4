/// What is said of an evaluation that was not done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reuse<'f> {
    /// In words.
    pub text: String,
    /// The page of the build that did it.
    pub url: Option<&'f str>,
}

/// Tells which evaluation is used again. Only addresses of builds of the Buildbot at `base_url`
/// become links: the worker has had `from` in a file since.
pub fn reuse<'f>(from: &'f str, base_url: &str) -> Reuse<'f> {
    match build_number(from, base_url) {
        Some(number) => Reuse {
            text: format!("reused from build {number}"),
            url: Some(from),
        },
        None => Reuse {
            text: "reused from an earlier evaluation".to_owned(),
            url: None,
        },
    }
}

/// The number of the build whose page is `url`.
fn build_number<'f>(url: &'f str, base_url: &str) -> Option<&'f str> {
    let below = url.strip_prefix(base_url)?.strip_prefix("#/builders/")?;
    let (builder, build) = below.split_once("/builds/")?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    (is_number(builder) && is_number(build)).then_some(build)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_builds_of_this_buildbot_are_links() {
        let base = "https://ci/";
        let own = reuse("https://ci/#/builders/3/builds/12", base);
        assert_eq!(own.text, "reused from build 12");
        assert_eq!(own.url, Some("https://ci/#/builders/3/builds/12"));
        for other in [
            "",
            "javascript:alert(1)",
            "https://other/#/builders/3/builds/12",
            "https://ci/#/builders/3/builds/",
            "https://ci/#/builders/x/builds/1",
            "https://ci/#/builders/3/builds/1/../../x",
        ] {
            let reuse = reuse(other, base);
            assert_eq!(reuse.url, None, "{other}");
            assert_eq!(reuse.text, "reused from an earlier evaluation");
        }
    }
}
