//! Mistakes are told with their places, and later layers win.

use std::path::Path;

use super::Layered;
use crate::config::Origin;

#[test]
fn a_tenant_may_have_rules_of_its_own() {
    let file = "[[sampler.tenants.acme.rules]]\nname = \"all\"\nsampler = { type = \"keep\" }\n";
    let mut layered = Layered::defaults();
    let mistakes = layered.apply_file(Path::new("t.toml"), file);
    assert!(mistakes.is_empty(), "{}", mistakes[0]);
    assert_eq!(layered.config.sampler.tenants["acme"].rules.len(), 1);
    let told = mistakes_of("[sampler.tenants.acme]\nruls = []\n");
    assert!(told[0].contains("ruls"), "{told:?}");
}

#[test]
fn attributes_of_the_agent_are_set_as_a_whole_and_print_their_source() {
    let file = "[agent.attributes]\n\"deployment.environment.name\" = \"prod\"\n";
    let mut layered = Layered::defaults();
    assert_eq!(layered.apply_file(Path::new("t.toml"), file), []);
    let name = "deployment.environment.name";
    assert_eq!(layered.config.agent.attributes[name], "prod");
    let key = format!("agent.attributes.{name}");
    let printed = layered.entries().into_iter().find(|(at, ..)| *at == key);
    let origin = printed.expect("it is printed").2;
    assert_eq!(origin.to_string(), "t.toml line 1");

    let set = format!("agent.attributes={{\"{name}\"=\"test\"}}");
    assert_eq!(layered.apply_sets(&[set]), []);
    assert_eq!(layered.config.agent.attributes[name], "test");
}

#[track_caller]
fn mistakes_of(file: &str) -> Vec<String> {
    let mut layered = Layered::defaults();
    layered
        .apply_file(Path::new("t.toml"), file)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn an_unknown_key_is_told_with_line_and_nearest_name() {
    assert_eq!(
        mistakes_of("# x\n[trace_store]\nretenton = \"1d\"\n"),
        [r#"t.toml line 3: unknown key "retenton" in [trace_store]; did you mean "retention"?"#]
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = mistakes_of(
        "[sampler]\ndecision_wait = 30\nroot_quiet = \"2 parsecs\"\n[serverr]\nx = 1\n",
    );
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(
        told.iter()
            .any(|m| m.starts_with("t.toml line 2: sampler.decision_wait: ")),
        "{told:#?}"
    );
    assert!(
        told.iter()
            .any(|m| m.starts_with("t.toml line 3: sampler.root_quiet: ")
                && m.contains("unknown unit")),
        "{told:#?}"
    );
    assert!(
        told.iter()
            .any(|m| m.starts_with("t.toml line 4: unknown section \"serverr\"")),
        "{told:#?}"
    );
}

#[test]
fn text_that_is_no_toml_is_told_with_its_line() {
    let told = mistakes_of("[server]\ndata_dir = \n");
    assert!(told[0].starts_with("t.toml line 2: "), "{told:#?}");
}

#[test]
fn later_layers_win_and_are_named() {
    let mut layered = Layered::defaults();
    assert!(
        layered
            .apply_file(Path::new("t.toml"), "[sampler]\ndecision_wait = \"20s\"\n")
            .is_empty()
    );
    assert!(
        layered
            .apply_environment(
                [(
                    "TRACEWELL__SAMPLER__DECISION_WAIT".to_owned(),
                    "10s".to_owned()
                )]
                .into_iter()
            )
            .is_empty()
    );
    assert_eq!(layered.config.sampler.decision_wait.as_secs(), 10);
    assert!(
        layered
            .apply_sets(&["sampler.decision_wait=5s".to_owned()])
            .is_empty()
    );
    assert_eq!(layered.config.sampler.decision_wait.as_secs(), 5);
    let (_, value, origin) = layered
        .entries()
        .into_iter()
        .find(|(k, ..)| k == "sampler.decision_wait")
        .expect("a key");
    assert_eq!((value.as_str(), origin), (Some("5s"), Origin::Flag));
}

#[test]
fn a_section_is_no_key_and_a_key_no_section() {
    let mut layered = Layered::defaults();
    let told = layered.apply_sets(&[
        "server.log=x".to_owned(),
        "server.data_dir.x=y".to_owned(),
        "server".to_owned(),
    ]);
    assert_eq!(told.len(), 3, "{told:?}");
}
