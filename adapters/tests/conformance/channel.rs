//! The later half: what every asynchronous system does when it pulls and confirms.

use std::sync::Arc;

use adapters::{
    channel::{MessageKind, Page},
    system::Adapter,
    systems,
};
use contracts::{
    class::{Class, Failure},
    operation::Answers,
};
use jiff::Timestamp;

use crate::{
    PASSWORD, sample,
    server::{Play, Server, answer, nobody, soap},
    settings,
};

fn now() -> Timestamp {
    "2026-11-22T05:00:00Z".parse().expect("instant")
}

/// The adapters that have a later half.
fn channels(url: &str) -> Vec<Arc<dyn Adapter>> {
    let all = systems::all();
    let adapters = all.iter().map(|system| system.connect(&settings(url)).expect("settings"));
    adapters.filter(|adapter| adapter.channel().is_some()).collect()
}

async fn pull(adapter: &Arc<dyn Adapter>) -> Result<Page, Failure> {
    adapter.channel().expect("asynchronous").pull(now()).await
}

fn page(messages: &str) -> String {
    sample::envelope(&format!(
        "<q:getMessagesResponse xmlns:q=\"http://bip.bee.kz/AsyncChannel/v10/Types\"><response>\
         <responseDate>2026-11-22T10:00:00+05:00</responseDate><sessionId>s</sessionId>{messages}\
         </response></q:getMessagesResponse>"
    ))
}

fn message(id: &str) -> String {
    format!(
        "<messages><messageInfo><messageId>{id}</messageId><correlationId>c</correlationId>\
         <serviceId>s</serviceId><messageType>RESPONSE</messageType><sender><senderId>p</senderId>\
         </sender></messageInfo><messageData><data><a>{}</a></data></messageData></messages>",
        sample::IIN
    )
}

#[tokio::test]
async fn who_answers_later_has_a_channel_to_answer_by() {
    for system in systems::all() {
        let adapter = system.connect(&settings("http://127.0.0.1:9/")).expect("settings");
        let answers = adapter.channel().is_some_and(|channel| !channel.begins());
        let later = system.spec().operations.iter().any(|o| o.answers == Answers::Later);
        assert_eq!(answers, later, "{}", system.spec().name);
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_does_not_hide_its_neighbours() {
    let messages = format!("{}<messages><messageInfo/></messages>{}", message("1"), message("2"));
    let server = Server::start(Play::Bytes(soap("200 OK", &page(&messages)))).await;
    for adapter in channels(&server.url) {
        let pulled = pull(&adapter).await.expect("a page");
        assert_eq!(pulled.unreadable.len(), 1);
        assert!(!pulled.is_full, "nothing hides behind them");
        let pulled = pulled.messages;
        let ids: Vec<_> = pulled.iter().map(|one| one.message_id.as_str()).collect();
        assert_eq!(ids, ["1", "2"]);
        assert!(pulled.iter().all(|one| one.kind == MessageKind::Response));
        let shown = format!("{pulled:?}");
        assert!(!shown.contains(sample::IIN), "{shown}");
        let sent = server.last_request();
        let service = adapter.channel().expect("asynchronous").service_id().to_owned();
        assert!(sent.contains(&format!("<serviceId>{service}</serviceId>")), "{sent}");
        assert!(sent.contains(PASSWORD) && sent.contains("<amount>10"), "{sent}");
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_comes_whole_with_its_id_where_it_has_one() {
    let broken = |ids: &str| {
        format!("<messages><messageInfo>{ids}</messageInfo><a>{}</a></messages>", sample::IIN)
    };
    let one = "<messageId>7</messageId>";
    let messages = format!("{}{}", broken(one), broken(&one.repeat(2)));
    let server = Server::start(Play::Bytes(soap("200 OK", &page(&messages)))).await;
    for adapter in channels(&server.url) {
        let page = pull(&adapter).await.expect("a page");
        assert_eq!(page.unreadable[0].message_id.as_deref(), Some("7"));
        assert_eq!(page.unreadable[1].message_id, None, "of two ids none is it");
        let raw = String::from_utf8_lossy(page.unreadable[0].raw.expose());
        assert!(raw.starts_with("<messageInfo>") && raw.contains(sample::IIN), "{}", raw.len());
        let shown = format!("{page:?}");
        assert!(!shown.contains(sample::IIN), "{shown}");
    }
}

#[tokio::test]
async fn a_full_page_says_that_others_may_wait_behind_it() {
    let messages: String = (0..100).map(|id| message(&id.to_string())).collect();
    let server = Server::start(Play::Bytes(soap("200 OK", &page(&messages)))).await;
    for adapter in channels(&server.url) {
        assert!(pull(&adapter).await.expect("a page").is_full);
    }
}

#[tokio::test]
async fn an_empty_page_is_no_message() {
    for messages in ["", "<messages/>"] {
        let server = Server::start(Play::Bytes(soap("200 OK", &page(messages)))).await;
        for adapter in channels(&server.url) {
            assert_eq!(pull(&adapter).await, Ok(Page::default()));
        }
    }
}

#[tokio::test]
async fn pulling_and_confirming_may_be_repeated_so_a_lost_answer_is_unreachable() {
    let unavailable = soap("500 Internal Server Error", &sample::fault("SIM-UNAVAILABLE"));
    for (play, class) in [
        (Play::Bytes(Vec::new()), Class::Unreachable),
        (Play::Bytes(unavailable), Class::Unreachable),
        (Play::Bytes(answer("200 OK", "", b"<html/>")), Class::Contract),
        (Play::Bytes(soap("200 OK", &sample::envelope("<a/>"))), Class::Contract),
    ] {
        let server = Server::start(play).await;
        for adapter in channels(&server.url) {
            assert_eq!(pull(&adapter).await.err().map(|failure| failure.class), Some(class));
            let channel = adapter.channel().expect("asynchronous");
            let confirmed = channel.confirm(&["1".to_owned()], now()).await;
            assert_eq!(confirmed.err().map(|failure| failure.class), Some(class));
        }
    }
    for adapter in channels(&nobody().await) {
        let class = pull(&adapter).await.err().map(|failure| failure.class);
        assert_eq!(class, Some(Class::Unreachable));
    }
}

#[tokio::test]
async fn every_stored_message_is_confirmed_on_its_own() {
    let accepted = sample::envelope(
        "<sendDeliveryNotificationResponse><response><notificationId>1</notificationId></response>\
         </sendDeliveryNotificationResponse>",
    );
    for adapter_index in 0..channels("http://127.0.0.1:1/").len() {
        let server = Server::start(Play::Bytes(soap("200 OK", &accepted))).await;
        let adapters = channels(&server.url);
        let channel = adapters[adapter_index].channel().expect("asynchronous");
        let ids = ["21".to_owned(), "22".to_owned()];
        assert_eq!(channel.confirm(&ids, now()).await, Ok(()));
        assert_eq!(server.requests(), 2);
        let sent = server.last_request();
        assert!(sent.contains("<messageId>22</messageId>"), "{sent}");
        assert!(sent.contains("<receiveStatus>MESSAGE_ACCEPTED</receiveStatus>"), "{sent}");
    }
}
