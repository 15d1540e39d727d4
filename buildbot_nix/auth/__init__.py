"""Who may see and do what: adapts Buildbot's endpoints and events to the policy in Rust."""
