//! Whether a flake can see which commit it is evaluated at, read off its syntax.
//!
//! `self` carries revision and date beside the outputs. Who never takes hold of `self` as a whole
//! cannot come by them: selecting another attribute of it gives an output, and an output was made
//! by the same code. So every use of `self` has to be of a harmless form; anything not understood
//! counts as harmful, because the price of that is only one more evaluation.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rnix::SyntaxKind::{
    NODE_ATTRPATH, NODE_IDENT, NODE_IDENT_PARAM, NODE_INTERPOL, NODE_PAT_BIND, NODE_PAT_ENTRY,
    NODE_STRING,
};
use rnix::SyntaxNode;
use rnix::ast::{self, Attr, AttrSet, Entry, Expr, HasEntry as _, Param};
use rowan::ast::AstNode as _;

/// Larger files are not looked at.
const SOURCE_MAX: usize = 64 << 10;
/// Code that takes longer to read was written to take long.
const TIME: Duration = Duration::from_secs(1);
/// The parser bounds what it nests itself; a chain of 100,000 operators is as deep as that, and is
/// freed recursively.
const STACK: usize = 512 << 20;
/// Attributes that `self` has from its commit or that lead back to it.
const METADATA: [&str; 11] = [
    "rev",
    "shortRev",
    "dirtyRev",
    "dirtyShortRev",
    "revCount",
    "lastModified",
    "lastModifiedDate",
    "sourceInfo",
    "submodules",
    "inputs",
    "outputs",
];
/// Turns a set into text where `${…}` asks for one, and gets the set itself.
const TO_STRING: &str = "__toString";

/// Whether evaluating the flake with this `flake.nix` may depend on the commit and not only on
/// the files in it. Says nothing about its inputs.
pub(super) fn may_be_seen(source: &str) -> bool {
    if source.len() > SOURCE_MAX {
        return true;
    }
    let source = source.to_owned();
    let (sender, answer) = mpsc::channel();
    let analysis = thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || sender.send(is_unseen(&source)));
    analysis.is_err() || answer.recv_timeout(TIME) != Ok(Some(true))
}

/// `None` where the code is not understood.
fn is_unseen(source: &str) -> Option<bool> {
    let parsed = rnix::Root::parse(source);
    if !parsed.errors().is_empty() {
        return None;
    }
    let Expr::AttrSet(flake) = parsed.tree().expr()? else {
        return None;
    };
    let outputs = outputs(&flake)?;
    let names = Names::of(&outputs.param()?)?;
    let has_plain_outputs = has_plain_outputs(outputs.body()?);
    let mut identifiers = outputs
        .syntax()
        .descendants()
        .filter(|node| node.kind() == NODE_IDENT);
    Some(identifiers.all(|node| names.is_harmless(&node, has_plain_outputs)))
}

/// The function `outputs` of the flake.
fn outputs(flake: &AttrSet) -> Option<ast::Lambda> {
    let mut outputs = None;
    for entry in flake.entries() {
        let Entry::AttrpathValue(entry) = entry else {
            return None;
        };
        let mut path = entry.attrpath()?.attrs();
        let name = plain(&path.next()?)?;
        if name == "outputs" {
            let Expr::Lambda(lambda) = entry.value()? else {
                return None;
            };
            if path.next().is_some() || outputs.replace(lambda).is_some() {
                return None;
            }
        }
    }
    outputs
}

/// The name, unless it is quoted or computed.
fn plain(attr: &Attr) -> Option<String> {
    match attr {
        Attr::Ident(name) => Some(name.ident_token()?.text().to_owned()),
        Attr::Dynamic(_) | Attr::Str(_) => None,
    }
}

/// Whether the outputs are a set written down, so that nothing but its path becomes of it in text.
fn has_plain_outputs(body: Expr) -> bool {
    let mut body = Some(body);
    loop {
        body = match body {
            Some(Expr::LetIn(it)) => it.body(),
            Some(Expr::Paren(it)) => it.expr(),
            Some(Expr::With(it)) => it.body(),
            Some(Expr::Assert(it)) => it.body(),
            Some(Expr::AttrSet(set)) => return set.entries().all(|entry| is_plain(&entry)),
            _ => return false,
        };
    }
}

