-- Training as an aggregate.

CREATE FUNCTION mlaas.fit_number(@extschema@.ml_state, text, jsonb, float8, VARIADIC float8[])
RETURNS @extschema@.ml_state LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ml_fit_number';
COMMENT ON FUNCTION mlaas.fit_number(@extschema@.ml_state, text, jsonb, float8, float8[]) IS 'adds a row with a numeric target to a state of ml_fit';

CREATE FUNCTION mlaas.fit_text(@extschema@.ml_state, text, jsonb, text, VARIADIC float8[])
RETURNS @extschema@.ml_state LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ml_fit_text';
COMMENT ON FUNCTION mlaas.fit_text(@extschema@.ml_state, text, jsonb, text, float8[]) IS 'adds a row with a text target to a state of ml_fit';

CREATE FUNCTION mlaas.fit_combine(@extschema@.ml_state, @extschema@.ml_state)
RETURNS @extschema@.ml_state LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ml_fit_combine';
COMMENT ON FUNCTION mlaas.fit_combine(@extschema@.ml_state, @extschema@.ml_state) IS 'merges two states of ml_fit';

CREATE FUNCTION mlaas.fit_final(@extschema@.ml_state)
RETURNS @extschema@.ml_model LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ml_fit_final';
COMMENT ON FUNCTION mlaas.fit_final(@extschema@.ml_state) IS 'the model of a state of ml_fit; NULL without rows';

CREATE AGGREGATE @extschema@.ml_fit(algorithm text, params jsonb, target float8, VARIADIC features float8[]) (
	SFUNC = mlaas.fit_number,
	STYPE = @extschema@.ml_state,
	FINALFUNC = mlaas.fit_final,
	FINALFUNC_MODIFY = READ_WRITE,
	COMBINEFUNC = mlaas.fit_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.ml_fit(text, jsonb, float8, VARIADIC float8[]) IS
'Trains a model on the rows of a group: algorithm (see ml_algorithms, or ''auto''), parameters as JSON, the numeric target, then the features in order. It always estimates a number, under ''auto'' too: for a classifier of numbers or booleans cast the target to text, or use the form over whole rows, where auto makes classes of booleans and of two distinct integers as ml_train does; a boolean cast to int is estimated as a number. All rows are training rows. Rows whose target is NULL are skipped; a NULL feature is a missing value. Features are known by their place (x1, x2, ...). Errors: 42704 an unknown algorithm or parameter; 22000 NaN or infinity, a constant target; 42804 a target that the algorithm does not take; 54000 mlaas.max_memory exceeded. NULL without rows.';

-- The same for 1 to 32 features without an array for each row, which would cost as much as all
-- the rest: the parser prefers these to the variadic form.
DO $$
DECLARE
	types text;
	names text;
BEGIN
	FOR n IN 1 .. 32 LOOP
		SELECT pg_catalog.string_agg('float8', ', '), pg_catalog.string_agg(pg_catalog.format('x%s float8', i), ', ' ORDER BY i)
		INTO types, names
		FROM pg_catalog.generate_series(1, n) i;

		EXECUTE pg_catalog.format('CREATE FUNCTION mlaas.fit_values(@extschema@.ml_state, text, jsonb, float8, %s) '
			'RETURNS @extschema@.ml_state LANGUAGE c IMMUTABLE PARALLEL SAFE AS ''MODULE_PATHNAME'', ''ml_fit_values''', types);
		EXECUTE pg_catalog.format('COMMENT ON FUNCTION mlaas.fit_values(@extschema@.ml_state, text, jsonb, float8, %s) '
			'IS ''adds a row with a numeric target to a state of ml_fit''', types);
		EXECUTE pg_catalog.format('CREATE AGGREGATE @extschema@.ml_fit(algorithm text, params jsonb, target float8, %s) ('
			'SFUNC = mlaas.fit_values, STYPE = @extschema@.ml_state, FINALFUNC = mlaas.fit_final, FINALFUNC_MODIFY = READ_WRITE, '
			'COMBINEFUNC = mlaas.fit_combine, PARALLEL = SAFE)', names);
		EXECUTE pg_catalog.format('COMMENT ON AGGREGATE @extschema@.ml_fit(text, jsonb, float8, %s) IS '
			'''The same as ml_fit(algorithm, params, target, VARIADIC features), for this number of features.''', types);
	END LOOP;
END
$$;

CREATE AGGREGATE @extschema@.ml_fit(algorithm text, params jsonb, target text, VARIADIC features float8[]) (
	SFUNC = mlaas.fit_text,
	STYPE = @extschema@.ml_state,
	FINALFUNC = mlaas.fit_final,
	FINALFUNC_MODIFY = READ_WRITE,
	COMBINEFUNC = mlaas.fit_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.ml_fit(text, jsonb, text, VARIADIC float8[]) IS
'Trains a classifier on the rows of a group: algorithm (see ml_algorithms, or ''auto''), parameters as JSON, the class (a boolean or number cast to text), then the features in order. Otherwise like ml_fit with a numeric target. Errors besides: fewer than two classes, more than 1000.';

CREATE FUNCTION mlaas.fit_rows(internal, text, jsonb, text, record)
RETURNS internal LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'ml_fit_rows';
COMMENT ON FUNCTION mlaas.fit_rows(internal, text, jsonb, text, record) IS 'adds a whole row to a state of ml_fit';

CREATE FUNCTION mlaas.fit_rows_final(internal)
RETURNS @extschema@.ml_model LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'ml_fit_rows_final';
COMMENT ON FUNCTION mlaas.fit_rows_final(internal) IS 'the model of a state of ml_fit over whole rows; NULL without rows';

CREATE AGGREGATE @extschema@.ml_fit(algorithm text, params jsonb, target text, "row" record) (
	SFUNC = mlaas.fit_rows,
	STYPE = internal,
	FINALFUNC = mlaas.fit_rows_final,
	FINALFUNC_MODIFY = READ_WRITE
);
COMMENT ON AGGREGATE @extschema@.ml_fit(text, jsonb, text, record) IS
'Trains a model on whole rows of mixed types: algorithm (or ''auto''), parameters as JSON, the name of the target column, the row. Every other column of the row is a feature, known by its name. All rows are training rows; those whose target is NULL are skipped. It has no partial form: rows travel to one process. NULL without rows. Errors: 42703 no such column; else as for ml_fit with a numeric target.';

CREATE FUNCTION mlaas.one_pass_trans(@extschema@.ml_state, boolean, VARIADIC "any")
RETURNS @extschema@.ml_state LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ml_one_pass_trans';
COMMENT ON FUNCTION mlaas.one_pass_trans(@extschema@.ml_state, boolean, "any") IS 'adds a row to a state of mlaas.one_pass';

CREATE AGGREGATE mlaas.one_pass(weighted boolean, VARIADIC "any") (
	SFUNC = mlaas.one_pass_trans,
	STYPE = @extschema@.ml_state,
	COMBINEFUNC = mlaas.fit_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlaas.one_pass(boolean, VARIADIC "any") IS
'What ml_train runs for learners of one pass: features, target and (when weighted) weight, reduced to a mergeable state.';
