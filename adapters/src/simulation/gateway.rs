//! The gateway's own operations on the asynchronous channel: pull, state, receipt (shep §2.4-2.6).

use super::{
    Simulation,
    chance::Chance,
    envelope::{self, Form, Soap},
    journal::Note,
    post::{Message, Receipt, State},
    xml::Node,
};

/// Messages in one answer of getMessages, where the caller names no number.
pub const PAGE: usize = 50;

/// Why the gateway does not do it: code and words of the fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub &'static str, pub String);

/// The message does not match the format.
pub const FORMAT: &str = "SCE001";
/// No such service, or it is switched off.
pub const NO_SERVICE: &str = "SCE004";

/// Answers `getMessages`, `getMessageStatus` and `sendDeliveryNotification`.
pub fn answer(simulation: &Simulation, operation: &Node) -> Result<Vec<u8>, Refusal> {
    let request = operation.child("request").ok_or_else(|| format_error("no request"))?;
    match operation.name.as_str() {
        "getMessages" => get_messages(simulation, request),
        "getMessageStatus" => get_message_status(simulation, request),
        "sendDeliveryNotification" => take_receipt(simulation, request),
        other => Err(format_error(&format!("unknown operation {other}"))),
    }
}

/// A whole answer of the asynchronous channel.
pub fn respond(operation: &str, form: Form, inner: &str) -> Vec<u8> {
    let wrapper = format!("{operation}Response");
    Soap {
        header: "",
        body_attributes: "",
        namespace: envelope::ASYNC,
        wrapper: &wrapper,
        child: "response",
        inner,
    }
    .text(form)
    .into_bytes()
}

/// The message does not match the format.
pub fn format_error(text: &str) -> Refusal {
    Refusal(FORMAT, text.to_owned())
}

fn get_messages(simulation: &Simulation, request: &Node) -> Result<Vec<u8>, Refusal> {
    let service = request.text_at(&["serviceId"]);
    if service.is_empty() {
        return Err(format_error("getMessages without serviceId"));
    }
    let message_id = request.text_at(&["messageId"]);
    let chain = request.text_at(&["correlationId"]);
    let amount = match request.text_at(&["amount"]) {
        "" | "0" => PAGE,
        text => text.parse().map_err(|_| format_error("amount is no number"))?,
    };
    let fits = |message: &Message| {
        message.service() == service
            && (message_id.is_empty() || message.message_id.to_string() == message_id)
            && (chain.is_empty() || message.correlation_id.to_string() == chain)
    };
    let found = simulation.post().mailbox(amount, fits);
    let messages: Vec<String> = found
        .iter()
        .map(|message| format!("<messages>{}</messages>", message.content(message.form)))
        .collect();
    let messages = messages.concat();
    let mut chance = simulation.chance(&["getMessages", &simulation.post().next_id().to_string()]);
    let inner = format!("{}{}{messages}", response_date(simulation), session(&mut chance));
    Ok(respond("getMessages", Form::Canonical, &inner))
}

fn get_message_status(simulation: &Simulation, request: &Node) -> Result<Vec<u8>, Refusal> {
    let id = id_of(request.text_at(&["messageId"]))?;
    let state = match simulation.post().state(id) {
        Some(State::OnDelivery) => "ON_DELIVERY",
        Some(State::Delivered) => "DELIVERED",
        Some(State::Stopped) => "DELIVERY_STOPPED",
        None => return Err(format_error("unknown messageId")),
    };
    let date = envelope::date_time(simulation.now());
    let inner = format!(
        "<messageState>{state}</messageState><status><statusCode>SIM-{state}</statusCode>\
         <statusMessage>{state}</statusMessage><statusDate>{date}</statusDate></status>{}",
        response_date(simulation)
    );
    Ok(respond("getMessageStatus", Form::Canonical, &inner))
}

fn take_receipt(simulation: &Simulation, request: &Node) -> Result<Vec<u8>, Refusal> {
    let id = id_of(request.text_at(&["notification", "messageId"]))?;
    let status = |name| request.text_at(&["notification", "deliveryStatus", name]);
    let receipt = match (status("receiveStatus"), status("resendMessage")) {
        ("MESSAGE_ACCEPTED", "RESEND" | "NOT_RESEND") => Receipt::Accepted,
        ("MESSAGE_NOT_ACCTEPTED", "RESEND") => Receipt::Resend,
        ("MESSAGE_NOT_ACCTEPTED", "NOT_RESEND") => Receipt::Refused,
        _ => return Err(format_error("unknown receiveStatus or resendMessage")),
    };
    let was_delivered = simulation.post().state(id) == Some(State::Delivered);
    let parcel = simulation.post().receipt(id, receipt);
    let parcel = parcel.ok_or_else(|| format_error("unknown messageId"))?;
    if let Some(entry) = parcel.entry
        && receipt == Receipt::Accepted
        && !was_delivered
    {
        simulation.journal().note(entry, Note::Delivered);
    }
    let notification = simulation.post().next_id();
    let mut chance = simulation.chance(&["receipt", &notification.to_string()]);
    let inner = format!(
        "<notificationId>{notification}</notificationId>{}{}",
        response_date(simulation),
        session(&mut chance)
    );
    Ok(respond("sendDeliveryNotification", Form::Canonical, &inner))
}

fn id_of(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| format_error("messageId is not one of the gateway's numbers"))
}

fn response_date(simulation: &Simulation) -> String {
    format!("<responseDate>{}</responseDate>", envelope::date_time(simulation.now()))
}

fn session(chance: &mut Chance) -> String {
    format!("<sessionId>{{{}}}</sessionId>", chance.uuid())
}
