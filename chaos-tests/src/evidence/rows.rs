//! Queries: the rows of the portal, and what earlier rounds were about.
//!
//! Names and numbers of persons are read here to be compared. They are synthetic, and no finding
//! shows them.

/// How many jobs, of all rounds, asked for a label of each order.
pub(super) const LABELS: &str = "SELECT subject, count(*) AS jobs FROM hub.job
    WHERE operation = 'kazpost.label' GROUP BY subject";

/// Rows of each message that nobody asked for.
pub(super) const MESSAGES: &str =
    "SELECT message_id, count(*) FROM portal.message GROUP BY message_id";

/// Everything that the portal was told about parcels.
pub(super) const PARCELS: &str = "SELECT track_number, code FROM portal.delivery_event";

/// Request numbers of jobs of earlier rounds.
pub(super) fn earlier(since: i64) -> String {
    format!(
        "SELECT id::text AS number FROM hub.job WHERE seq <= {since}
         UNION ALL
         SELECT CASE operation WHEN 'kazpost.cancel' THEN 'cancel ' ELSE '' END
             || 'SIM-' || substr(subject, 7) FROM hub.job
          WHERE seq <= {since}
            AND operation IN ('kazpost.label', 'kazpost.call_courier', 'kazpost.cancel')"
    )
}

/// The rows of the portal that belong to jobs of this round. `answer` is `unknown` where they have not
/// answered; `values` are compared with what was asked and answered.
pub(super) fn of_round(since: i64) -> String {
    let of_round = format!("job_id IN (SELECT id FROM hub.job WHERE seq > {since})");
    let owner = "job_id, status, sla, completed_at";
    format!(
        "SELECT 'gbdfl.person' AS operation, subject, {owner},
           coalesce(found::text, 'unknown') AS answer, json_build_object('iin', iin,
             'surname', surname, 'name', name, 'birth_date', birth_date) AS values
           FROM portal.person WHERE {of_round}
         UNION ALL
         SELECT system || '.check', subject, {owner}, verdict, '{{}}'::json
           FROM portal.specialist_check WHERE {of_round}
         UNION ALL
         SELECT 'gbdul.organization', subject, {owner},
           coalesce(found::text, 'unknown'), json_build_object('bin', bin)
           FROM portal.organization WHERE {of_round}
         UNION ALL
         SELECT 'realestate.properties', subject, {owner},
           coalesce(found::text, 'unknown'), json_build_object('objects',
             (SELECT coalesce(json_agg(object_id ORDER BY object_id), '[]')
                FROM portal.property p WHERE p.subject = s.subject))
           FROM portal.property_search s WHERE {of_round}
         UNION ALL
         SELECT 'mgov.send_code', code_ref, {owner},
           CASE WHEN sent_at IS NULL THEN 'unknown' ELSE 'sent' END,
           json_build_object('purpose', purpose, 'code_status', code_status)
           FROM portal.sms_code WHERE {of_round}
         UNION ALL
         SELECT 'kazpost.label', subject, {owner},
           coalesce(track_number, 'unknown'), json_build_object('followed',
             (SELECT count(*) FROM hub.job t
               WHERE t.operation = 'kazpost.track' AND t.subject = d.subject))
           FROM portal.delivery d WHERE {of_round}
         UNION ALL
         SELECT 'eqyzmet.submit', 'message:' || message_id, submit_job_id, NULL, NULL, submitted_at,
           CASE WHEN submitted_revision IS NULL THEN 'unknown' ELSE 'taken' END,
           json_build_object('submit_status', submit_status)
           FROM portal.message WHERE submit_{of_round}"
    )
}

/// The view of D10 for everybody of whom this round had a check, with the verdicts beside it.
pub(super) fn access(since: i64) -> String {
    format!(
        "SELECT a.subject, a.unlocked, a.why,
           (SELECT json_object_agg(c.system, c.verdict) FROM portal.specialist_check c
             WHERE c.subject = a.subject) AS verdicts
           FROM portal.specialist_access a WHERE a.subject IN (SELECT subject
             FROM portal.specialist_check WHERE job_id IN
               (SELECT id FROM hub.job WHERE seq > {since}))"
    )
}
