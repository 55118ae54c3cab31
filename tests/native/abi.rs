//! What the module asks of Envoy and of the system.

use std::collections::BTreeSet;
use std::process::Command;

use kit::native::MODULE;
use kit::root;

/// What the module needs of whoever loads it.
fn undefined() -> Vec<String> {
    let output =
        Command::new("nm").args(["-D", "--undefined-only"]).arg(root().join(MODULE)).output();
    let output = output.expect("nm, of Debian's package binutils");
    assert!(output.status.success(), "make native");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}

/// One that it lacks, and Envoy refuses the whole module.
#[test]
fn the_oldest_envoy_has_every_callback() {
    let known = include_str!("../fixtures/envoy-1.39.3-callbacks.txt");
    let known: BTreeSet<_> = known.lines().collect();
    let undefined = undefined();
    let prefix = "envoy_dynamic_module_callback_";
    let wanted: Vec<_> = undefined.iter().filter_map(|name| name.strip_prefix(prefix)).collect();
    assert!(wanted.len() > 30, "{wanted:?}");
    for name in wanted {
        assert!(known.contains(name), "{name}");
    }
    let others = undefined.iter().filter(|name| name.starts_with("envoy_"));
    assert!(others.clone().all(|name| name.starts_with(prefix)), "{undefined:?}");
}

/// As the page on the module says.
#[test]
fn no_newer_glibc_is_needed_than_the_page_says() {
    let version = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().expect("a number"));
        (parts.next(), parts.next())
    };
    let needed = undefined()
        .into_iter()
        .filter_map(|name| name.split_once("@GLIBC_").map(|(_, of)| version(of)));
    let newest = needed.max().expect("it needs glibc");
    assert!(newest <= version("2.35"), "{newest:?}");
}

/// What the module calls, each with a test of this suite that fails if it has no effect.
const EFFECTS: [(&str, &str); 37] = [
    ("log", "a_broken_configuration_refuses_to_load_and_names_every_mistake_in_one_line"),
    ("log_enabled", "the_log_follows_the_level_of_envoys"),
    ("is_validation_mode", "a_configuration_that_is_only_judged_starts_nothing"),
    ("http_get_headers_size", "a_session_stays_on_the_pod_that_opened_it"),
    ("http_get_headers", "a_session_stays_on_the_pod_that_opened_it"),
    ("http_get_header", "a_session_that_its_pod_lost_is_answered_404_and_forgotten"),
    ("http_set_header", "a_pod_sees_its_own_name_and_the_one_that_was_asked_for"),
    ("http_get_body_chunks_size", "an_error_in_a_success_undoes_the_binding"),
    ("http_get_body_chunks", "an_error_in_a_success_undoes_the_binding"),
    ("http_get_body_size", "an_error_in_a_success_undoes_the_binding"),
    ("http_drain_body", "a_session_that_its_pod_lost_is_answered_404_and_forgotten"),
    ("http_append_body", "a_replaced_response_without_a_body_keeps_the_pods_other_headers"),
    ("http_send_response", "an_unknown_session_is_answered_404"),
    ("http_clear_route_cache", "a_pod_sees_its_own_name_and_the_one_that_was_asked_for"),
    (
        "http_set_upstream_override_host",
        "the_503_for_an_endpoint_that_is_gone_becomes_a_404_that_other_filters_see",
    ),
    ("http_set_filter_state_bytes", "a_session_stays_on_the_pod_that_opened_it"),
    ("http_get_filter_state_bytes", "every_kind_of_property_says_whose_a_session_is"),
    ("http_set_filter_state_typed", "the_authority_is_left_alone"),
    ("http_get_metadata_string", "every_kind_of_property_says_whose_a_session_is"),
    ("http_filter_get_attribute_string", "a_session_stays_on_the_pod_that_opened_it"),
    ("http_get_cluster_name", "a_lost_session_is_answered_404_whatever_its_pod_says"),
    ("http_filter_continue_decoding", "a_session_of_another_envoy_is_found"),
    ("http_filter_continue_encoding", "a_session_of_another_envoy_is_found"),
    ("http_filter_reset_stream", "a_panic_in_any_hook_of_a_stream_fails_that_exchange_alone"),
    ("http_filter_scheduler_new", "a_session_of_another_envoy_is_found"),
    ("http_filter_scheduler_commit", "a_session_of_another_envoy_is_found"),
    ("http_filter_scheduler_delete", "exchanges_that_are_cut_off_anywhere_harm_nothing"),
    ("http_filter_increment_counter", "scope_and_ordinal_are_labels"),
    ("http_filter_set_gauge", "a_gauge_that_is_set_in_an_exchange_is_told"),
    ("http_filter_config_define_counter", "scope_and_ordinal_are_labels"),
    ("http_filter_config_define_gauge", "scope_and_ordinal_are_labels"),
    (
        "http_filter_config_increment_counter",
        "a_panic_in_a_hook_of_the_configuration_stops_no_request",
    ),
    ("http_filter_config_set_gauge", "scope_and_ordinal_are_labels"),
    ("http_filter_config_scheduler_new", "sessions_outlive_the_last_configuration"),
    ("http_filter_config_scheduler_commit", "a_session_of_another_envoy_is_found"),
    ("http_filter_config_scheduler_delete", "sessions_outlive_the_last_configuration"),
    ("http_filter_config_http_callout", "a_session_of_another_envoy_is_found"),
];

/// Neither compiler nor linker compares a declaration with Envoy's own.
#[test]
fn every_callback_has_a_test_that_sees_its_effect() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).expect(path);
    let declared = read("filter/native/src/abi.rs");
    let mark = "\"envoy_dynamic_module_callback_";
    // Those of a number, which are always there.
    let declared: BTreeSet<_> = declared
        .lines()
        .filter(|line| line.trim().starts_with(char::is_numeric))
        .filter_map(|line| line.split_once(mark)?.1.strip_suffix('"').map(str::to_owned))
        .collect();
    let effects = EFFECTS.iter();
    let listed: BTreeSet<_> = effects.clone().map(|(callback, _)| (*callback).to_owned()).collect();
    assert_eq!(listed, declared);
    let mut sources = String::new();
    for directory in ["tests/native", "tests/kit/scenarios"] {
        for file in std::fs::read_dir(root().join(directory)).expect(directory) {
            sources += &std::fs::read_to_string(file.expect("a file").path()).expect("text");
        }
    }
    for (callback, test) in effects {
        let is_there = [format!("fn {test}("), format!("fn {test}<")];
        assert!(is_there.iter().any(|text| sources.contains(text)), "{callback}: {test}");
    }
}
