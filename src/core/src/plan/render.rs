use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::nix::System;

use super::{Database, MasterPlan, PollerPlan, SecretSource, ServicePlan};

/// The plan as tables for people.
pub fn render(plan: &MasterPlan) -> String {
    let mut sections = vec![facts(plan)];
    let mut section = |title: &str, header: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            sections.push(format!(
                "{title} ({})\n{}",
                rows.len(),
                table(header, &rows)
            ));
        }
    };
    section(
        "Projects",
        &["name", "id", "default branch", "url"],
        projects(plan),
    );
    section(
        "Pollers",
        &["project", "every", "first poll"],
        pollers(plan),
    );
    section("Machines", &["name", "workers", "runs"], machines(plan));
    section("Builders", &["name", "folder"], builders(plan));
    section(
        "Schedulers",
        &["name", "started by", "builder"],
        schedulers(plan),
    );
    section("Secrets", &["name", "from"], secrets(plan));
    section("Notices", &["about", "notice"], notices(plan));
    sections.join("\n")
}

/// The plan as JSON for programs; it shows no secret.
pub fn render_json(plan: &MasterPlan) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(plan)
}

fn facts(plan: &MasterPlan) -> String {
    let database = match &plan.database {
        Database::Url(url) => url.to_string(),
        Database::UrlFile(file) => format!("from file {}", file.reference()),
    };
    let systems: Vec<&str> = plan.systems.iter().map(System::as_str).collect();
    let evaluations = format!("{} evaluations a machine", plan.evaluation.concurrent);
    let slots = plan.workers.len();
    let builds = format!("{slots} build{}", if slots == 1 { "" } else { "s" });
    let limits = [evaluations, builds];
    let services: Vec<&str> = plan
        .services
        .iter()
        .map(|ServicePlan::BuildCanceller { name, .. }| name.as_str())
        .collect();
    let policy = &plan.access.policy;
    let providers = plan.access.providers.iter();
    let providers: Vec<&str> = providers.map(|provider| provider.as_str()).collect();
    let control = match providers.as_slice() {
        _ if policy.is_open => "everyone".to_owned(),
        [] => "no one".to_owned(),
        some => format!("who logs in through {}", some.join(", ")),
    };
    let roots = if plan.gc_roots.enabled {
        plan.gc_roots.user.as_str()
    } else {
        "none"
    };
    let rows = [
        ("Title", plan.title.clone()),
        ("Web interface", format!("{} on {}", plan.url, plan.port)),
        ("Workers connect to", plan.worker_port.clone()),
        ("Database", database),
        ("Controlled by", control),
        ("Systems", systems.join(", ")),
        ("At once", limits.join(", ")),
        ("gc roots of", roots.to_owned()),
        ("Services", services.join(", ")),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    table(&[], &rows)
}

fn projects(plan: &MasterPlan) -> Vec<Vec<String>> {
    let row = |project: &super::ProjectPlan| {
        vec![
            project.name.to_string(),
            project.id.to_string(),
            project.default_branch.clone(),
            project.url.to_string(),
        ]
    };
    plan.projects.iter().map(row).collect()
}

fn pollers(plan: &MasterPlan) -> Vec<Vec<String>> {
    let row = |poller: &PollerPlan| {
        let first = if poller.build_on_first_poll {
            "builds"
        } else {
            "remembers"
        };
        let every = match poller.poll_spread {
            0 => format!("{} s", poller.poll_interval),
            spread => format!("{} s + 0…{spread} s", poller.poll_interval),
        };
        vec![poller.project.to_string(), every, first.to_owned()]
    };
    plan.pollers.iter().map(row).collect()
}

fn machines(plan: &MasterPlan) -> Vec<Vec<String>> {
    let mut machines: BTreeMap<(bool, &str), Vec<&str>> = BTreeMap::new();
    for worker in &plan.workers {
        let names = machines.entry((worker.local, &worker.machine)).or_default();
        names.push(&worker.name);
    }
    let row = |((local, machine), names): ((bool, &str), Vec<&str>)| {
        let names = match names.as_slice() {
            [first, .., last] => format!("{first} … {last}"),
            few => few.concat(),
        };
        let place = if local { "in the master" } else { "connects" };
        vec![machine.to_owned(), names, place.to_owned()]
    };
    machines.into_iter().map(row).collect()
}

fn builders(plan: &MasterPlan) -> Vec<Vec<String>> {
    let row = |builder: &super::BuilderPlan| vec![builder.name.clone(), builder.builddir.clone()];
    plan.builders.iter().map(row).collect()
}

fn schedulers(plan: &MasterPlan) -> Vec<Vec<String>> {
    let row = |scheduler: &super::SchedulerPlan| {
        vec![
            scheduler.name.clone(),
            scheduler.kind.started_by().to_owned(),
            scheduler.builder.clone(),
        ]
    };
    plan.schedulers.iter().map(row).collect()
}

fn secrets(plan: &MasterPlan) -> Vec<Vec<String>> {
    let row = |(name, secret): (&String, &super::SecretPlan)| {
        let source = match &secret.source {
            SecretSource::File(file) => file.reference().to_owned(),
            SecretSource::Minted(of) | SecretSource::MintedForSubmodule { of, .. } => {
                format!("made by {}", of.forge.title())
            }
        };
        vec![name.clone(), source]
    };
    plan.secrets.iter().map(row).collect()
}

fn notices(plan: &MasterPlan) -> Vec<Vec<String>> {
    let row = |notice: &super::Notice| vec![notice.about.clone(), notice.text.clone()];
    plan.notices.iter().map(row).collect()
}

/// Columns two spaces apart, the last one as long as it likes.
fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|title| (*title).to_owned()).collect();
    let lines = || {
        std::iter::once(&header)
            .chain(rows)
            .filter(|line| !line.is_empty())
    };
    let mut widths: Vec<usize> = Vec::new();
    for line in lines() {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in lines() {
        let mut padded = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(padded, "  {cell:width$}");
        }
        text.push_str(padded.trim_end());
        text.push('\n');
    }
    text
}
