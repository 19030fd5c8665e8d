CREATE TABLE fepha_schema (
  version int PRIMARY KEY,
  since   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fepha_schema IS 'versions of the tables of fepha, made and migrated by its exports';

CREATE TABLE fepha_events (
  station int    NOT NULL,
  seq     bigint NOT NULL,
  time    timestamptz NOT NULL,
  rtu     bigint NOT NULL,
  kind    text   NOT NULL,
  point   bigint NOT NULL,
  name    text   NOT NULL,
  value   double precision NOT NULL,
  unit    text   NOT NULL,
  quality text   NOT NULL,
  source  text   NOT NULL,
  PRIMARY KEY (station, seq)
);
COMMENT ON TABLE fepha_events IS 'every event of a station once: (station, seq) is its number in the journal';
COMMENT ON COLUMN fepha_events.time IS 'the time tag; source says whose: device, or station where fepha has made it';
COMMENT ON COLUMN fepha_events.kind IS 'di, ai, counter, do, ao';
COMMENT ON COLUMN fepha_events.quality IS 'good, or what is against the value, in words';
CREATE INDEX fepha_events_time ON fepha_events (time);
CREATE INDEX fepha_events_point ON fepha_events (station, rtu, kind, point, time);

CREATE TABLE fepha_audit (
  station int    NOT NULL,
  seq     bigint NOT NULL,
  time    timestamptz NOT NULL,
  node    text   NOT NULL,
  number  bigint NOT NULL,
  text    text   NOT NULL,
  content text   NOT NULL,
  hash    bytea  NOT NULL,
  PRIMARY KEY (station, seq)
);
COMMENT ON TABLE fepha_audit IS 'what was done and by whom';
COMMENT ON COLUMN fepha_audit.content IS 'the entry as JSON, octet for octet what its hash is made of';
CREATE INDEX fepha_audit_time ON fepha_audit (time);

CREATE TABLE fepha_values (
  station int    NOT NULL,
  rtu     bigint NOT NULL,
  kind    text   NOT NULL,
  point   bigint NOT NULL,
  time    timestamptz NOT NULL,
  name    text   NOT NULL,
  value   double precision NOT NULL,
  unit    text   NOT NULL,
  quality text   NOT NULL,
  PRIMARY KEY (station, rtu, kind, point, time)
);
COMMENT ON TABLE fepha_values IS 'values of analog points and counters at a period, those alone that had changed';
CREATE INDEX fepha_values_time ON fepha_values (time);

-- Hypertables where TimescaleDB is there: by number, since a key must hold what they are divided by.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    PERFORM create_hypertable('fepha_events', 'seq', chunk_time_interval => 10000000);
    PERFORM create_hypertable('fepha_values', 'time');
  END IF;
END $$;
