//! Jobs that faults are shown with.

use contracts::number::Iin;
use serde_json::{Value, json};
use uuid::Uuid;
use workers::{
    clock::real_now,
    demo::cast::{Encore, Fate, Part},
};

use crate::{portal::Letter, world::World};

/// Publishes so many jobs of an operation; returns when the broker has confirmed them.
pub(super) async fn publish(world: &World, operation: &str, count: u32, callback: Option<&str>) {
    let parts: Vec<Part> =
        (0..count).map(|number| part(world, operation, number, callback)).collect();
    letters(world, &parts).await;
}

/// Publishes what is no job.
pub(super) async fn publish_nonsense(world: &World) {
    let part = part(world, "gbdfl.person", 0, None);
    letters(world, &[Part { body: b"{ this is no JSON".to_vec(), id: None, ..part }]).await;
}

async fn letters(world: &World, parts: &[Part]) {
    let letters = parts.iter().enumerate().map(|(place, part)| Letter { place, part });
    world.portal.publish(&letters.collect::<Vec<_>>()).await;
}

fn part(world: &World, operation: &str, number: u32, callback: Option<&str>) -> Part {
    let id = world.chance.uuid();
    let mut body = json!({
        "id": id, "operation": operation, "version": 1, "subject": subject(operation, id),
        "requested_at": real_now(), "requested_by": "organisation:990140000007",
        "input": input(operation, number, id),
    });
    if matches!(operation, "mzrk.check" | "kpsisu.check") {
        body["consent"] = json!({"kind": "eds", "accepted_at": real_now(), "text_version": "1"});
    }
    if let Some(url) = callback {
        body["callback_url"] = url.into();
    }
    Part {
        id: Some(id),
        operation: operation.to_owned(),
        routing_key: operation.to_owned(),
        content_type: contracts::job::CONTENT_TYPE,
        body: body.to_string().into_bytes(),
        fate: Fate::Runs,
        encore: Encore::None,
    }
}

fn subject(operation: &str, id: Uuid) -> String {
    if operation == "kazpost.label" {
        format!("order:{}", order(id))
    } else {
        format!("alert:{id}")
    }
}

/// Numbers of orders are short.
fn order(id: Uuid) -> String {
    id.simple().to_string().split_off(20)
}

fn input(operation: &str, number: u32, id: Uuid) -> Value {
    let iin = Iin::synthetic(number);
    match operation {
        "gbdul.organization" => json!({"bin": "100540000008"}),
        "kazpost.label" => {
            let address =
                json!({"postcode": "010000", "city": "Астана", "street": "Тестовая", "house": "1"});
            json!({
                "order_number": order(id), "order_status": "reserved", "delivery_method": "courier",
                "recipient": {"name": "ТЕСТОВ ТЕСТ", "phone": "+77000000000", "address": address},
                "sender": {"name": "ТОО «ТЕСТ»", "phone": "87000000000", "address": address},
                "weight_g": 250,
            })
        }
        _ => json!({"iin": iin.expose()}),
    }
}
