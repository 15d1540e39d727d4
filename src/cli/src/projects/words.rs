use std::fmt::Write as _;

use buildbot_nix_core::config::Settings;
use buildbot_nix_core::forge::{
    Discovery, Examination, Finding, ForgeKind, LeftOut, ProjectExamination, Severity,
};

/// What `projects list` says.
pub(super) fn list(settings: &Settings, found: &[(ForgeKind, Discovery)]) -> String {
    let mut text = String::new();
    for (kind, discovery) in found {
        let _ = writeln!(text, "{}", kind.title());
        if discovery.repositories.is_empty() {
            text.push_str("  no repository matches the filters\n");
        }
        for repository in &discovery.repositories {
            let private = if repository.private { ", private" } else { "" };
            let _ = writeln!(
                text,
                "  {}  {}{private}",
                repository.full_name, repository.default_branch
            );
        }
        text.push_str(&left_out(&discovery.left_out));
        for notice in &discovery.notices {
            let _ = writeln!(text, "  note: {}: {}", notice.about, notice.text);
        }
    }
    let polled = &settings.pull_based.repositories;
    if !polled.is_empty() {
        text.push_str("Polled\n");
    }
    for repository in polled.values() {
        let _ = writeln!(text, "  {}  {}", repository.name, repository.default_branch);
    }
    if text.is_empty() {
        text.push_str("The settings name no forge and no repository.\n");
    }
    text
}

/// What `projects doctor` says.
pub(super) fn examinations(examinations: &[Examination], missing: &[&String]) -> String {
    let mut text = String::new();
    for examination in examinations {
        let _ = writeln!(text, "{} {}", examination.forge.title(), examination.url);
        if let Some(token) = &examination.token {
            let _ = writeln!(text, "  {token}");
        }
        text.push_str(&findings(&examination.findings));
        text.push_str(&left_out(&examination.left_out));
        for project in &examination.projects {
            text.push_str(&self::project(project));
        }
        text.push('\n');
    }
    for name in missing {
        let _ = writeln!(
            text,
            "problem: no forge has a repository `{name}` that matches the filters\n  \
             hint: `buildbot-nix projects list` shows what there is, and what is left out"
        );
    }
    let all = examinations.iter();
    let count: usize = all.map(|examination| examination.projects.len()).sum();
    let projects = if count == 1 { "project" } else { "projects" };
    let verdict = if missing.is_empty() && !examinations.iter().any(Examination::has_problems) {
        "everything works"
    } else {
        "something is missing"
    };
    let _ = writeln!(text, "{count} {projects}: {verdict}");
    text
}

fn project(project: &ProjectExamination) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "    {name:<14} {value}");
    };
    row("token", &project.token);
    row("webhook", project.hook.as_deref().unwrap_or("none"));
    let delivery = project.last_delivery.as_ref();
    row(
        "last delivery",
        &delivery.map_or_else(
            || "the forge does not tell".to_owned(),
            |last| format!("{}, {}, answered {}", last.at, last.event, last.answer),
        ),
    );
    let status = project.last_status.as_ref();
    row(
        "last status",
        &status.map_or_else(
            || "none on the default branch".to_owned(),
            |last| format!("{}, {}: {}", last.at, last.context, last.state),
        ),
    );
    format!(
        "  {}\n{text}{}",
        project.full_name,
        findings(&project.findings)
    )
}

fn findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let severity = match finding.severity {
            Severity::Problem => "problem",
            Severity::Advice => "advice",
        };
        let _ = writeln!(text, "    {severity}: {}", finding.text);
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "      hint: {hint}");
        }
    }
    text
}

fn left_out(left_out: &[LeftOut]) -> String {
    let mut text = String::new();
    for left in left_out {
        let _ = writeln!(text, "  left out: {}: {}", left.full_name, left.reason);
    }
    text
}