fn is_plain(entry: &Entry) -> bool {
    let is_plain = |attr: &Attr| plain(attr).is_some_and(|name| name != TO_STRING);
    match entry {
        Entry::Inherit(inherit) => inherit.attrs().all(|attr| is_plain(&attr)),
        Entry::AttrpathValue(entry) => entry
            .attrpath()
            .and_then(|path| path.attrs().next())
            .is_some_and(|attr| is_plain(&attr)),
    }
}

/// What the arguments of `outputs` are called. Scopes are not told apart: another variable of the
/// same name is treated as if it were this one.
struct Names {
    /// Whether `self` is a variable.
    has_self: bool,
    /// The variable that holds all arguments.
    all: Option<String>,
}

impl Names {
    fn of(parameter: &Param) -> Option<Self> {
        match parameter {
            Param::IdentParam(name) => Some(Self {
                has_self: false,
                all: Some(text(name.ident()?.syntax())),
            }),
            Param::Pattern(pattern) => {
                let mut has_self = false;
                for entry in pattern.pat_entries() {
                    has_self |= text(entry.ident()?.syntax()) == "self";
                }
                let all = match pattern.pat_bind() {
                    Some(bind) => Some(text(bind.ident()?.syntax())),
                    None => None,
                };
                Some(Self { has_self, all })
            }
        }
    }

    /// Whether the identifier at `node` gives nothing of the commit away.
    fn is_harmless(&self, node: &SyntaxNode, has_plain_outputs: bool) -> bool {
        let name = text(node);
        let is_self = self.has_self && name == "self";
        let is_all = self.all.as_ref() == Some(&name);
        if !(is_self || is_all) || is_name(node) {
            return true;
        }
        // `all` first: `self@{ self, ... }` is refused by Nix.
        if !is_all {
            return is_harmless_self(node, 0, has_plain_outputs);
        }
        match selected(node, 0).as_deref() {
            Some("self") => is_harmless_self(node, 1, has_plain_outputs),
            Some(_) => true,
            None => false,
        }
    }
}

/// Whether `self`, which is the variable at `node` followed by `depth` attributes, is used well.
fn is_harmless_self(node: &SyntaxNode, depth: usize, has_plain_outputs: bool) -> bool {
    let whole = if depth == 0 {
        Some(node.clone())
    } else {
        select(node)
            .filter(|select| {
                let path = select.attrpath();
                select.default_expr().is_none()
                    && path.is_some_and(|path| path.attrs().count() == depth)
            })
            .map(|select| select.syntax().clone())
    };
    if let Some(whole) = whole
        && is_in_text(&whole)
    {
        return has_plain_outputs;
    }
    selected(node, depth).is_some_and(|name| !METADATA.contains(&name.as_str()))
}

/// Whether `node` is all of a `${…}` in a string.
fn is_in_text(node: &SyntaxNode) -> bool {
    node.parent()
        .filter(|parent| parent.kind() == NODE_INTERPOL)
        .and_then(|parent| parent.parent())
        .is_some_and(|parent| parent.kind() == NODE_STRING)
}

/// Whether the identifier at `node` is no variable that is read: it names an attribute, or a
/// variable that is made.
fn is_name(node: &SyntaxNode) -> bool {
    let Some(parent) = node.parent() else {
        return false;
    };
    match parent.kind() {
        NODE_ATTRPATH | NODE_PAT_BIND | NODE_IDENT_PARAM => true,
        // Behind the name there may be a default value.
        NODE_PAT_ENTRY => parent.first_child().as_ref() == Some(node),
        _ => false,
    }
}

/// The plain name of attribute number `index` that is selected from the variable at `node`.
fn selected(node: &SyntaxNode, index: usize) -> Option<String> {
    let attr = select(node)?.attrpath()?.attrs().nth(index)?;
    plain(&attr)
}

/// The selection from the variable at `node`.
fn select(node: &SyntaxNode) -> Option<ast::Select> {
    let select = ast::Select::cast(node.parent()?)?;
    (select.expr()?.syntax() == node).then_some(select)
}

