//! The portal's rows against the jobs, what was asked, and what was answered.
//!
//! *Limits*: of a person names and the date of birth, of an organisation its number, of real estate which
//! objects there are: two searches for one owner that met the same behaviour must have found the same.

use std::collections::HashMap;

use adapters::systems::gbdfl;
use contracts::state::State;
use serde_json::Value;
use uuid::Uuid;
use workers::demo::cast::Part;

use super::{
    Finding, finding, has_ended,
    journal::{Journal, is, str_of},
};
use crate::evidence::Evidence;

/// Operations whose portal row tells of its newest job; of codes each job has a row.
const WITH_ROWS: [&str; 8] = [
    "eqyzmet.submit",
    "gbdfl.person",
    "gbdul.organization",
    "kazpost.label",
    "kpsisu.check",
    "mgov.send_code",
    "mzrk.check",
    "realestate.properties",
];

/// One row with its owner.
struct Owned<'e> {
    operation: &'e str,
    subject: &'e str,
    id: Uuid,
    job: &'e Value,
    row: &'e Value,
    succeeded: bool,
}

/// Which objects an owner has, by what was asked and the behaviour that it met.
type Estates<'e> = HashMap<(String, &'e str), &'e Value>;

pub(super) fn judge(
    parts: &[Part],
    e: &Evidence,
    journal: &Journal<'_>,
    findings: &mut Vec<Finding>,
) {
    let inputs = inputs(parts);
    let mut estates = Estates::new();
    for ((operation, subject), id) in newest(e) {
        let job = &e.jobs[&id];
        if !has_ended(job) {
            continue;
        }
        let succeeded = job["state"] == State::Succeeded.name();
        let Some(row) = e.portal.get(&(operation.to_owned(), subject.to_owned())) else {
            // A message is theirs: before something became of a submission its row tells of none.
            if succeeded || operation != "eqyzmet.submit" {
                findings.push(finding(id, "its subject has no row in the portal"));
            }
            continue;
        };
        let owned = Owned { operation, subject, id, job, row, succeeded };
        let wrong = owned.wrong_owner().or_else(|| owned.wrong_answer(journal)).or_else(|| {
            let input = inputs.get(&owned.id)?;
            owned.wrong_values(input, journal, &mut estates)
        });
        findings.extend(wrong.map(|what| finding(id, what)));
    }
    judge_access(e, findings);
}

/// What was asked, by job.
fn inputs(parts: &[Part]) -> HashMap<Uuid, Value> {
    let input = |part: &Part| {
        let body: Value = serde_json::from_slice(&part.body).ok()?;
        Some((part.id?, body["input"].clone()))
    };
    parts.iter().filter_map(input).collect()
}

/// The newest job of each row.
fn newest(e: &Evidence) -> HashMap<(&str, &str), Uuid> {
    let mut newest: HashMap<(&str, &str), (i64, Uuid)> = HashMap::new();
    for (id, job) in &e.jobs {
        let operation = str_of(&job["operation"]);
        // What was rejected at the door touches no row.
        if !WITH_ROWS.contains(&operation) || job["state"] == State::Rejected.name() {
            continue;
        }
        let key = if operation == "mgov.send_code" { &job["id"] } else { &job["subject"] };
        let seq = job["seq"].as_i64().unwrap_or(0);
        let entry = newest.entry((operation, str_of(key))).or_insert((seq, *id));
        if seq > entry.0 {
            *entry = (seq, *id);
        }
    }
    newest.into_iter().map(|(key, (_, id))| (key, id)).collect()
}

impl<'e> Owned<'e> {
    /// The row tells of this job, as it ended.
    fn wrong_owner(&self) -> Option<String> {
        let Self { job, row, .. } = self;
        if row["job_id"].as_str() != Some(self.id.to_string().as_str()) {
            return Some(format!("is the newest, the portal's row is {}'s", row["job_id"]));
        }
        // Of a message the hub writes only what became of its submission.
        if self.operation == "eqyzmet.submit" {
            return None;
        }
        if row["status"] != job["state"] || row["sla"] != job["sla"] {
            let (status, sla) = (&row["status"], &row["sla"]);
            let (state, own) = (&job["state"], &job["sla"]);
            return Some(format!("is {state} / {own}, the portal's row says {status} / {sla}"));
        }
        let open = row["completed_at"].is_null();
        open.then(|| "has ended, the portal's row has no time of its end".to_owned())
    }

