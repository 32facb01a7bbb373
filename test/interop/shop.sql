-- A database with what a dump can lose: odd types and names, large objects, partitions, generated columns, grants.
CREATE ROLE clerk;
CREATE SCHEMA "Odd ""Names""";
CREATE TYPE mood AS ENUM ('sad', 'ok', 'glücklich');
CREATE TYPE point3 AS (x double precision, y double precision, z double precision);
CREATE DOMAIN percentage AS numeric(5, 2) CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY,
  placed timestamptz NOT NULL,
  customer text NOT NULL,
  amount numeric NOT NULL,
  tags text[],
  details jsonb,
  fingerprint bytea,
  doubled numeric GENERATED ALWAYS AS (amount * 2) STORED
) PARTITION BY RANGE (placed);
CREATE TABLE orders_old PARTITION OF orders FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE orders_new PARTITION OF orders DEFAULT;
INSERT INTO orders (placed, customer, amount, tags, details, fingerprint)
SELECT timestamptz '2025-06-01' + i * interval '10 minutes', 'customer ' || i % 977, (i * 7919 % 100000) / 100.0,
  CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN '{}'::text[] ELSE ARRAY['a,b', '"quoted"', NULL, 'NULL', E'tab\there'] END,
  jsonb_build_object('n', i, 'nested', jsonb_build_array(i, NULL, 'ü')),
  decode(md5(i::text) || md5('x' || i) || md5('y' || i), 'hex')
FROM generate_series(1, 50000) AS i;
CREATE INDEX ON orders (customer, placed);
CREATE TABLE "Odd ""Names"""."Säule; DROP" (
  "select" mood, place point3, share percentage, span tstzrange, spans int4multirange, address inet, mac macaddr8,
  bits bit varying, shape polygon, words tsvector, document xml, identity uuid, duration interval, moment timestamptz,
  day date, amount double precision, exact numeric, price money, lsn pg_lsn, snapshot pg_snapshot, c "char"
);
INSERT INTO "Odd ""Names"""."Säule; DROP" VALUES
  ('glücklich', ROW(1e-307, 'NaN', '-Infinity'), 99.99, '(,2026-11-21 02:15:00+00]', '{[1,3),[7,)}', '2001:db8::/32',
   '08:00:2b:01:02:03:04:05', B'10110', '((0,0),(1,1),(1,0))', 'a:1A fat:2B,4C cat:5D', '<a b="&lt;">ü</a>',
   'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '-1 year 2 months -3 days 04:05:06.789', '-infinity', 'infinity',
   0.1 + 0.2::double precision, 'NaN', '-12.34', '16/B374D848', '10:20:10,14,15', E'\\'),
  (NULL, NULL, NULL, 'empty', '{}', '127.0.0.1', NULL, B'', NULL, '', NULL, NULL, '0', 'infinity', '4713-01-01 BC',
   '-0', 1e-1000, NULL, NULL, NULL, NULL);
CREATE TABLE texts (t text COLLATE "C", u text);
INSERT INTO texts VALUES (E'\\.', E'\\N'), (E'line\nfeed\r\n\ttab\\', ''), (repeat('long ', 400000), NULL), ('日本', E'\u007f\u0001');
SELECT lo_from_bytea(0, decode(repeat(md5('one'), 100000), 'hex'));
SELECT lo_from_bytea(0, '');
SELECT lo_from_bytea(424242, decode('00ff5c2e0a', 'hex'));
COMMENT ON LARGE OBJECT 424242 IS 'a picture';
CREATE FUNCTION total(of text) RETURNS numeric LANGUAGE sql STABLE AS $q$ SELECT sum(amount) FROM orders WHERE customer = $1 $q$;
CREATE VIEW customers AS SELECT customer, total(customer) AS total FROM orders GROUP BY customer;
CREATE MATERIALIZED VIEW biggest AS SELECT * FROM orders ORDER BY amount DESC, id LIMIT 10;
CREATE SEQUENCE counter AS smallint INCREMENT -3 START -5 CYCLE;
SELECT nextval('counter');
ALTER TABLE texts ENABLE ROW LEVEL SECURITY;
CREATE POLICY "only u" ON texts TO clerk USING (u IS NOT NULL);
GRANT SELECT (customer, amount) ON orders TO clerk;
COMMENT ON TABLE texts IS E'it''s a \\ comment\n-- with lines';
