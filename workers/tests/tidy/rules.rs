//! The rules of the domain (D1-D23), and the tests that hold each of them.
//!
//! *Guarantee*: every test named here is in the sources, and every rule is played against a running hub
//! unless the table says why a smaller test is enough. A test is named after its rule: `d15_…`.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{self, Source};

/// One rule, in short, and its tests.
struct Rule {
    number: u32,
    says: &'static str,
    /// Tests against a running hub, with real servers and the simulators.
    played: &'static [&'static str],
    /// Smaller tests, where they hold a part of the rule on their own.
    also: &'static [&'static str],
}

const RULES: [Rule; 23] = [
    Rule {
        number: 1,
        says: "no check without a recorded consent",
        played: &[
            "d1_a_check_says_in_its_row_who_agreed_when_and_to_what_and_never_the_code",
            "d1_a_withdrawn_consent_stops_a_check_that_was_not_sent_and_no_other",
            "a_check_without_consent_is_not_sent",
        ],
        also: &[
            "d1_a_check_without_recorded_consent_is_rejected",
            "d1_a_check_needs_a_recorded_consent",
        ],
    },
    Rule {
        number: 2,
        says: "a specialist signs, an organisation needs the person's code",
        played: &[
            "d2_a_specialist_who_signed_in_accepts_without_a_code",
            "d2_an_organisation_opens_a_check_with_the_code_of_the_person",
        ],
        also: &["d2_consent_by_code_needs_the_code_and_its_reference"],
    },
    Rule {
        number: 3,
        says: "not registered in M-Gov is a result, with the portal's words",
        played: &[
            "d3_not_registered_is_a_result_with_the_portals_own_words",
            "d3_no_code_goes_to_somebody_who_is_not_registered",
        ],
        also: &["d3_the_words_are_those_of_the_portal"],
    },
    Rule {
        number: 4,
        says: "one code opens one check of one person",
        played: &[
            "d4_a_wrong_code_refuses_the_check_and_nothing_reaches_the_register",
            "d4_a_code_for_one_check_does_not_open_the_other",
            "d4_a_code_verified_by_itself_does_not_open_another_check_either",
            "d4_a_code_of_one_person_opens_no_check_of_another",
            "d4_a_code_opens_one_check",
            "d4_a_code_that_nobody_sent_opens_nothing",
            "d4_a_verification_opens_its_check_whichever_of_the_two_comes_first",
            "d4_of_many_checks_with_one_code_at_once_through_two_hubs_one_opens",
            "d4_of_many_checks_that_name_one_verification_exactly_one_opens",
            "d4_a_verification_whose_answer_was_lost_opens_nothing_and_is_not_asked_again",
            "d4_nobodys_word_opens_a_check_whose_code_was_never_answered",
        ],
        also: &["d4_only_a_verified_unused_code_of_this_person_and_check_opens"],
    },
    Rule {
        number: 5,
        says: "a code: five minutes, three attempts, again after one minute",
        played: &[
            "d5_a_code_lives_five_minutes",
            "d5_three_wrong_attempts_use_a_code_up",
            "d5_a_code_can_be_sent_again_after_a_minute_and_not_before",
        ],
        also: &["d5_a_code_lives_five_minutes_allows_three_attempts_and_a_resend_after_one"],
    },
    Rule {
        number: 6,
        says: "one press, one SMS; a lost answer is in doubt and a verified code proves it",
        played: &[
            "d6_one_press_sends_one_sms_whatever_is_lost_repeated_or_killed",
            "d6_no_operator_sends_a_second_code_to_somebody_who_may_have_left",
            "d6_d15_a_pause_in_the_middle_of_a_command_does_not_send_it_twice",
            "d6_a_code_that_verifies_proves_that_it_was_sent",
            "d6_a_code_that_is_typed_before_its_sending_is_in_doubt_proves_it_too",
            "d6_a_press_whose_code_nobody_types_ends_as_unknown_when_the_code_would_have_expired",
        ],
        also: &["d6_sent_without_what_is_needed_to_verify_leaves_the_outcome_open"],
    },
    Rule {
        number: 7,
        says: "five business days; progress, late answers, giving up",
        played: &[
            "d7_a_check_is_promised_by_the_business_days_after_its_request",
            "d7_the_worked_examples_come_out_of_the_database_too",
            "an_additional_check_is_told_as_progress_and_does_not_end_the_job",
            "a_late_answer_breaches_the_promise_and_still_counts",
            "nobody_answers_and_the_job_expires_after_one_more_look",
        ],
        also: &["d7_the_deadline_is_the_end_of_the_fifth_business_day_after_the_request"],
    },
    Rule {
        number: 8,
        says: "a register that did not answer makes the verdict unknown",
        played: &[
            "d8_a_register_that_did_not_answer_leaves_the_verdict_unknown_until_it_does",
            "d8_a_register_that_never_answers_never_becomes_clear",
        ],
        also: &["d8_a_record_waits_for_the_other_register_and_only_that_one_is_asked_again"],
    },
    Rule {
        number: 9,
        says: "an unknown or contradictory code is never clear",
        played: &[
            "d9_an_answer_that_is_odd_contradictory_or_somebody_elses_is_never_clear",
            "a_contradiction_fails_and_is_never_clear",
        ],
        also: &["d9_no_broken_answer_becomes_a_verdict"],
    },
    Rule {
        number: 10,
        says: "unlocked only while both checks are clear",
        played: &[
            "d10_a_profile_is_unlocked_only_while_both_checks_are_clear",
            "d10_a_new_check_locks_the_profile_until_it_is_answered",
        ],
        also: &[],
    },
    Rule {
        number: 11,
        says: "the verdict and its certificate are kept, no diagnosis",
        played: &["d11_a_diagnosis_that_nobody_asked_for_is_in_no_table_and_no_event"],
        also: &["d11_a_diagnosis_reaches_neither_the_portal_nor_the_next_attempt"],
    },
    Rule {
        number: 12,
        says: "persons, organisations and addresses are filled in; no property is an answer",
        played: &[
            "d12_an_owners_objects_are_replaced_at_once_and_no_property_empties_them",
            "d12_an_outage_of_the_register_is_not_no_property",
            "d12_an_organisations_card_is_filled_and_an_unknown_bin_is_a_result",
            "a_person_who_is_found_fills_the_row_of_the_portal",
        ],
        also: &["d12_no_spoilt_answer_reads_as_no_property_or_as_somebody_elses"],
    },
    Rule {
        number: 13,
        says: "a label for a reserved order that a courier delivers",
        played: &["d13_a_label_for_an_order_that_is_not_reserved_or_not_for_a_courier_is_rejected"],
        also: &["d13_a_label_needs_a_reserved_order_and_delivery_by_courier"],
    },
    Rule {
        number: 14,
        says: "number, links, status; a courier can be called",
        played: &[
            "d14_a_number_brings_its_status_its_links_and_one_job_that_follows_it",
            "d14_a_courier_who_was_called_moves_the_order_once",
        ],
        also: &["d14_a_company_has_two_addresses_that_a_courier_can_be_sent_to"],
    },
    Rule {
        number: 15,
        says: "one order, one number",
        played: &[
            "d15_one_order_has_one_number_whatever_is_lost_repeated_or_killed",
            "d15_a_number_that_was_issued_is_asked_for_by_a_persons_word",
            "d15_a_number_stands_although_a_newer_job_of_the_order_ended_without_one",
            "d6_d15_a_pause_in_the_middle_of_a_command_does_not_send_it_twice",
            "d15_a_lost_answer_is_in_doubt_until_the_order_number_tells",
            "d15_a_hub_killed_while_it_fetches_the_label_again_loses_neither_number_nor_label",
        ],
        also: &["d15_however_often_and_by_whom_an_order_is_asked_for_it_has_one_number"],
    },
    Rule {
        number: 16,
        says: "a label opens in three statuses",
        played: &["d16_a_label_opens_in_three_statuses_and_is_gone_after_delivery"],
        also: &[],
    },
    Rule {
        number: 17,
        says: "statuses move forward; tracking ends 72 hours after a terminal code",
        played: &[
            "d17_a_parcel_is_followed_forwards_hourly_and_72_hours_past_its_delivery",
            "d17_a_returned_parcel_and_an_undone_delivery_are_told_as_they_stand",
        ],
        also: &["d17_an_undone_event_is_history_and_moves_nothing"],
    },
    Rule {
        number: 18,
        says: "the hub writes the delivery part of an order only",
        played: &["d18_the_hub_writes_the_delivery_and_touches_no_order"],
        also: &["d18_only_the_delivery_part_of_an_order_is_written"],
    },
    Rule {
        number: 19,
        says: "messages arrive unasked and go back signed; a file has 3 MB at most",
        played: &[
            "d19_a_message_that_nobody_asked_for_becomes_a_row_and_one_event",
            "d19_a_push_that_comes_again_changes_nothing_and_tells_nobody",
            "d19_an_older_revision_that_comes_late_does_not_undo_a_newer_one",
            "d19_an_editable_message_goes_back_with_its_file_once",
            "d19_a_submission_whose_answer_was_lost_is_asked_about_and_taken_once",
            "d19_a_file_that_is_too_large_or_missing_is_rejected_before_anything_is_sent",
        ],
        also: &["d19_only_a_request_or_an_update_begins_a_conversation"],
    },
    Rule {
        number: 20,
        says: "both certificates name one person",
        played: &["d20_certificates_of_two_persons_are_rejected_before_anything_is_sent"],
        also: &["d20_both_certificates_must_name_the_same_person"],
    },
    Rule {
        number: 21,
        says: "no message is an empty list",
        played: &["d21_no_message_is_an_empty_list_and_a_message_that_is_never_pushed_is_pulled"],
        also: &["d21_no_message_is_an_empty_mailbox_and_a_message_waits_there_until_confirmed"],
    },
    Rule {
        number: 22,
        says: "a number with a wrong check digit is rejected before anything is sent",
        played: &["d22_a_wrong_check_digit_is_rejected_by_every_operation_and_nothing_is_sent"],
        also: &["d22_a_bin_with_a_wrong_check_digit_is_rejected_before_anything_is_sent"],
    },
    Rule {
        number: 23,
        says: "a track number with a wrong check digit breaks the contract, and is kept",
        played: &["d23_a_number_with_a_wrong_check_digit_is_never_told_and_is_kept"],
        also: &["d23_a_wrong_check_digit_is_refused", "d23_the_vectors_of_the_contract_pass"],
    },
];