    /// The row tells the answer of this job.
    fn wrong_answer(&self, journal: &Journal<'_>) -> Option<String> {
        let (summary, told) = (&self.job["summary"], str_of(&self.row["answer"]));
        let wanted = match self.operation {
            // Another job of the order may have got the number, and only that one.
            "kazpost.label" => {
                let is_wrong = match journal.track_number(self.subject) {
                    Some(number) => told != number && (self.succeeded || told != "unknown"),
                    // That it succeeded without one, the books tell.
                    None => told != "unknown" && !self.succeeded,
                };
                let what = "Kazpost gave its order another number than the portal's";
                return is_wrong.then(|| what.to_owned());
            }
            _ if !self.succeeded => "unknown".to_owned(),
            // That it was sent is proven by its code; when, nobody ever said.
            "mgov.send_code" if summary["evidence"] == "code_verified" => return None,
            "kpsisu.check" | "mzrk.check" => str_of(&summary["verdict"]).to_owned(),
            "mgov.send_code" => "sent".to_owned(),
            "eqyzmet.submit" => "taken".to_owned(),
            _ => summary["found"].to_string(),
        };
        (told != wanted).then(|| format!("was answered {wanted}, the portal's row says {told}"))
    }

    /// The row holds what was asked about, and nobody else's.
    fn wrong_values(
        &self,
        input: &Value,
        journal: &Journal<'e>,
        estates: &mut Estates<'e>,
    ) -> Option<String> {
        let (row, job) = (self.row, self.job);
        let values = &row["values"];
        let foreign = || Some("the portal's row holds what somebody else was asked about".into());
        match self.operation {
            // Of a code that was never sent nobody says what for, nor of one that only its use proves.
            "mgov.send_code"
                if (self.succeeded && job["summary"]["evidence"] != "code_verified"
                    || !values["purpose"].is_null())
                    && values["purpose"] != input["check"] =>
            {
                foreign()
            }
            "mgov.send_code" if self.succeeded && values["code_status"] == "sending" => {
                Some("its code was sent, the portal's row says that it is being sent".to_owned())
            }
            "eqyzmet.submit" if self.succeeded && values["submit_status"] != "submitted" => {
                Some(format!("succeeded, its message is {}", values["submit_status"]))
            }
            "gbdul.organization" if self.succeeded && values["bin"] != input["bin"] => foreign(),
            "gbdfl.person" if self.succeeded && !is_person(values, input, row) => foreign(),
            "realestate.properties" if self.succeeded => {
                let objects = &values["objects"];
                let count = objects.as_array().map_or(0, Vec::len);
                if row["answer"] != count.to_string().as_str() {
                    return Some(format!("the portal has {count} of {} objects", row["answer"]));
                }
                let told = journal.of_job(job).iter().rfind(|one| is(one, "acknowledged"));
                let outcome = told.map_or("", |entry| str_of(&entry["outcome"]));
                let known = *estates.entry((input.to_string(), outcome)).or_insert(objects);
                if known == objects { None } else { foreign() }
            }
            _ => None,
        }
    }
}

/// The pretended registry makes a person from the number alone.
fn is_person(values: &Value, input: &Value, row: &Value) -> bool {
    let iin = str_of(&input["iin"]);
    if values["iin"] != iin {
        return false;
    }
    let looks = gbdfl::looks(iin).filter(|_| row["answer"] == "true");
    looks.is_none_or(|looks| {
        values["surname"] == looks.surname
            && values["name"] == looks.name
            && values["birth_date"] == looks.birth_date.as_str()
    })
}

/// D10: unlocked while both checks are clear, and by nothing else.
fn judge_access(e: &Evidence, findings: &mut Vec<Finding>) {
    for row in &e.access {
        let verdicts: Vec<&str> =
            ["kpsisu", "mzrk"].iter().map(|name| str_of(&row["verdicts"][name])).collect();
        let unlocked = verdicts.iter().all(|verdict| *verdict == "clear");
        if row["unlocked"] != unlocked {
            let (subject, told) = (&row["subject"], &row["unlocked"]);
            let what = format!("{subject}: unlocked is {told}, the checks are {verdicts:?}");
            findings.push(Finding { what, job: None });
        }
    }
}
