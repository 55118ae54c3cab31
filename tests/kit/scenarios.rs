//! What must hold wherever the filter runs: one table, several drivers.
//!
//! A scenario is a function of a [`Driver`]; its name is the fact it shows. [`each_scenario`]
//! makes a test of each, for one driver.

mod faults;
mod identity;
mod lost;
mod modern;
mod sealed;
mod sessions;
mod sse;
mod timed;
mod untouched;

pub use faults::*;
pub use identity::*;
pub use lost::*;
pub use modern::*;
pub use sealed::*;
pub use sessions::*;
pub use sse::*;
pub use timed::*;
pub use untouched::*;

use serde_json::json;

use crate::client::{Ask, Got};
use crate::driver::{Driver, Scene};

/// Makes a test of every scenario in each mode of steering that goes with any store, on the driver that
/// `$driver` makes of a [`Scene`].
#[macro_export]
macro_rules! each_scenario {
    ($driver:path) => {
        mod authority {
            use super::*;
            $crate::common_scenarios!($driver, Authority);
            $crate::scenario_tests! { $driver, Authority;
                a_pod_sees_its_own_name_and_the_one_that_was_asked_for,
                one_replica_is_no_special_case,
                a_drained_pod_gets_no_new_session,
                a_pod_that_is_gone_gets_no_new_sessions,
                sessions_are_spread_by_how_many_each_pod_has,
            }
        }

        mod dynamic_host {
            use super::*;
            $crate::common_scenarios!($driver, DynamicHost);
            $crate::scenario_tests! { $driver, DynamicHost;
                the_authority_is_left_alone,
                one_replica_is_no_special_case,
                a_drained_pod_gets_no_new_session,
                a_pod_that_is_gone_gets_no_new_sessions,
                sessions_are_spread_by_how_many_each_pod_has,
            }
        }

        mod endpoint {
            use super::*;
            $crate::common_scenarios!($driver, Endpoint);
            $crate::scenario_tests! { $driver, Endpoint; the_authority_is_left_alone, }
        }

        mod override_host {
            use super::*;
            $crate::common_scenarios!($driver, OverrideHost);
            $crate::scenario_tests! { $driver, OverrideHost; the_authority_is_left_alone, }
        }
    };
}

/// The same for the mode that goes with no store which others can write to.
#[macro_export]
macro_rules! each_scenario_of_original_dst {
    ($driver:path) => {
        mod original_dst {
            use super::*;
            $crate::common_scenarios!($driver, OriginalDst);
            $crate::scenario_tests! { $driver, OriginalDst; the_authority_is_left_alone, }
        }
    };
}

/// The scenarios that every mode of steering must pass, with every store.
#[doc(hidden)]
#[macro_export]
macro_rules! scenarios_of_any_store {
    ($driver:path, $mode:ident) => {
        $crate::scenario_tests! { $driver, $mode;
            a_session_stays_on_the_pod_that_opened_it,
            new_sessions_are_spread_over_all_pods,
            an_unknown_session_is_answered_404,
            an_ended_session_is_answered_404,
            a_session_that_its_pod_lost_is_answered_404_and_forgotten,
            an_initialize_with_a_session_id_is_treated_by_its_id,
            a_reply_is_the_same_whatever_content_type_a_request_claims,
            a_stream_and_its_resumption_reach_the_pod_of_the_session,
            a_bad_session_id_is_answered_400_and_goes_nowhere,
            steering_headers_of_a_client_are_removed,
            a_request_of_2026_07_28_arrives_as_it_was_sent,
            a_request_elsewhere_arrives_as_it_was_sent,
            a_request_that_cannot_open_a_session_arrives_as_it_was_sent,
            a_server_without_sessions_is_left_alone,
            a_failure_with_a_fresh_id_binds_nothing,
            another_method_with_a_fresh_id_binds_nothing,
            a_lost_session_is_answered_404_whatever_its_pod_says,
            a_loss_is_told_by_a_stream_and_by_an_end_as_well,
            an_error_that_is_no_loss_passes_as_it_is,
            a_pod_that_does_not_answer_is_taken_at_its_word,
            a_session_whose_pod_is_gone_is_answered_404_and_others_go_on,
            a_session_is_served_to_who_opened_it_alone,
            a_session_of_nobody_is_served_to_anybody,
            nobody_opens_a_session_where_a_subject_is_required,
            no_spelling_leads_to_a_session_of_another,
            an_era_without_sessions_does_not_use_those_of_subjects,
        }
    };
}

