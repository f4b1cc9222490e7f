-- Columns that deployed models need are not dropped or renamed.
CREATE SCHEMA deploy_protect;
SET search_path = deploy_protect, public;

CREATE TABLE houses (id int, area float8, rooms int, region text, price float8, note text);
INSERT INTO houses SELECT i, i % 50, i % 6, 'r' || i % 3, 2 * (i % 50) + i % 6, 'n' FROM generate_series(1, 100) i;
CREATE TABLE towns (region text, town text, size float8);
INSERT INTO towns VALUES ('r0', 'a', 1), ('r1', 'b', 2), ('r2', 'c', 3);
CREATE VIEW big AS SELECT h.area, h.rooms, h.price, t.size FROM houses h JOIN towns t USING (region);

-- what a version's source reads
SELECT version FROM ml_train('deploy_protect', 'houses', 'price', 'linear_regression', features => '{area,rooms}');
SELECT version FROM ml_train('deploy_protect joined', $$ SELECT h.area, t.size AS town_size, h.price, (SELECT max(size) FROM towns WHERE town <> 'z') AS largest
	FROM houses h JOIN towns t USING (region) WHERE h.id > 5 $$, 'price', 'linear_regression');
SELECT version FROM ml_train('deploy_protect view', 'big', 'price', 'linear_regression', features => '{size}');
CREATE TEMP TABLE fleeting AS SELECT * FROM houses;
SELECT version FROM ml_train('deploy_protect temporary', 'fleeting', 'price', 'linear_regression', features => '{area}');
SELECT m.name, d ->> 'schema' AS schema, d ->> 'relation' AS relation, d ->> 'columns' AS columns
FROM mlaas.version v JOIN mlaas.model m ON m.id = v.model_id, jsonb_array_elements(lineage -> 'dependencies') d
WHERE m.name LIKE 'deploy_protect%' ORDER BY m.name, 2, 3;

ALTER TABLE houses DROP COLUMN area;
ALTER TABLE houses DROP COLUMN area CASCADE;
ALTER TABLE houses RENAME COLUMN rooms TO chambers;
ALTER TABLE houses RENAME id TO number;
ALTER TABLE towns DROP COLUMN town;
ALTER VIEW big RENAME COLUMN size TO extent;
ALTER TABLE towns DROP COLUMN size CASCADE;
-- what no model needs, and other changes
ALTER TABLE houses DROP COLUMN note, ADD COLUMN note2 text;
ALTER TABLE houses RENAME COLUMN note2 TO note3;
ALTER TABLE houses ALTER COLUMN id TYPE bigint;
ALTER TABLE fleeting DROP COLUMN area;
-- in one transaction with the drop of the model
BEGIN;
SELECT ml_drop('deploy_protect'), ml_drop('deploy_protect joined'), ml_drop('deploy_protect view');
ALTER TABLE houses DROP COLUMN area CASCADE;
ROLLBACK;

-- a version counts while an alias or a route leads to it
SELECT version FROM ml_train('deploy_protect', 'houses', 'price', 'linear_regression', features => '{area}', deploy => 'always');
SELECT ml_drop('deploy_protect view'), ml_drop('deploy_protect joined');
ALTER TABLE houses RENAME COLUMN rooms TO chambers;
ALTER TABLE houses RENAME COLUMN chambers TO rooms;
SELECT ml_route('deploy_protect', 'production', 1, weight => 0.5);
ALTER TABLE houses RENAME COLUMN rooms TO chambers;
SELECT ml_unroute('deploy_protect');

-- names of models are told to those who may use them; everybody may switch it off
CREATE ROLE deploy_protect_owner;
GRANT CREATE, USAGE ON SCHEMA deploy_protect TO deploy_protect_owner;
ALTER TABLE houses OWNER TO deploy_protect_owner;
ALTER VIEW big OWNER TO deploy_protect_owner;
SET ROLE deploy_protect_owner;
DROP VIEW big;
ALTER TABLE houses DROP COLUMN area;
SET mlaas.protect_columns = off;
ALTER TABLE houses DROP COLUMN area;
RESET mlaas.protect_columns;
RESET ROLE;

-- partitions
CREATE TABLE parts (k int, x float8, y float8) PARTITION BY LIST (k);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES IN (1);
INSERT INTO parts SELECT 1, i, 2 * i FROM generate_series(1, 10) i;
SELECT version FROM ml_train('deploy_protect parts', 'parts1', 'y', 'linear_regression', features => '{x}');
ALTER TABLE parts DROP COLUMN x;
ALTER TABLE parts RENAME COLUMN x TO xx;

-- whole tables and schemas go as ever, and the extension's own columns are nobody's
DROP TABLE houses;
SELECT mlaas.protect_columns();
SELECT count(ml_drop(name)) FROM mlaas.models WHERE name LIKE 'deploy_protect%';
SET client_min_messages = error;
DROP SCHEMA deploy_protect CASCADE;
DROP TABLE fleeting;
DROP ROLE deploy_protect_owner;
