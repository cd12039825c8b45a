//! Workflow files, scripts and quantities together.

use kiln_engine::Engine;
use kiln_records::Workflow;

const NEW: &str = r#"{
    "name": "ci",
    "jobs": [
        { "name": "sanity", "minutes": 3 },
        { "name": "build", "minutes": 12, "needs": ["sanity"] },
        { "name": "unit", "minutes": 5, "needs": ["build"] },
        { "name": "e2e", "minutes": 5, "needs": ["build"] },
        { "name": "integration", "minutes": 5, "needs": ["build"] }
    ]
}"#;

fn shown(script: &str) -> Vec<String> {
    let mut engine = Engine::default();
    engine.load(&Workflow::from_json(NEW).unwrap()).unwrap();
    engine.run(script).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn a_workflow_is_known_by_its_jobs() {
    assert_eq!(shown("ci.build; ci.build * 2"), ["12 min", "24 min"]);
}

#[test]
fn wall_time_and_job_time_are_different_things() {
    assert_eq!(shown("ci.wall_time; ci.job_time; ci.wall_time < ci.job_time"), ["20 min", "30 min", "yes"]);
}

#[test]
fn a_budget_is_held_against_the_longest_job() {
    assert_eq!(shown("max(ci.unit, ci.e2e, ci.integration) <= 5 min"), ["yes"]);
}