/// The tests of a file: functions right below a `#[test]` of any kind.
fn tests(source: &Source) -> BTreeSet<&str> {
    let mut is_next = false;
    let mut names = BTreeSet::new();
    for (_, line) in source.code() {
        let line = line.trim();
        if line.starts_with("#[") {
            is_next |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            continue;
        }
        let name = line.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
        names.extend(name.filter(|_| is_next));
        is_next = false;
    }
    names
}

#[test]
fn every_rule_of_the_domain_is_held_by_tests_that_exist() {
    let sources = sources::rust();
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in &sources {
        for name in tests(source) {
            found.entry(name).or_default().push(&source.path);
        }
    }
    let numbers: Vec<u32> = RULES.iter().map(|rule| rule.number).collect();
    assert_eq!(numbers, (1..=23).collect::<Vec<u32>>());
    let mut missing = Vec::new();
    for Rule { number, says, played, also } in &RULES {
        assert!(!played.is_empty(), "D{number} ({says}) is never played");
        for name in *played {
            let is_played = |path: &&str| path.starts_with("workers/tests/integration/");
            if !found.get(name).is_some_and(|paths| paths.iter().any(is_played)) {
                missing.push(format!("D{number} ({says}): {name}, in workers/tests/integration/"));
            }
        }
        for name in also.iter().filter(|name| !found.contains_key(**name)) {
            missing.push(format!("D{number} ({says}): {name}"));
        }
    }
    assert!(missing.is_empty(), "no such tests:\n{}", missing.join("\n"));
}

