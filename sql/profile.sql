-- What a source is like before anything is learned from it (src/pg/profile.c).

CREATE FUNCTION ml_profile(source text, target text DEFAULT NULL, OUT column_name text, OUT type text, OUT kind text,
						   OUT rows bigint, OUT nulls bigint, OUT "distinct" bigint, OUT min text, OUT max text,
						   OUT mean float8, OUT sd float8, OUT skew float8, OUT quantiles float8[], OUT top jsonb,
						   OUT histogram bigint[], OUT warnings text[])
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 20
AS 'MODULE_PATHNAME', 'ml_profile';
COMMENT ON FUNCTION ml_profile(text, text) IS
'The columns of a source, one row each: type; kind, what a training would take it for (number, category, vector; NULL: it cannot be a feature); rows, NULLs, distinct values; of numbers min and max as text of the type, mean, standard deviation, skewness, the quantiles 0.05, 0.25, 0.5, 0.75 and 0.95, and how many rows are in ten bins of equal width from min to max (times in seconds since 1970); top: the five most frequent values; warnings: constant, like an identifier, nearly all NULL, NaN or infinite, more categories than are kept, and with a target: a column that alone explains almost all of it, as one does that is known only afterwards.
source: as for ml_train. All columns are read into memory, within mlaas.max_memory; every figure is exact; mean, sd, skew, quantiles and histogram in double precision. distinct, min, max and top of bigint and numeric tell numbers of any length apart, where they have more than 15 digits at 16 bytes more a bigint, as text for a numeric. Errors: as for ml_train.';

CREATE FUNCTION ml_correlation(source text, OUT column_name text, OUT other text, OUT rows bigint, OUT pearson float8, OUT spearman float8)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000 ROWS 100
AS 'MODULE_PATHNAME', 'ml_correlation_of';
COMMENT ON FUNCTION ml_correlation(text) IS
'Every pair of columns of numbers of a source: the rows where both have a finite value, Pearson''s correlation of the values and Spearman''s, that of their ranks. NULL where a side is constant. source and errors: as for ml_profile.';
