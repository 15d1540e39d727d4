use url::Url;

/// The URL of the header `Link` that has the relation `relation`, relative to `base`.
pub(super) fn link(header: &str, relation: &str, base: &Url) -> Option<Url> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, parameters) = after.split_once('>')?;
        // A comma ends the parameters; one in quotes is in no relation that forges use.
        let (parameters, next) = parameters.split_once(',').unwrap_or((parameters, ""));
        let is_it = parameters.split(';').any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("rel")
                    && value
                        .trim()
                        .trim_matches('"')
                        .split(' ')
                        .any(|word| word == relation)
            })
        });
        if is_it {
            return base.join(target).ok();
        }
        rest = next;
    }
    None
}

/// The page number in the query of `url`.
pub(super) fn page_number(url: &Url) -> Option<u32> {
    let (_, number) = url.query_pairs().find(|(name, _)| name == "page")?;
    number.parse().ok()
}

/// `url` with another page number.
pub(super) fn with_page_number(url: &Url, number: u32) -> Url {
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "page")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut url = url.clone();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(others)
        .append_pair("page", &number.to_string());
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"<https://host/a?q=x,y&page=1>; rel="prev", </a?page=3>; title="t"; rel="next last", <b>; REL=first"#;

    #[rstest::rstest]
    #[case("prev", Some("https://host/a?q=x,y&page=1"))]
    #[case("next", Some("https://host/a?page=3"))]
    #[case("last", Some("https://host/a?page=3"))]
    #[case("first", Some("https://host/api/b"))]
    #[case("up", None)]
    fn links_are_found_by_relation(#[case] relation: &str, #[case] target: Option<&str>) {
        let base = Url::parse("https://host/api/c").unwrap();
        let found = link(HEADER, relation, &base);
        assert_eq!(found.as_ref().map(Url::as_str), target);
    }

    #[rstest::rstest]
    #[case("")]
    #[case("<")]
    #[case("<a>")]
    #[case("<a>; rel")]
    #[case("<http://[>; rel=next")]
    fn nonsense_has_no_links(#[case] header: &str) {
        assert_eq!(
            link(header, "next", &Url::parse("https://host/").unwrap()),
            None
        );
    }

    #[test]
    fn a_page_is_found_by_its_number() {
        let url = Url::parse("https://host/a?page=2&limit=50").unwrap();
        assert_eq!(page_number(&url), Some(2));
        assert_eq!(
            with_page_number(&url, 7).as_str(),
            "https://host/a?limit=50&page=7"
        );
    }
}
