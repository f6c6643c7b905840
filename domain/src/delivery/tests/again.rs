//! Deliveries that are tried again: by somebody's wish, or because their channel is back.

use super::*;

#[test]
fn a_failed_delivery_is_tried_again_from_the_start_under_the_next_number() {
    let given_up = then(attempting(), vec![failed(1), reopen()]);
    let state = after(given_up.clone());
    assert_eq!(state.accounting_class(), Some(AccountingClass::Pending));
    let early = attempt_at(LATER - Duration::SECOND, permit(Standing::Active));
    assert_eq!(state.decide(early), Err(Refusal::NotDue { due_at: LATER }));
    // The clock that gives up starts anew.
    let again = attempt_at(LATER, permit(Standing::Active));
    let state = after(then(given_up, vec![again]));
    assert_eq!(state.tries().map(|tries| tries.attempts), Some(2));
    let later = state.decide(deferred(2, LATER + Duration::days(4)));
    assert!(matches!(later.as_deref(), Ok([Event::Deferred { .. }])));
}

#[test]
fn a_late_word_on_a_doubtful_attempt_counts_although_it_is_tried_again() {
    let retried = then(attempting(), vec![doubt(1, DoubtPolicy::Hold), reopen()]);
    let state = after(then(retried, vec![sent(1)]));
    assert_eq!(state.accounting_class(), Some(AccountingClass::Sent));
    assert!(state.decide(reopen()).is_err());
}

#[test]
fn waiting_for_a_channel_does_not_count_when_it_comes_to_giving_up() {
    let down = |attempt, now: OffsetDateTime| Command::RecordDeferred {
        delivery_id: ID,
        attempt,
        reason: code(),
        reply: Reply::none(),
        now,
        family: Family::Webhook,
        trouble: Trouble::ChannelDown { until: now },
    };
    let mut commands = attempting();
    for n in 1..20 {
        let now = NOW + Duration::days(i64::from(n));
        commands.push(down(n, now));
        commands.push(attempt_at(now, permit(Standing::Active)));
    }
    let state = after(commands);
    let tries = state.tries().unwrap();
    assert_eq!((tries.attempts, tries.deferrals), (20, 0));
    let put_off = state.decide(deferred(20, NOW + Duration::days(19)));
    assert!(matches!(put_off.as_deref(), Ok([Event::Deferred { .. }])));
}

#[test]
fn it_is_sent_again_once_and_then_held() {
    let again = attempt_at(LATER, permit(Standing::Active));
    let twice = then(
        attempting(),
        vec![
            doubt(1, DoubtPolicy::ResendOnce),
            again,
            doubt(2, DoubtPolicy::ResendOnce),
        ],
    );
    assert_eq!(
        after(twice).accounting_class(),
        Some(AccountingClass::InDoubt)
    );
}

#[test]
fn time_in_which_nobody_was_asked_does_not_count_when_it_comes_to_giving_up() {
    let active = || permit(Standing::Active);
    let mut commands = planned();
    for n in 1..20 {
        commands.push(attempt_at(NOW + Duration::days(i64::from(n)), active()));
        commands.push(abandon(n));
    }
    let asked = NOW + Duration::days(30);
    commands.extend([attempt_at(asked, active()), deferred(20, asked)]);
    let state = after(commands.clone());
    assert!(matches!(state, Delivery::Pending { .. }), "{state:?}");
    // From then on it does, whatever it was abandoned for in between.
    let late = asked + Duration::days(6);
    commands.extend([attempt_at(late, active()), abandon(21)]);
    commands.extend([attempt_at(late, active()), deferred(22, late)]);
    let given_up = matches!(
        after(commands),
        Delivery::Settled {
            outcome: Outcome::Failed { .. },
            ..
        }
    );
    assert!(given_up);
}

#[test]
fn what_its_channel_kept_back_need_not_wait_for_its_time_once_the_channel_works() {
    let state = after(then(attempting(), vec![deferred(1, NOW)]));
    let early = |permit| state.decide(attempt_at(NOW, permit));
    assert!(matches!(
        early(permit(Standing::Active)),
        Err(Refusal::NotDue { .. })
    ));
    let works = Permit {
        waits_no_longer: true,
        ..permit(Standing::Active)
    };
    assert!(matches!(
        early(works).as_deref(),
        Ok([Event::Attempted { attempt: 2, .. }])
    ));
    // Whoever must not get it does not, whenever that is found.
    let forbidden = Permit {
        waits_no_longer: true,
        ..permit(Standing::Unsubscribed)
    };
    assert!(matches!(
        early(forbidden).as_deref(),
        Ok([Event::Suppressed { .. }])
    ));
}
