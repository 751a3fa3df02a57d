//! `hub jobs show`: a job's whole story on one screen. Times are business time, in UTC.

use std::path::Path;

use uuid::Uuid;

use super::super::{DONE, FAILED, complain, open, print, systems};
use crate::store::story::{Attempt, Job, Story};

/// Rows of a table that are shown where it has more than both together.
const FIRST_ROWS: usize = 5;
const LAST_ROWS: usize = 25;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The job.
    id: Uuid,
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let store = match open(path).await {
        Ok((_, store)) => store,
        Err(code) => return code,
    };
    let code = match store.story(arguments.id).await {
        Ok(Some(story)) if arguments.json => {
            print::tell_json(&story);
            DONE
        }
        Ok(Some(story)) => {
            print::tell(text(&story));
            DONE
        }
        Ok(None) => {
            let text = "no job has this id; what is no job is in `hub quarantine list`";
            complain(&format!("{}: {text}", arguments.id));
            FAILED
        }
        Err(error) => {
            complain(&error);
            FAILED
        }
    };
    store.close().await;
    code
}

fn text(story: &Story) -> String {
    let parts = [
        job(&story.job),
        attempts(&story.attempts),
        timers(story),
        events(story),
        messages(story),
        callbacks(story),
        portal(story),
        relatives(story),
        acts(story),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n\n")
}

/// Lines of a name and a value; a value that is missing has no line.
fn lines(pairs: &[(&str, Option<String>)]) -> String {
    let line = |(name, value): &(&str, Option<String>)| {
        value.as_ref().map(|value| format!("{name:<13}{value}"))
    };
    pairs.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

fn section(title: &str, header: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = print::table(header);
    table.add_rows(one_screen(rows));
    format!("{title}\n{table}")
}

/// A parcel that is looked at every hour has hundreds of attempts: the first and the last are shown.
fn one_screen(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let Some(left_out) = rows.len().checked_sub(FIRST_ROWS + LAST_ROWS).filter(|n| *n > 0) else {
        return rows;
    };
    let gap = vec![format!("… {left_out} more: --json")];
    rows.splice(FIRST_ROWS..FIRST_ROWS + left_out, [gap]);
    rows
}

fn job(job: &Job) -> String {
    let waits = match job.waiting_for.as_str() {
        "nothing" => String::new(),
        other => format!(", waits for: {other}"),
    };
    let consent = job.consent.as_ref().map(|kind| {
        let at = print::at_or_blank(job.consent_at);
        let by = job.verify_job.map(|id| format!(", verified by job {id}"));
        format!("{kind} at {at}{}", by.unwrap_or_default())
    });
    let promise = format!(
        "{}: warning {}, deadline {}, give up {}",
        job.sla,
        print::at(job.at_risk_at),
        print::at(job.deadline_at),
        print::at(job.give_up_at)
    );
    let told = (!job.summary.is_empty()).then(|| serde_json::json!(job.summary).to_string());
    let some = |text: String| (!text.is_empty()).then_some(text);
    lines(&[
        ("job", Some(format!("{} (number {})", job.id, job.seq))),
        ("operation", Some(job.operation.clone())),
        ("subject", job.subject.clone()),
        ("state", Some(format!("{}, phase {}{waits}", job.state, job.phase))),
        ("not called", job.not_called.as_ref().and_then(systems::why)),
        ("code", job.code.clone()),
        ("summary", told),
        ("errors", job.errors.as_ref().map(ToString::to_string)),
        ("input has", some(job.input_fields.join(", "))),
        ("consent", consent),
        ("sla", Some(promise)),
        ("requested", Some(print::at(job.requested_at))),
        ("accepted", Some(print::at(job.admitted_at))),
        ("ended", job.ended_at.map(print::at)),
        ("now", Some(print::at(job.now))),
        ("spent", Some(spent(job))),
        ("worker", job.worker.clone()),
        ("conversation", some(job.correlations.join(", "))),
        ("reply", job.replies.then(|| "wanted by a user interface".to_owned())),
    ])
}

fn spent(job: &Job) -> String {
    let died = match job.deaths {
        0 => String::new(),
        1 => ", a worker died".to_owned(),
        deaths => format!(", {deaths} workers died"),
    };
    format!("{} attempts, {} strikes, run {}{died}", job.attempts, job.strikes, job.run)
}

fn attempts(attempts: &[Attempt]) -> String {
    let header =
        ["run", "did", "accepted", "sent", "answered", "recorded", "result", "theirs", "raw"];
    let row = |a: &Attempt| {
        let class = a.class.as_deref().unwrap_or("answered");
        let code = a.code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
        let status = a.http_status.map(|status| format!("HTTP {status}"));
        let theirs = status.into_iter().chain(a.remote_code.clone()).collect::<Vec<_>>().join(" ");
        let fenced = if a.fenced { ", fenced: it had lost the job" } else { "" };
        let raw = if a.exchange { "kept" } else { "" };
        vec![
            a.run.to_string(),
            did(a.phase.as_deref()).to_owned(),
            print::at(a.accepted_at),
            print::at(a.sent_at),
            print::at(a.answered_at),
            print::at(a.recorded_at),
            format!("{class}{code}{fenced}"),
            theirs,
            raw.to_owned(),
        ]
    };
    section("attempts", &header, attempts.iter().map(row).collect())
}

fn did(phase: Option<&str>) -> &str {
    match phase {
        Some("send") => "sent",
        Some("ask") => "asked",
        Some("continue") => "next part",
        other => other.unwrap_or_default(),
    }
}

fn timers(story: &Story) -> String {
    let row = |timer: &crate::store::story::Timer| {
        let left = timer.due_at.duration_since(story.job.now).as_secs();
        let when = if left < 0 { "due".to_owned() } else { format!("in {left} s") };
        vec![timer.kind.clone(), print::at(timer.due_at), when]
    };
    section("timers", &["timer", "due", ""], story.timers.iter().map(row).collect())
}

fn events(story: &Story) -> String {
    let row = |event: &crate::store::story::Event| {
        let name = event.name.clone().unwrap_or_else(|| "(name not kept)".to_owned());
        let delivery = match event.delivery {
            "outbox" => "still in the outbox",
            "unheard" => "unheard: no queue was bound",
            other => other,
        };
        vec![event.sequence.to_string(), name, print::at_or_blank(event.at), delivery.to_owned()]
    };
    section(
        "events",
        &["event", "name", "happened", "delivery"],
        story.events.iter().map(row).collect(),
    )
}

fn messages(story: &Story) -> String {
    let row = |message: &crate::store::story::Message| {
        vec![
            message.id.to_string(),
            print::at(message.received_at),
            message.source.clone(),
            message.kind.clone(),
            message.state.clone(),
            message.why.clone().unwrap_or_default(),
        ]
    };
    let header = ["message", "received", "by", "kind", "became", "why"];
    section("messages", &header, story.messages.iter().map(row).collect())
}

fn callbacks(story: &Story) -> String {
    let row = |callback: &crate::store::story::Callback| {
        vec![
            callback.sequence.to_string(),
            callback.host.clone(),
            callback.state.clone(),
            callback.tries.to_string(),
            callback.http_status.map(|status| status.to_string()).unwrap_or_default(),
            callback.why.clone().unwrap_or_default(),
        ]
    };
    let header = ["event", "host", "state", "tries", "status", "why"];
    section("callbacks", &header, story.callbacks.iter().map(row).collect())
}

fn portal(story: &Story) -> String {
    let Some(row) = &story.portal else { return String::new() };
    let whose = if row.job_id == story.job.id {
        "this job's".to_owned()
    } else {
        format!("job {}'s", row.job_id)
    };
    let late = if row.late { ", late" } else { "" };
    format!("portal\n {}: {}{late}, {}, {whose}", row.table, row.status, row.sla)
}

fn relatives(story: &Story) -> String {
    let row = |relative: &crate::store::story::Relative| {
        vec![
            relative.kind.clone(),
            relative.id.to_string(),
            relative.operation.clone().unwrap_or_default(),
            relative.state.clone().unwrap_or_else(|| "not known".to_owned()),
        ]
    };
    let header = ["belongs as", "job", "operation", "state"];
    section("other jobs", &header, story.relatives.iter().map(row).collect())
}

fn acts(story: &Story) -> String {
    let row = |act: &crate::store::audit::Entry| {
        vec![
            print::at(act.at),
            act.actor.clone(),
            act.action.clone(),
            act.result.clone().unwrap_or_default(),
            act.reason.clone().unwrap_or_default(),
        ]
    };
    let header = ["at", "who", "did", "result", "why"];
    section("what people did", &header, story.acts.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_table_shows_its_first_and_last_rows_and_how_many_are_left_out() {
        let rows = |n: usize| (0..n).map(|row| vec![row.to_string()]).collect::<Vec<_>>();
        assert_eq!(one_screen(rows(30)), rows(30));
        let shown = one_screen(rows(150));
        assert_eq!(shown.len(), 31);
        assert_eq!(shown[4..7], [["4"], ["… 120 more: --json"], ["125"]]);
        assert_eq!(shown[30], ["149"]);
    }
}
