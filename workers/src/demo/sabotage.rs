//! Disturbances from outside: a check that cannot fail proves nothing.

use serde_json::json;

use super::{
    cast::{Fate, Part},
    stage::{Error, Stage},
};

/// Requests until one command was executed twice.
const SENDS_MAX: usize = 20;

/// What is done to the run behind the hub's back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// A confirmed job disappears from the database.
    Lose,
    /// A command is sent to the government a second time.
    Double,
}

/// Disturbs one job of the cast.
pub async fn play(sabotage: Sabotage, stage: &Stage, parts: &[Part]) -> Result<(), Error> {
    let victim = parts
        .iter()
        .find(|part| part.fate == Fate::Runs && part.operation == "kpsisu.check")
        .and_then(|part| part.id)
        .ok_or_else(|| Error::Silent("no kpsisu.check to disturb: use more jobs".into()))?;
    match sabotage {
        Sabotage::Lose => stage.store.sabotage_lose(victim).await?,
        Sabotage::Double => double(stage, &victim.to_string()).await?,
    }
    Ok(())
}

/// Sends the command until the simulators, who count whoever sent it, executed it twice: one that
/// meets a transport fault may not be executed.
async fn double(stage: &Stage, number: &str) -> Result<(), Error> {
    for _ in 0..SENDS_MAX {
        send_check(stage, number).await?;
        let oracle = stage.control("oracle").await?;
        let doubled = oracle["kpsisu"]["executed_more_than_once"].as_array();
        if doubled.is_some_and(|doubled| !doubled.is_empty()) {
            return Ok(());
        }
    }
    Err(Error::Silent(format!("simulators: {SENDS_MAX} requests, and none was executed twice")))
}

async fn send_check(stage: &Stage, number: &str) -> Result<(), Error> {
    let order = json!({"system": "kpsisu", "behaviour": "clear", "request_number": number});
    stage.order("next", &order).await?;
    let envelope = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <a:sendMessage xmlns:a=\"http://bip.bee.kz/AsyncChannel/v10/Types\"><request><messageInfo>\
         <serviceId>sim.kpsisu.criminalRecord</serviceId><messageType>REQUEST</messageType>\
         <messageDate>2026-01-15T10:00:00.000+05:00</messageDate>\
         <sender><senderId>sabotage</senderId></sender></messageInfo><messageData><data>\
         <requestMessage xmlns=\"urn:sim:kpsisu\"><SystemInfo><RequestNumber>{number}</RequestNumber>\
         <ChainId>{number}</ChainId><RequestDate>2026-01-15T10:00:00.000+05:00</RequestDate>\
         </SystemInfo><RequestData><RequestorBIN>990140000007</RequestorBIN>\
         <Purpose>SIM-LICENSE</Purpose><Person><IIN>850100300012</IIN></Person></RequestData>\
         </requestMessage></data></messageData></request></a:sendMessage></s:Body></s:Envelope>"
    );
    // A disturbance that is disturbed itself is none: whether it was executed, the oracle tells.
    let answer = stage
        .http()
        .post(format!("{}/kpsisu/", stage.simulators))
        .header("content-type", "text/xml; charset=UTF-8")
        .body(envelope)
        .send()
        .await;
    drop(answer);
    Ok(())
}