/// The scenarios that every mode of steering must pass, with a store that keeps pins.
#[doc(hidden)]
#[macro_export]
macro_rules! common_scenarios {
    ($driver:path, $mode:ident) => {
        $crate::scenarios_of_any_store!($driver, $mode);
        $crate::scenario_tests! { $driver, $mode;
            an_error_in_a_success_undoes_the_binding,
            an_answer_in_json_binds_as_well,
            a_refused_delete_keeps_the_session,
            a_404_to_a_get_is_passed_and_keeps_the_session,
            a_bad_id_of_a_pod_binds_nothing,
            an_id_in_use_on_another_pod_is_not_handed_out,
            a_replaced_response_keeps_the_pods_other_headers,
            a_replaced_response_without_a_body_keeps_the_pods_other_headers,
            messages_reach_the_pod_of_their_stream,
            a_session_of_sse_ends_with_its_stream,
            a_message_of_an_unknown_session_is_answered_404_at_once,
            a_stream_is_for_who_opened_it_alone,
        }
    };
}

/// Makes a test of every scenario in each mode of steering with pins that are sealed into ids, on the driver that
/// `$driver` makes of a [`Scene`].
#[macro_export]
macro_rules! each_sealed_scenario {
    ($driver:path) => {
        $crate::sealed_scenarios!($driver;
            authority: Authority, dynamic_host: DynamicHost, endpoint: Endpoint,
            override_host: OverrideHost, original_dst: OriginalDst);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! sealed_scenarios {
    ($driver:path; $($module:ident: $mode:ident),*) => { $(
        mod $module {
            use super::*;
            $crate::scenarios_of_any_store!($driver, $mode);
            $crate::scenario_tests! { $driver, $mode;
                a_client_has_its_own_id_wherever_the_pod_names_the_session,
                an_id_that_is_too_long_to_be_sealed_is_passed,
                an_id_of_another_workload_is_unknown,
            }
        }
    )* };
}

/// Makes a test of every scenario of the era without sessions, in these modes of steering, on the driver that
/// `$driver` makes of a [`Scene`]. Those of the first list steer by name.
#[macro_export]
macro_rules! each_modern_scenario {
    ($driver:path; $($module:ident: $mode:ident),*; $($other:ident: $other_mode:ident),*) => {
        mod modern {
            $( mod $module {
                use super::super::*;
                $crate::scenario_tests! { $driver, $mode;
                    a_refused_era_is_answered_400_with_nothing,
                    a_key_keeps_its_pod,
                    a_remembered_key_keeps_its_pod,
                    a_task_keeps_its_pod,
                    a_key_whose_pod_is_gone_goes_to_another,
                    a_pod_that_a_value_names_is_reached,
                }
            } )*
            $( mod $other {
                use super::super::*;
                $crate::scenario_tests! { $driver, $other_mode;
                    a_refused_era_is_answered_400_with_nothing,
                    a_remembered_key_keeps_its_pod,
                    a_task_keeps_its_pod,
                    a_key_whose_endpoint_is_gone_goes_to_another,
                }
            } )*
        }
    };
}

/// The scenarios in which time passes, in each mode.
#[macro_export]
macro_rules! each_timed_scenario {
    ($driver:path; $($module:ident: $mode:ident),*) => {
        mod timed { $(
            mod $module {
                use super::super::*;
                $crate::scenario_tests! { $driver, $mode;
                    an_idle_session_expires,
                    a_session_in_use_lives_to_its_greatest_age,
                    an_open_stream_keeps_its_session,
                    a_long_answer_keeps_its_session,
                }
            }
        )* }
    };
}

/// All of them on a [`crate::model::Model`] of the engine `$engine`, with each kind of store.
#[macro_export]
macro_rules! each_model_scenario {
    ($engine:ty) => {
        mod shared_data {
            use super::*;
            use $crate::model::Model;
            $crate::each_scenario!(Model::<$engine>::new);
            $crate::each_scenario_of_original_dst!(Model::<$engine>::new);
            $crate::each_modern_scenario!(Model::<$engine>::new;
                authority: Authority, dynamic_host: DynamicHost;
                endpoint: Endpoint, override_host: OverrideHost, original_dst: OriginalDst);
            $crate::each_timed_scenario!(Model::<$engine>::new;
                authority: Authority, dynamic_host: DynamicHost, endpoint: Endpoint,
                override_host: OverrideHost, original_dst: OriginalDst);
        }

        mod sealed {
            use super::*;
            use $crate::model::Model;
            $crate::each_sealed_scenario!(Model::<$engine>::sealed);
            mod modern {
                use super::*;
                $crate::scenario_tests! { Model::<$engine>::sealed, Authority;
                    a_refused_era_is_answered_400_with_nothing,
                    a_key_keeps_its_pod,
                    a_pod_that_a_value_names_is_reached,
                }
            }
            mod timed {
                use super::*;
                $crate::scenario_tests! { Model::<$engine>::sealed, Authority;
                    a_sealed_session_ends_by_its_age_alone,
                }
            }
        }

        mod webdis {
            use super::*;
            use $crate::driver::Scene;
            use $crate::mini_redis::Front;
            use $crate::model::Model;
            fn driver(scene: Scene) -> Model<$engine> {
                Model::with_redis(scene, Front::Webdis)
            }
            $crate::each_scenario!(driver);
            $crate::each_modern_scenario!(driver;
                authority: Authority, dynamic_host: DynamicHost;
                endpoint: Endpoint, override_host: OverrideHost);
            $crate::each_timed_scenario!(driver;
                authority: Authority, dynamic_host: DynamicHost, endpoint: Endpoint,
                override_host: OverrideHost);
        }

        mod upstash {
            use super::*;
            use $crate::driver::Scene;
            use $crate::mini_redis::Front;
            use $crate::model::Model;
            fn driver(scene: Scene) -> Model<$engine> {
                Model::with_redis(scene, Front::Upstash)
            }
            $crate::each_scenario!(driver);
            $crate::each_modern_scenario!(driver;
                authority: Authority, dynamic_host: DynamicHost;
                endpoint: Endpoint, override_host: OverrideHost);
            $crate::each_timed_scenario!(driver;
                authority: Authority, dynamic_host: DynamicHost, endpoint: Endpoint,
                override_host: OverrideHost);
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! scenario_tests {
    ($driver:path, $mode:ident; $($name:ident,)*) => { $(
        #[test]
        fn $name() {
            let scenario = $crate::scenarios::$name;
            let mode = $crate::mode::Mode::$mode;
            scenario(|scene| $driver($crate::driver::Scene { mode, ..scene }));
        }
    )* };
}

/// A session that was opened.
pub struct Opened {
    pub id: String,
    pub ordinal: usize,
}

/// Opens a session and says so to the server, as a client must.
pub fn open(driver: &mut impl Driver) -> Opened {
    let got = driver.send(Ask::initialize());
    assert_eq!(got.status, 200, "{got:?}");
    let id = got.header("mcp-session-id").expect("a session id").to_owned();
    assert!(got.message()["result"]["serverInfo"].is_object());
    let opened = Opened { id, ordinal: got.ordinal() };
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let got = driver.send(Ask::post(initialized).session(&opened.id));
    assert_eq!((got.status.as_u16(), got.ordinal()), (202, opened.ordinal));
    opened
}

/// What the server of the session counts to.
pub fn count(driver: &mut impl Driver, session: &Opened) -> u32 {
    let got = driver.send(Ask::tool("count").session(&session.id));
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.ordinal(), session.ordinal);
    got.text().parse().expect("a number")
}

/// Asserts that an honest client is served.
pub fn serves(driver: &mut impl Driver) {
    let session = open(driver);
    assert_eq!(count(driver, &session), 1);
}

/// Asserts the response on which every client starts a new session.
pub fn is_session_not_found(got: &Got) {
    assert_eq!(got.status, 404);
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert!(!got.headers.contains_key("mcp-session-id"));
    assert_eq!(
        String::from_utf8_lossy(&got.body),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#
    );
}

fn plain<D: Driver>(driver: impl FnOnce(Scene) -> D) -> D {
    driver(Scene::default())
}
