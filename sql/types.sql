-- Types: a model as a value, and the state of aggregates.

CREATE TYPE ml_model;

CREATE FUNCTION ml_model_in(cstring)
RETURNS ml_model
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_model_in';
COMMENT ON FUNCTION ml_model_in(cstring) IS 'Input function of ml_model: JSON, checked whole.';

CREATE FUNCTION ml_model_out(ml_model)
RETURNS cstring
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_model_out';
COMMENT ON FUNCTION ml_model_out(ml_model) IS 'Output function of ml_model: JSON from which the same bytes come back.';

CREATE FUNCTION ml_model_recv(internal)
RETURNS ml_model
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_model_recv';
COMMENT ON FUNCTION ml_model_recv(internal) IS 'Binary input function of ml_model: the bytes, checked whole.';

CREATE FUNCTION ml_model_send(ml_model)
RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_model_send';
COMMENT ON FUNCTION ml_model_send(ml_model) IS 'Binary output function of ml_model.';

CREATE TYPE ml_model (
	INPUT = ml_model_in,
	OUTPUT = ml_model_out,
	RECEIVE = ml_model_recv,
	SEND = ml_model_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double,
	STORAGE = extended
);
COMMENT ON TYPE ml_model IS
'A trained model as a value: self-contained bytes for any column, aggregate, dump or other database. Text form: JSON that round-trips exactly.';

CREATE CAST (ml_model AS jsonb) WITH INOUT;
COMMENT ON CAST (ml_model AS jsonb) IS 'The text form for looking into; a model comes back from text, not from jsonb, which forgets how numbers were written.';

CREATE FUNCTION ml_model_to_bytea(ml_model)
RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_model_to_bytea';
COMMENT ON FUNCTION ml_model_to_bytea(ml_model) IS 'The bytes of a model, as in a file; equal bytes are equal models.';

CREATE FUNCTION ml_model_from_bytea(bytea)
RETURNS ml_model
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_model_from_bytea';
COMMENT ON FUNCTION ml_model_from_bytea(bytea) IS 'The model of such bytes, checked whole; error XX001 when they are none.';

CREATE CAST (ml_model AS bytea) WITH FUNCTION ml_model_to_bytea(ml_model);
CREATE CAST (bytea AS ml_model) WITH FUNCTION ml_model_from_bytea(bytea);

CREATE TYPE ml_state;

CREATE FUNCTION ml_state_in(cstring)
RETURNS ml_state
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_state_in';
COMMENT ON FUNCTION ml_state_in(cstring) IS 'Input function of ml_state: hex like bytea, checked.';

CREATE FUNCTION ml_state_out(ml_state)
RETURNS cstring
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_state_out';
COMMENT ON FUNCTION ml_state_out(ml_state) IS 'Output function of ml_state: hex like bytea.';

CREATE FUNCTION ml_state_recv(internal)
RETURNS ml_state
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_state_recv';
COMMENT ON FUNCTION ml_state_recv(internal) IS 'Binary input function of ml_state, checked.';

CREATE FUNCTION ml_state_send(ml_state)
RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_state_send';
COMMENT ON FUNCTION ml_state_send(ml_state) IS 'Binary output function of ml_state.';

CREATE TYPE ml_state (
	INPUT = ml_state_in,
	OUTPUT = ml_state_out,
	RECEIVE = ml_state_recv,
	SEND = ml_state_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double,
	STORAGE = extended
);
COMMENT ON TYPE ml_state IS
'The unfinished state of an aggregate of mlaas: what parallel workers and nodes of a distributed database pass to each other.';