#[test]
fn a_test_named_after_a_rule_names_one_that_exists_and_is_listed_when_it_is_played() {
    let listed: BTreeSet<&str> = RULES.iter().flat_map(|rule| rule.played).copied().collect();
    let mut wrong = Vec::new();
    for source in &sources::rust() {
        for name in tests(source) {
            let digits = name.strip_prefix('d').and_then(|rest| rest.split('_').next());
            let Some(number) = digits.and_then(|digits| digits.parse::<u32>().ok()) else {
                continue;
            };
            let is_played = source.path.starts_with("workers/tests/integration/");
            if !(1..=23).contains(&number) || (is_played && !listed.contains(name)) {
                wrong.push(format!("{}: {name}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "add these to RULES:\n{}", wrong.join("\n"));
}

/// Names of tests in the last column of README's table of invariants, by the number of the row.
fn held_by(page: &str) -> Vec<(u32, Vec<&str>)> {
    let table = page.split("\n## Invariants\n").nth(1).expect("a section of invariants");
    let table = table.split("\n## ").next().unwrap_or_default();
    let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let rows = table.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let number = cells.first()?.parse().ok()?;
        Some((number, cells.last()?.split('`').skip(1).step_by(2).filter(is_name).collect()))
    });
    rows.collect()
}

#[test]
fn every_invariant_of_the_readme_is_held_by_tests_that_exist() {
    let sources = sources::rust();
    let found: BTreeSet<&str> = sources.iter().flat_map(tests).collect();
    let page = std::fs::read_to_string(sources::root().join("README.md")).expect("README.md");
    let rows = held_by(&page);
    let numbers: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=11).collect::<Vec<u32>>());
    let mut missing = Vec::new();
    for (number, names) in &rows {
        assert!(!names.is_empty(), "invariant {number} is held by nothing");
        let gone = names.iter().filter(|name| !found.contains(**name));
        missing.extend(gone.map(|name| format!("invariant {number}: {name}")));
    }
    assert!(
        missing.is_empty(),
        "README.md names tests that are not there:\n{}",
        missing.join("\n")
    );
}
