//! What a supplier does about an order: asks for its label, calls a courier, gives the number back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{World, id, person, until};

/// Kazpost answers within this, or not at all.
pub const QUICK_POST: &str = "
[operations.kazpost.label]
call_timeout_ms = 1500
retry_base_ms = 40
retry_max_ms = 100
[operations.kazpost.call_courier]
call_timeout_ms = 1500
[operations.kazpost.cancel]
call_timeout_ms = 1500
[operations.kazpost.track]
call_timeout_ms = 1500
";

/// The order's name, as the portal's records know it.
pub fn subject(order: &str) -> String {
    format!("order:{order}")
}

/// What Kazpost knows the order by (`order_prefix` of the settings).
pub fn number_of(order: &str) -> String {
    format!("SIM-{order}")
}

fn about(order: &str, name: &str, operation: &str, input: Value) -> Value {
    let mut job = person(name);
    job["operation"] = operation.into();
    job["subject"] = subject(order).into();
    job["input"] = input;
    job
}

/// `kazpost.label` for a reserved order that a courier delivers.
pub fn label(order: &str, name: &str) -> Value {
    let address =
        json!({"postcode": "010000", "city": "Астана", "street": "Тестовая", "house": "1"});
    let input = json!({
        "order_number": order, "order_status": "reserved", "delivery_method": "courier",
        "recipient": {"name": "ТЕСТОВ ТЕСТ", "phone": "+77000000000", "address": address},
        "sender": {"name": "ТОО «ТЕСТ»", "phone": "87000000000", "address": address},
        "weight_g": 250,
    });
    about(order, name, "kazpost.label", input)
}

/// `kazpost.cancel` of a number.
pub fn give_back(order: &str, name: &str, track_number: &str) -> Value {
    let input = json!({"order_number": order, "track_number": track_number});
    about(order, name, "kazpost.cancel", input)
}

/// `kazpost.call_courier` for a day in Almaty.
pub fn call_courier(order: &str, name: &str, day: jiff::civil::Date) -> Value {
    let input = json!({
        "order_number": order, "date": day.to_string(), "weight_g": 1_500,
        "sender": {"bin": "990140000007", "name": "ТЕСТОВ", "phone": "87000000000"},
        "pickup": {"region_code": "75", "address": "Алматы, Тестовая, 2"},
    });
    about(order, name, "kazpost.call_courier", input)
}

impl World {
    /// Orders how Kazpost's counter treats the next requests about an order.
    pub async fn at_the_counter(&self, order: &str, behaviours: &[&str]) {
        for behaviour in behaviours {
            let number = number_of(order);
            let order =
                json!({"system": "kazpost", "behaviour": behaviour, "request_number": number});
            self.stage.order("next", &order).await.unwrap();
        }
    }

    /// The portal's row of an order.
    pub async fn delivery(&self, order: &str) -> Value {
        let subject = subject(order);
        self.row(&format!("SELECT * FROM portal.delivery WHERE subject = '{subject}'")).await
    }

    /// The jobs that follow a parcel of this order.
    pub async fn trackers(&self, order: &str) -> Vec<Value> {
        let subject = subject(order);
        self.rows(&format!(
            "SELECT * FROM hub.job WHERE operation = 'kazpost.track' AND subject = '{subject}'"
        ))
        .await
    }

    /// Lets business time jump until all these jobs have ended; others may go on.
    pub async fn live_until_ended(&self, names: &[String]) {
        until("these jobs have ended", async || {
            let ids: Vec<String> = names.iter().map(|name| format!("'{}'", id(name))).collect();
            let ended = format!(
                "SELECT 1 FROM hub.job WHERE ended_at IS NOT NULL AND id IN ({})",
                ids.join(", ")
            );
            if self.rows(&ended).await.len() == names.len() {
                return Some(());
            }
            workers::demo::time::advance(&self.stage).await.unwrap();
            None
        })
        .await;
    }

    /// How often each request number took effect at a system, as the simulators saw it.
    pub async fn executed(&self, system: &str) -> BTreeMap<String, u64> {
        let page = format!("journal?system={system}");
        let entries = self.stage.control(&page).await.unwrap();
        let entries = entries.as_array().unwrap().iter();
        let text = |entry: &Value| entry["request_number"].as_str().unwrap().to_owned();
        entries.map(|entry| (text(entry), entry["executed_count"].as_u64().unwrap())).collect()
    }
}
