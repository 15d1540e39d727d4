use std::collections::{BTreeMap, HashMap, HashSet};

use super::component::{HEAD_MAX, component};
use super::place::{attribute_of, output_link};
use crate::machine_line::{Job, Line};
use crate::nix::StorePath;

/// What an evaluation says about links.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Links and where they have to lead, where that is known.
    pub(super) links: BTreeMap<String, StorePath>,
    /// All attributes that were seen, and the links of their outputs; none where not all are known.
    attributes: HashMap<String, Vec<String>>,
    /// How links of attributes begin that nothing is known about.
    unknown: HashSet<String>,
    /// Whether the evaluation went to its end.
    is_complete: bool,
}

impl Wanted {
    pub(super) fn take(&mut self, line: Line) {
        match line {
            Line::Job(job) => self.take_job(job),
            Line::Failed(failed) => {
                // It may be a set, whose children nobody has seen.
                if failed.attr_path.components().is_empty() {
                    self.unknown.insert(String::new());
                }
                self.know_nothing_of(&failed.attr);
            }
            Line::Skipped(skipped) => {
                for attr_path in &skipped.attr_paths {
                    self.know_nothing_of(&attr_path.to_string());
                }
                self.know_nothing_of(&skipped.system);
            }
            Line::Done { .. } => self.is_complete = true,
            _ => {}
        }
    }

    fn take_job(&mut self, job: Job) {
        let attribute = component(&job.attr);
        let mut links = Vec::new();
        let is_known = job.outputs.values().all(Option::is_some);
        for (output, path) in job.outputs {
            if let Some(path) = path {
                let link = output_link(&attribute, &output);
                links.extend(is_known.then(|| link.clone()));
                self.links.insert(link, path);
            }
        }
        self.attributes.insert(attribute, links);
    }

    /// Neither of that attribute nor of what is below it.
    fn know_nothing_of(&mut self, attr: &str) {
        let attribute = component(attr);
        let mut below = format!("{attribute}.");
        // A shortened name has only so much of the whole.
        below.truncate(HEAD_MAX);
        self.unknown.insert(below);
        self.attributes.insert(attribute, Vec::new());
    }

    /// The links that the attribute of `link` has, if `link` is none of them.
    pub(super) fn outputs_beside(&self, link: &str) -> Option<&[String]> {
        let outputs = self.attributes.get(attribute_of(link))?;
        let is_other = !outputs.is_empty() && !outputs.iter().any(|output| output == link);
        (self.is_complete && is_other).then_some(outputs)
    }

    /// Whether `link` is of an attribute that is gone.
    pub(super) fn is_gone(&self, link: &str) -> bool {
        self.is_complete
            && !self.attributes.contains_key(attribute_of(link))
            && !self.may_be_below(link)
    }

    /// Whether it may be below something that nothing is known of.
    fn may_be_below(&self, link: &str) -> bool {
        let dots = link.match_indices('.').map(|(at, _)| at + 1);
        // Not all that is unknown one by one: both may be many.
        dots.chain([0, HEAD_MAX])
            .filter_map(|end| link.get(..end))
            .any(|head| self.unknown.contains(head))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::machine_line::Decoder;

    const JOB: &str = r#"{"type":"job","attr":"x.a","attrPath":["x","a"],"name":"a","system":"x86_64-linux","drvPath":"/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv","outputs":{"out":"/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a","dev":null,"lib":"/nix/store/h2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a-lib"},"cacheStatus":"local"}"#;
    const DONE: &str = r#"{"type":"done","jobs":1,"failed":0}"#;

    fn wanted(lines: &[&str]) -> Wanted {
        let mut wanted = Wanted::default();
        for line in Decoder::default()
            .feed(format!("{}\n", lines.join("\n")).as_bytes())
            .unwrap()
        {
            wanted.take(line);
        }
        wanted
    }

    #[test]
    fn known_outputs_have_links() {
        let links: Vec<String> = wanted(&[JOB]).links.into_keys().collect();
        assert_eq!(links, ["x.a", "x.a^lib"]);
    }

    #[rstest]
    #[case(&[JOB, DONE], "x.b", true)]
    #[case(&[JOB, DONE], "x.b^dev", true)]
    #[case(&[JOB, DONE], "x.a-dev", true)]
    #[case(&[JOB, DONE], "x.a", false)]
    #[case(&[JOB, DONE], "x.a^man", false)]
    // Nothing is known of an evaluation that did not come to its end.
    #[case(&[JOB], "x.b", false)]
    #[case(&[r#"{"type":"failed","attr":"x.b","attrPath":["x","b"],"error":"e"}"#, DONE], "x.b", false)]
    #[case(&[r#"{"type":"failed","attr":"x.b","attrPath":["x","b"],"error":"e"}"#, DONE], "x.b.c^dev", false)]
    #[case(&[r#"{"type":"failed","attr":"x.b","attrPath":["x","b"],"error":"e"}"#, DONE], "x.bc", true)]
    #[case(&[r#"{"type":"failed","attr":"","attrPath":[],"error":"e"}"#, DONE], "x.a", false)]
    #[case(&[r#"{"type":"skipped","system":"y","attributes":2}"#, DONE], "y.a", false)]
    #[case(&[r#"{"type":"skipped","system":"y","attrPaths":[["a","b"]]}"#, DONE], "a.b", false)]
    fn only_what_is_surely_gone_is_gone(
        #[case] lines: &[&str],
        #[case] link: &str,
        #[case] is_gone: bool,
    ) {
        assert_eq!(wanted(lines).is_gone(link), is_gone);
    }

    #[test]
    fn what_is_below_a_long_name_is_not_gone() {
        let long = "y".repeat(300);
        let failed =
            format!(r#"{{"type":"failed","attr":"{long}","attrPath":["{long}"],"error":"e"}}"#);
        let link = component(&format!("{long}.a"));
        assert!(!wanted(&[&failed, DONE]).is_gone(&link));
    }
}
