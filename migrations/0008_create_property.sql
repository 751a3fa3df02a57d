-- Why: the portal reads an owner's real estate here, and picks addresses for couriers from it
-- (operation realestate.properties; domain.md D12, D14).
-- Old code still runs: yes, it does not know these tables.
--
-- The search is the row that the newest job of a subject owns; its objects are rows of their own,
-- because a supplier chooses among them. An answer replaces all objects of its subject at once.

CREATE TABLE portal.property_search (
  subject          text        PRIMARY KEY,
  job_id           uuid        NOT NULL,
  job_seq          bigint      NOT NULL,
  status           text        NOT NULL CHECK (status IN ('accepted', 'waiting', 'pending',
    'in_doubt', 'succeeded', 'refused', 'failed', 'expired', 'cancelled')),
  requested_at     timestamptz NOT NULL,
  deadline_at      timestamptz NOT NULL,
  sla              text        NOT NULL CHECK (sla IN ('on_time', 'at_risk', 'breached')),
  completed_at     timestamptz,
  late             boolean     NOT NULL DEFAULT false,
  found            integer     CHECK (found >= 0),
  pickup_addresses integer     CHECK (pickup_addresses BETWEEN 0 AND found),
  flawed           integer     CHECK (flawed BETWEEN 0 AND found),
  actual_only      boolean,
  checked_at       timestamptz,
  CHECK (found IS NULL OR status = 'succeeded')
);
COMMENT ON TABLE portal.property_search IS
  'Searches in the real-estate register, one row a subject; the objects are in portal.property.';
COMMENT ON COLUMN portal.property_search.found IS
  'Objects of the owner. NULL until they answered; 0 is an answer too: no property.';
COMMENT ON COLUMN portal.property_search.pickup_addresses IS
  'How many of them have an address that a courier can be sent to.';
COMMENT ON COLUMN portal.property_search.flawed IS
  'How many of them came with a value that could not be used; see portal.property.flaws.';
COMMENT ON COLUMN portal.property_search.actual_only IS
  'Whether rights that have ended were left out.';
COMMENT ON COLUMN portal.property_search.checked_at IS
  'Business time of the question that was answered.';

CREATE TABLE portal.property (
  subject          text    NOT NULL REFERENCES portal.property_search ON DELETE CASCADE,
  object_id        text    NOT NULL,
  cadastral_number text,
  object_type      text    NOT NULL CHECK (object_type IN
    ('land_plot', 'building', 'premises', 'other')),
  object_type_code text,
  area             numeric CHECK (area >= 0),
  area_unit        text    CHECK (area_unit IN ('m2', 'ha')),
  area_measure     jsonb,
  rka              text    CHECK (rka ~ '^[0-9]{16}$'),
  address_ru       text,
  address_kk       text,
  pickup_address   boolean NOT NULL,
  rights           jsonb   NOT NULL CHECK (jsonb_typeof(rights) = 'array'),
  encumbrances     jsonb   NOT NULL CHECK (jsonb_typeof(encumbrances) = 'array'),
  flaws            jsonb   NOT NULL CHECK (jsonb_typeof(flaws) = 'array'),
  PRIMARY KEY (subject, object_id),
  CHECK (NOT pickup_address OR (rka IS NOT NULL AND coalesce(address_ru, address_kk) IS NOT NULL))
);
COMMENT ON TABLE portal.property IS
  'Objects of the real-estate register, one row a subject and object. No rows and found = 0 in '
  'portal.property_search: no property. No rows and found IS NULL: not known.';
COMMENT ON COLUMN portal.property.object_type_code IS
  'EstateObjectTypeCode as the register sends it: 1 land plot, 3 building, 4 premises.';
COMMENT ON COLUMN portal.property.area_unit IS
  'Unit of area; NULL where the register''s unit is not known, then area_measure has its words. '
  'Never compare areas of different units.';
COMMENT ON COLUMN portal.property.area_measure IS
  'The unit as the register sends it: {code, name_ru, name_kk}.';
COMMENT ON COLUMN portal.property.rka IS
  'Code of the address register (РКА), 16 digits: match addresses by it, not by their text.';
COMMENT ON COLUMN portal.property.pickup_address IS
  'D14: an address in words and an RKA, in a search for rights that hold now.';
COMMENT ON COLUMN portal.property.rights IS
  'JSON array of {right_type, ownership_form, general_ownership_form, share, registered_on, '
  'is_requested_person}; the first three {code, name_ru, name_kk} or null. Other people''s rights '
  'are there without their names and numbers.';
COMMENT ON COLUMN portal.property.encumbrances IS
  'JSON array of {type, registered_on}; type is {code, name_ru, name_kk} or null.';
COMMENT ON COLUMN portal.property.flaws IS
  'JSON array of: rka_malformed, area_malformed. Such a value was left out.';
