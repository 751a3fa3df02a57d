-- Why: the portal reads results here (domain.md §2, D7-D12).
-- Old code still runs: yes.
--
-- Every table begins with the same columns, which the hub fills for every operation; the rest comes
-- from the operation. A row belongs to the job with the highest admission number of its subject
-- (invariant 10), from that job's admission on.

CREATE TABLE portal.person (
  subject      text        PRIMARY KEY,
  job_id       uuid        NOT NULL,
  job_seq      bigint      NOT NULL,
  status       text        NOT NULL CHECK (status IN ('accepted', 'waiting', 'pending', 'in_doubt',
    'succeeded', 'refused', 'failed', 'expired', 'cancelled')),
  requested_at timestamptz NOT NULL,
  deadline_at  timestamptz NOT NULL,
  sla          text        NOT NULL CHECK (sla IN ('on_time', 'at_risk', 'breached')),
  completed_at timestamptz,
  late         boolean     NOT NULL DEFAULT false,
  found        boolean,
  iin          text,
  surname      text,
  name         text,
  patronymic   text,
  birth_date   date,
  death_date   date,
  gender       text        CHECK (gender IN ('male', 'female')),
  citizenship  text,
  nationality  text,
  life_status  text        CHECK (life_status IN ('normal', 'deceased', 'unknown')),
  reg_address  jsonb,
  document     jsonb,
  flags        jsonb,
  CHECK (found IS NULL OR status = 'succeeded')
);
COMMENT ON TABLE portal.person IS 'GBD FL data, one row a subject; operation gbdfl.person (D12).';
COMMENT ON COLUMN portal.person.found IS 'NULL until they answered; false is an answer too.';
COMMENT ON COLUMN portal.person.citizenship IS 'ISO numeric country code, as GBD FL sends it.';
COMMENT ON COLUMN portal.person.flags IS
  'JSON array of: deceased, excluded, removed, incapable, missing, disappeared.';

CREATE TABLE portal.specialist_check (
  subject            text        NOT NULL,
  system             text        NOT NULL CHECK (system IN ('kpsisu', 'mzrk')),
  job_id             uuid        NOT NULL,
  job_seq            bigint      NOT NULL,
  status             text        NOT NULL CHECK (status IN ('accepted', 'waiting', 'pending',
    'in_doubt', 'succeeded', 'refused', 'failed', 'expired', 'cancelled')),
  requested_at       timestamptz NOT NULL,
  deadline_at        timestamptz NOT NULL,
  sla                text        NOT NULL CHECK (sla IN ('on_time', 'at_risk', 'breached')),
  completed_at       timestamptz,
  late               boolean     NOT NULL DEFAULT false,
  verdict            text        NOT NULL DEFAULT 'unknown'
    CHECK (verdict IN ('clear', 'found', 'unknown')),
  certificate_number text,
  certificate_date   date,
  PRIMARY KEY (subject, system),
  CHECK (verdict = 'unknown' OR status = 'succeeded')
);
COMMENT ON TABLE portal.specialist_check IS
  'KPSiSU and MZ RK checks, one row a subject and system (D7-D11).';
COMMENT ON COLUMN portal.specialist_check.verdict IS
  'unknown until answered; an outage never becomes clear (D9).';

CREATE VIEW portal.specialist_access AS
  SELECT subject,
         count(*) FILTER (WHERE verdict = 'clear') = 2 AS unlocked,
         CASE
           WHEN count(*) FILTER (WHERE verdict = 'found') > 0 THEN 'record_found'
           WHEN count(*) < 2 THEN 'check_missing'
           WHEN count(*) FILTER (WHERE verdict = 'clear') = 2 THEN 'both_clear'
           ELSE 'check_open'
         END AS why
    FROM portal.specialist_check
   GROUP BY subject;
COMMENT ON VIEW portal.specialist_access IS
  'D10: a profile is unlocked only while both checks are clear.';
