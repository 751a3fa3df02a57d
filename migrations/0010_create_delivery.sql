-- Why: the portal reads the delivery part of an order here (domain.md §3, D13-D18).
-- Old code still runs: yes.
--
-- The first columns belong to the newest `kazpost.label` job of the order, as in 0005. The rest is
-- shared: courier calls, tracking and cancellation write parts of the same row, also where the portal
-- never asked the hub for a label. So the columns of the job may be empty, and a row that no job owns
-- has job_seq 0: any job may take it.

CREATE TABLE portal.delivery (
  subject                text        PRIMARY KEY,
  job_id                 uuid,
  job_seq                bigint      NOT NULL DEFAULT 0,
  status                 text        CHECK (status IN ('accepted', 'waiting', 'pending', 'in_doubt',
    'succeeded', 'refused', 'failed', 'expired', 'cancelled')),
  requested_at           timestamptz,
  deadline_at            timestamptz,
  sla                    text        CHECK (sla IN ('on_time', 'at_risk', 'breached')),
  completed_at           timestamptz,
  late                   boolean     NOT NULL DEFAULT false,
  track_number           text        CHECK (track_number ~ '^[A-Z]{2}[0-9]{9}[A-Z]{2}$'),
  tracking_link          text,
  contour                text,
  track_number_issued_on date,
  label_link             text,
  label_link_expires_at  timestamptz,
  status_code            text        CHECK (status_code IN ('track_assigned', 'accepted_by_courier',
    'handed_to_kazpost', 'delivered_by_courier', 'returned')),
  status_ru              text,
  status_kk              text,
  status_at              timestamptz,
  status_rank            integer,
  courier_on             date,
  cancelled_at           timestamptz,
  cancelled_track_number text,
  CHECK ((job_id IS NULL) = (status IS NULL)),
  CHECK ((status_code IS NULL) = (status_rank IS NULL)),
  CHECK (track_number IS NULL OR contour IS NOT NULL)
);
COMMENT ON TABLE portal.delivery IS
  'The delivery of an order, one row an order; operations kazpost.* (D14-D18).';
COMMENT ON COLUMN portal.delivery.status IS
  'State of the newest label job; NULL where no label was asked for.';
COMMENT ON COLUMN portal.delivery.contour IS
  'Host and path of the Kazpost service that issued the number: others do not know it.';
COMMENT ON COLUMN portal.delivery.track_number_issued_on IS
  'NULL where the number came by a repetition: the day of issue was not told.';
COMMENT ON COLUMN portal.delivery.status_code IS
  'Delivery status of the order as far as the hub moves it (D17).';
COMMENT ON COLUMN portal.delivery.status_kk IS 'The hub''s own translation of status_ru.';
COMMENT ON COLUMN portal.delivery.status_rank IS
  'Statuses only move forward: a lower or equal rank changes nothing. 50 is returned.';
COMMENT ON COLUMN portal.delivery.cancelled_track_number IS
  'The number that was given back; where it equals track_number, that number is no longer valid.';

CREATE TABLE portal.delivery_event (
  subject      text        NOT NULL,
  track_number text        NOT NULL,
  event_key    text        NOT NULL,
  happened_at  timestamptz NOT NULL,
  code         text,
  class        text        NOT NULL CHECK (class IN ('accepted', 'in_transit', 'customs',
    'awaiting_recipient', 'failed_attempt', 'delivered', 'forwarded', 'returned', 'lost', 'no_move',
    'undo', 'unknown')),
  title_ru     text,
  postcode     text,
  city         text,
  PRIMARY KEY (subject, track_number, event_key)
);
CREATE INDEX delivery_event_by_time ON portal.delivery_event (subject, happened_at);
COMMENT ON TABLE portal.delivery_event IS
  'Everything that Kazpost told about a parcel, also what it undid later. No names, no addresses.';
COMMENT ON COLUMN portal.delivery_event.event_key IS
  'Minute in UTC, code and post code: a repeated event has the same.';
COMMENT ON COLUMN portal.delivery_event.code IS 'Kazpost''s code; NULL where an event came without one.';
COMMENT ON COLUMN portal.delivery_event.class IS
  'undo takes an earlier event back: both stay here as history.';
COMMENT ON COLUMN portal.delivery_event.title_ru IS 'Kazpost''s own title of the code, where it is known.';