fn text(node: &SyntaxNode) -> String {
    node.text().to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::*;

    fn seen(outputs: &str) -> bool {
        may_be_seen(&format!("{{ description = \"x\"; outputs = {outputs}; }}"))
    }

    #[rstest]
    #[case::nothing("{ nixpkgs, ... }: { checks = nixpkgs.checks; }")]
    #[case::no_arguments("_: { checks = 1; }")]
    #[case::an_output("{ self, nixpkgs }: { lib = 1; checks = self.lib; }")]
    #[case::a_deep_output("{ self, ... }: nixpkgs.f { checks = self.packages.a.rev or 1; }")]
    #[case::its_folder("{ self, ... }: f { checks = self.outPath + \"/x\"; }")]
    #[case::its_folder_in_text("{ self }: let a = 1; in { checks = \"${self}/x\"; }")]
    #[case::in_indented_text("{ self }: { checks = ''${self}/x''; inherit (x) a; }")]
    #[case::other_inputs("inputs: { checks = inputs.nixpkgs.lib; }")]
    #[case::both("{ self, ... }@inputs: { checks = inputs.nixpkgs.a self.packages; }")]
    #[case::self_by_inputs("inputs: f { checks = inputs.self.packages.x; }")]
    #[case::self_by_inputs_in_text("inputs: { checks = \"${inputs.self}/x\"; }")]
    #[case::an_attribute_called_self("{ self }: { checks = x.self; self = 1; }")]
    #[case::an_overlay("{ self }: { overlays.default = final: prev: { a = final.b; }; }")]
    #[case::a_comment("{ self }: { /* self.rev */ checks = \"self.rev\"; }")]
    fn only_files_count(#[case] outputs: &str) {
        assert!(!seen(outputs), "{outputs}");
    }

    #[rstest]
    #[case::revision("{ self }: { checks = self.rev; }")]
    #[case::revision_or("{ self }: { checks = self.rev or \"dirty\"; }")]
    #[case::short("{ self }: { checks = self.shortRev; }")]
    #[case::dirty("{ self }: { checks = self.dirtyRev or 1; }")]
    #[case::dirty_short("{ self }: { checks = self.dirtyShortRev or 1; }")]
    #[case::count("{ self }: { checks = self.revCount; }")]
    #[case::date("{ self }: { checks = self.lastModified; }")]
    #[case::date_text("{ self }: { checks = self.lastModifiedDate; }")]
    #[case::source("{ self }: { checks = self.sourceInfo.rev; }")]
    #[case::submodules("{ self }: { checks = self.submodules; }")]
    #[case::inputs("{ self }: { checks = self.inputs; }")]
    #[case::outputs("{ self }: { checks = self.outputs; }")]
    #[case::computed("{ self }: { checks = self.${\"re\" + \"v\"}; }")]
    #[case::computed_plainly("{ self }: { checks = self.${\"rev\"}; }")]
    #[case::quoted("{ self }: { checks = self.\"rev\"; }")]
    #[case::quoted_and_computed("{ self }: { checks = self.\"r${e}v\"; }")]
    #[case::all_values("{ self }: { checks = builtins.attrValues self; }")]
    #[case::get_attr("{ self }: { checks = builtins.getAttr \"rev\" self; }")]
    #[case::json("{ self }: { checks = builtins.toJSON self; }")]
    #[case::passed_on("{ self, nixpkgs }: { checks = nixpkgs.f { src = self; }; }")]
    #[case::in_a_list("{ self }: { checks = map (s: s.rev) [ self ]; }")]
    #[case::returned("{ self }: self")]
    #[case::merged("{ self }: { checks = (self // { }).rev; }")]
    #[case::with("{ self }: with self; { checks = rev; }")]
    #[case::renamed("{ self }: let s = self; in { checks = s.rev; }")]
    #[case::inherited("{ self }: { inherit self; }")]
    #[case::inherited_into("{ self }: f { inherit self; }")]
    #[case::inherited_from("{ self }: let inherit (self) rev; in { checks = rev; }")]
    #[case::parentheses("{ self }: { checks = (self).rev; }")]
    #[case::asked_for("{ self }: { checks = if self ? rev then 1 else 2; }")]
    #[case::a_default("{ self }: { checks = x.y or self; }")]
    #[case::a_default_of_its_own("{ self }: { checks = self.x or self; }")]
    #[case::a_parameters_default("{ self, rev ? self.rev }: { checks = rev; }")]
    #[case::a_default_that_is_self("{ self, s ? self }: { checks = s.rev; }")]
    #[case::an_inner_default("{ self }: { checks = ({ s ? self }: s.rev) { }; }")]
    #[case::all_arguments("inputs: f inputs")]
    #[case::all_and_self("inputs@{ self, ... }: f inputs")]
    #[case::all_behind("{ ... }@inputs: { checks = f { inherit inputs; }; }")]
    #[case::all_renamed("args: let inherit (args) self; in { checks = self.rev; }")]
    #[case::all_with("args: with args; { checks = self.rev; }")]
    #[case::by_all("args: { checks = args.self.rev; }")]
    #[case::whole_by_all("args: { checks = f args.self; }")]
    #[case::renamed_by_all("args: let s = args.self; in { checks = s.rev; }")]
    #[case::computed_by_all("args: { checks = args.${\"self\"}.rev; }")]
    #[case::quoted_by_all("args: { checks = args.\"self\".rev; }")]
    #[case::computed_of_self_by_all("args: { checks = args.self.${\"rev\"}; }")]
    #[case::default_by_all("args: { checks = \"${args.self or 1}\"; }")]
    #[case::underscore("_: { checks = _.self.rev; }")]
    #[case::all_of_a_pattern("{ nixpkgs, ... }@a: { checks = map (n: a.${n}) [ \"self\" ]; }")]
    #[case::in_text_of_unknown_outputs("{ self }: import ./x.nix // { checks = \"${self}\"; }")]
    #[case::to_string("{ self }: { __toString = s: s.rev; checks = \"${self}\"; }")]
    #[case::to_string_computed("{ self }: { ${a} = s: s.rev; checks = \"${self}\"; }")]
    #[case::to_string_quoted("{ self }: { \"__toString\" = s: s.rev; checks = \"${self}\"; }")]
    #[case::to_string_inherited("{ self }: { inherit (a) __toString; checks = \"${self}\"; }")]
    #[case::to_string_deep("{ self }: { __toString.__functor = _: s: s.rev; c = \"${self}\"; }")]
    #[case::in_a_path("{ self }: { checks = ./${self}; }")]
    #[case::as_a_name("{ self }: { checks.${self} = 1; }")]
    #[case::asserted("{ self }: assert self.rev != \"\"; { checks = 1; }")]
    #[case::elsewhere("import ./outputs.nix")]
    #[case::in_parentheses("(args: args.self.rev)")]
    #[case::computed_function("let f = a: a; in f")]
    #[case::broken("{ self }: { checks = ")]
    fn the_commit_counts(#[case] outputs: &str) {
        assert!(seen(outputs), "{outputs}");
    }

    #[rstest]
    #[case::no_set("let a = 1; in { outputs = _: { }; }")]
    #[case::no_outputs("{ }")]
    #[case::quoted("{ \"outputs\" = a: a.self.rev; }")]
    #[case::computed("{ ${\"out\" + \"puts\"} = a: a.self.rev; outputs = _: { }; }")]
    #[case::inherited("{ inherit (import ./x.nix) outputs; }")]
    #[case::deep("{ outputs.__functor = _: a: a.self.rev; }")]
    #[case::twice("{ outputs = _: { }; outputs = a: a.self.rev; }")]
    #[case::a_link("../other/flake.nix")]
    #[case::empty("")]
    fn other_shapes_are_not_understood(#[case] source: &str) {
        assert!(may_be_seen(source), "{source}");
    }

    #[test]
    fn depth_and_size_do_no_harm() {
        for text in [
            "(",
            "[",
            "{a=",
            "a:",
            "!",
            "a+",
            "a a ",
            "-",
            "if a then b else ",
        ] {
            let many = text.repeat(20_000 / text.len());
            let begun = Instant::now();
            let _ = seen(&format!("{{ self }}: {many}1"));
            assert!(begun.elapsed() < 10 * TIME, "{text}");
        }
        assert!(seen(&format!("_: \"{}\"", "x".repeat(SOURCE_MAX))));
    }
}
