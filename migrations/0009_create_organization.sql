-- Why: the portal fills an organisation's card from GBD UL (domain.md D12).
-- Old code still runs: yes, it does not know the table.

CREATE TABLE portal.organization (
  subject                text        PRIMARY KEY,
  job_id                 uuid        NOT NULL,
  job_seq                bigint      NOT NULL,
  status                 text        NOT NULL CHECK (status IN ('accepted', 'waiting', 'pending',
    'in_doubt', 'succeeded', 'refused', 'failed', 'expired', 'cancelled')),
  requested_at           timestamptz NOT NULL,
  deadline_at            timestamptz NOT NULL,
  sla                    text        NOT NULL CHECK (sla IN ('on_time', 'at_risk', 'breached')),
  completed_at           timestamptz,
  late                   boolean     NOT NULL DEFAULT false,
  found                  boolean,
  bin                    text,
  kind                   text        CHECK (kind IN ('organization', 'non_resident')),
  full_name_ru           text,
  full_name_kk           text,
  short_name_ru          text,
  short_name_kk          text,
  reg_status             jsonb,
  registration_date      date,
  registration_last_date date,
  liquidation_date       date,
  org_form               jsonb,
  is_branch              boolean,
  head                   jsonb,
  leader                 jsonb,
  address                jsonb,
  activity               jsonb,
  tax_status             text        CHECK (tax_status IN ('active', 'inactive', 'unknown')),
  country                jsonb,
  flags                  jsonb,
  CHECK (found IS NULL OR status = 'succeeded'),
  CHECK (kind IS NULL OR found)
);
COMMENT ON TABLE portal.organization IS
  'GBD UL data, one row a subject; operation gbdul.organization (D12).';
COMMENT ON COLUMN portal.organization.found IS 'NULL until they answered; false is an answer too.';
COMMENT ON COLUMN portal.organization.reg_status IS
  'Code and names as GBD UL sends them: {code, name_ru, name_kk}. Their dictionary is not known.';
COMMENT ON COLUMN portal.organization.org_form IS
  '{code, name_ru, name_kk}; codes: 1 legal entity, 2 branch, 3 representative office.';
COMMENT ON COLUMN portal.organization.head IS
  'The organisation that a branch or representative office belongs to: {bin, name_ru, name_kk}.';
COMMENT ON COLUMN portal.organization.leader IS
  'Personal data: {iin, surname, name, patronymic, position, begin_date, end_date}. NULL where they '
  'named none; end_date is the day of removal from office.';
COMMENT ON COLUMN portal.organization.activity IS 'Main activity: {oked, name_ru, name_kk}.';
COMMENT ON COLUMN portal.organization.country IS
  'Where a non-resident comes from: {code, name_ru, name_kk}.';
COMMENT ON COLUMN portal.organization.flags IS
  'JSON array of: liquidated, in_liquidation, inactive, leader_removed, non_resident, branch, '
  'representative_office.';
