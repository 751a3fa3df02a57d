-- Why: messages of ИИС «Е-қызмет» and the files that go back with them (domain.md D19-D21).
-- Old code still runs: yes, it knows neither table.

CREATE TABLE portal.message (
  message_id         text        PRIMARY KEY,
  kind               text        NOT NULL CHECK (kind IN ('notice', 'editable')),
  organisation       text        NOT NULL,
  reviewer           text,
  title              text        NOT NULL,
  text               text,
  fields             jsonb       NOT NULL,
  attachments        jsonb       NOT NULL,
  sent_at            timestamptz NOT NULL,
  due_date           date,
  received_at        timestamptz NOT NULL DEFAULT hub.now(),
  state              text        NOT NULL
    CHECK (state IN ('new', 'submitted', 'accepted', 'returned')),
  revision           integer     NOT NULL CHECK (revision > 0),
  submit_job_id      uuid,
  submit_status      text        CHECK (submit_status IN
    ('submitted', 'refused', 'rejected', 'in_doubt', 'not_sent')),
  submit_code        text,
  submitted_revision integer     CHECK (submitted_revision > 0),
  submitted_at       timestamptz,
  status             text        NOT NULL GENERATED ALWAYS AS
    (CASE WHEN submitted_revision >= revision THEN 'submitted' ELSE state END) STORED,
  CHECK ((submit_job_id IS NULL) = (submit_status IS NULL))
);
CREATE INDEX message_journal ON portal.message (organisation, received_at DESC);
COMMENT ON TABLE portal.message IS
  'Messages of ИИС «Е-қызмет», one row a message. No row for an organisation: «Данные не найдены» (D21).';
COMMENT ON COLUMN portal.message.kind IS 'notice: read-only · editable: operation eqyzmet.submit (D19).';
COMMENT ON COLUMN portal.message.organisation IS 'BIN of the organisation that the message is for.';
COMMENT ON COLUMN portal.message.fields IS
  'JSON array of {key, label, type: text|number|date|file, value}; null is "not given".';
COMMENT ON COLUMN portal.message.attachments IS
  'JSON array of {id, name, media_type}: files in the gateway''s store, not their bytes.';
COMMENT ON COLUMN portal.message.received_at IS 'Business time at which the first push was taken.';
COMMENT ON COLUMN portal.message.state IS 'What they said last, at revision.';
COMMENT ON COLUMN portal.message.revision IS
  'Theirs: counts every change. An older or repeated push changes nothing.';
COMMENT ON COLUMN portal.message.submitted_revision IS
  'The revision that our submission made; NULL while none was taken.';
COMMENT ON COLUMN portal.message.submit_status IS
  'What the last attempt of submit_job_id learned: submitted · refused: they said no · rejected: not '
  'sent, because of its content · in_doubt: the answer was lost · not_sent: they were not reached. Whether '
  'the hub tries again, its events tell.';
COMMENT ON COLUMN portal.message.status IS
  'For people: submitted from our submission on, until they say something newer.';

-- The portal stores files; it may not read the hub's clock, and needs its time all the same.
CREATE FUNCTION portal.business_now() RETURNS timestamptz
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
  AS $$ SELECT hub.now() $$;
COMMENT ON FUNCTION portal.business_now() IS 'Business time, for columns that the portal fills.';

CREATE TABLE portal.attachment (
  id          uuid        PRIMARY KEY,
  name        text        NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  media_type  text        NOT NULL CHECK (media_type ~* '^[a-z0-9.+-]+/[a-z0-9.+-]+$'),
  bytes       bytea       NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 16777216),
  byte_length integer     NOT NULL GENERATED ALWAYS AS (octet_length(bytes)) STORED,
  sha256      bytea       NOT NULL GENERATED ALWAYS AS (sha256(bytes)) STORED,
  created_at  timestamptz NOT NULL DEFAULT portal.business_now()
);
-- Documents and pictures are compressed already.
ALTER TABLE portal.attachment ALTER COLUMN bytes SET STORAGE EXTERNAL;
GRANT INSERT (id, name, media_type, bytes) ON portal.attachment TO portal_app;
COMMENT ON TABLE portal.attachment IS
  'Files that the portal stores before it publishes a job that names them. Written once.';
COMMENT ON COLUMN portal.attachment.bytes IS
  'Up to 16 MiB here; what an operation takes is less (eqyzmet.submit: 3 MiB a file), and a job with a '
  'larger one is rejected with a clear error (D19).';
