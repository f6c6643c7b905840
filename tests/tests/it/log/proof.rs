//! Proofs of single events: they hold for whoever has the event and the key, and for nothing else.

use serde_json::Value;
use tidings_event_store::audit::{Proof, ProofError, ProveError, prove};
use tidings_event_store::witness::SigningKey;
use tidings_tests::Platform;

use super::witness::{Witnessed, caught_up, key};

/// Batches of 1, 70 and 40 events with one head after the first and one after all.
async fn witnessed() -> Witnessed {
    let witnessed = Witnessed::new().await;
    let platform = &witnessed.platform;
    let mut keeper = witnessed.keeper();
    for events in [1, 70, 40] {
        let events = (0..events).map(|n| platform.counted(platform.ids.next(), n));
        witnessed.commit(events.collect()).await;
        if platform.store.log().head().await.unwrap().position == 1 {
            caught_up(&mut keeper, platform).await.unwrap();
        }
    }
    caught_up(&mut keeper, platform).await.unwrap();
    witnessed
}

async fn proof(witnessed: &Witnessed, position: i64) -> Result<Proof, ProveError> {
    let report = witnessed.report().unwrap();
    prove(
        witnessed.platform.store.log(),
        &witnessed.folder,
        &report,
        position,
    )
    .await
}

#[tokio::test]
async fn every_event_is_proven_and_no_other_is_shown() {
    let witnessed = witnessed().await;
    let events = witnessed
        .platform
        .store
        .log()
        .page_after(0, 1_000)
        .await
        .unwrap();
    assert_eq!(events.len(), 111);
    for event in &events {
        let proof = proof(&witnessed, event.position).await.unwrap();
        let text = proof.to_json();
        let read = Proof::read(text.as_bytes()).unwrap();
        assert_eq!(read, proof);
        let checked = read.check(Some(key().public())).unwrap();
        assert_eq!(
            (checked.position, checked.version),
            (event.position, event.version)
        );
        assert_eq!(checked.event.event_id, event.event_id);
        assert_eq!(checked.recorded_at, event.recorded_at);
        for other in &events {
            let shown = text.contains(&other.event_id.to_string())
                || text.contains(&other.stream_id.to_string());
            assert_eq!(shown, other.position == event.position);
            // Whom another stream is about is nobody's business either.
            let about = other
                .subject
                .filter(|it| Some(*it) != event.subject && *it != event.stream_id);
            assert!(about.is_none_or(|it| !text.contains(&it.to_string())));
        }
        let json: Value = serde_json::from_str(&text).unwrap();
        assert!(json["group"].as_array().unwrap().len() <= 32);
    }
}

#[tokio::test]
async fn a_proof_that_was_changed_anywhere_proves_nothing() {
    let witnessed = witnessed().await;
    for position in [1, 40, 71, 111] {
        let text = proof(&witnessed, position).await.unwrap().to_json();
        let whole: Value = serde_json::from_str(&text).unwrap();
        let mut places = Vec::new();
        leaves(&whole, String::new(), &mut places);
        assert!(places.len() > 20);
        for place in places {
            for change in CHANGES {
                let mut changed = whole.clone();
                let leaf = changed.pointer_mut(&place).unwrap();
                let before = leaf.clone();
                change(leaf);
                if *leaf == before {
                    continue;
                }
                let read = Proof::read(changed.to_string().as_bytes());
                let proven = read.and_then(|proof| proof.check(None));
                assert!(proven.is_err(), "{place} from {before}");
            }
        }
    }
}

/// What no signature covers is no part of a proof.
#[tokio::test]
async fn a_proof_with_one_more_word_in_it_is_none() {
    let witnessed = witnessed().await;
    let text = proof(&witnessed, 40).await.unwrap().to_json();
    let whole: Value = serde_json::from_str(&text).unwrap();
    for place in ["", "/event", "/group/0", "/batches/0"] {
        let mut more = whole.clone();
        let fields = more.pointer_mut(place).unwrap().as_object_mut().unwrap();
        fields.insert("remark".to_owned(), "yes".into());
        let read = Proof::read(more.to_string().as_bytes());
        assert!(matches!(read, Err(ProofError::Format(_))), "{place}");
    }
}

/// Changes of a leaf; those that do not fit leave it alone.
const CHANGES: [fn(&mut Value); 4] = [
    |leaf| {
        if let Some(number) = leaf.as_i64() {
            *leaf = (number + 1).into();
        }
    },
    |leaf| {
        if let Some(number) = leaf.as_i64() {
            *leaf = (number - 32).into();
        }
    },
    |leaf| {
        if let Some(text) = leaf.as_str() {
            let last = text.chars().last();
            let swapped = if last == Some('0') { '1' } else { '0' };
            let mut text = text.to_owned();
            text.pop();
            text.push(swapped);
            *leaf = text.into();
        }
    },
    |leaf| {
        if leaf.is_null() {
            *leaf = 7.into();
        }
    },
];

fn leaves(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                leaves(field, format!("{place}/{name}"), places);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, format!("{place}/{index}"), places);
            }
        }
        _ => places.push(place),
    }
}

#[tokio::test]
async fn parts_of_two_proofs_do_not_make_a_third() {
    let witnessed = witnessed().await;
    let json = async |position| {
        let text = proof(&witnessed, position).await.unwrap().to_json();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let (one, other) = (json(40).await, json(90).await);
    let fields = one.as_object().unwrap().keys();
    for field in fields.filter(|field| one[*field] != other[*field]) {
        let mut mixed = one.clone();
        mixed[field] = other[field].clone();
        let read = Proof::read(mixed.to_string().as_bytes()).unwrap();
        assert!(read.check(None).is_err(), "{field}");
    }
}

#[tokio::test]
async fn there_is_no_proof_without_a_signed_head_an_event_or_a_sound_log() {
    let witnessed = witnessed().await;
    let platform: &Platform = &witnessed.platform;
    let nothing = proof(&witnessed, 500).await.unwrap_err();
    assert!(matches!(nothing, ProveError::NoEvent(500)), "{nothing}");
    platform.fill(1, 1).await;
    let early = proof(&witnessed, 112).await.unwrap_err();
    assert!(
        matches!(
            early,
            ProveError::NotWitnessed {
                position: 112,
                witnessed: 111
            }
        ),
        "{early}"
    );
    let stranger = SigningKey::from_seed(&[8; 32]).public();
    let of_another = proof(&witnessed, 40).await.unwrap().check(Some(stranger));
    assert!(matches!(of_another, Err(ProofError::OtherKey { .. })));
    let client = platform.pool.get().await.unwrap();
    client
        .batch_execute("update publishing_events set version = 9 where position = 41")
        .await
        .unwrap();
    let unsound = proof(&witnessed, 40).await.unwrap_err();
    assert!(matches!(unsound, ProveError::Unsound(_)), "{unsound}");
}

/// A proof that was made once is valid for ever.
#[test]
fn a_proof_has_a_known_answer() {
    let proof = Proof::read(include_bytes!("proof.v1.json")).unwrap();
    let checked = proof.check(Some(key().public())).unwrap();
    assert_eq!((checked.position, checked.version), (40, 1));
    assert_eq!(proof.to_json().as_bytes(), include_bytes!("proof.v1.json"));
}
