-- What README.md has to say about the extension, as "what|text": one line each, to the letter.

-- A signature as the reference writes it: without results, types by their short names.
CREATE FUNCTION pg_temp.signature(function oid) RETURNS text LANGUAGE sql AS $$
	SELECT replace(replace(replace(
			regexp_replace(regexp_replace(pg_get_function_arguments(function), '(, )?OUT .*', ''), '::(double precision|[a-z]+)(\[\])?', '', 'g'),
			' DEFAULT ', ' = '), 'double precision', 'float8'), 'integer', 'int')
$$;

CREATE TEMP VIEW functions AS
SELECT p.oid, p.proname AS name, n.nspname AS schema, pg_temp.signature(p.oid) AS arguments, p.proargnames[1] AS first_name,
	   -- those that types and aggregates are made of: nobody calls them by hand
	   p.pronargs > 0 AND (p.proargnames IS NULL OR p.proargtypes[0] = 'ml_state'::regtype) AS support
FROM pg_depend d
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'mlaas'
JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE d.deptype = 'e' AND n.nspname <> 'mlaas'
  -- ml_fit for a fixed number of features is the variadic form by another way
  AND NOT (p.proname = 'ml_fit' AND 'x1' = ANY (p.proargnames));

-- Functions: those of support by name, metrics by name, by the forms they share and by what may stand behind, others whole.
SELECT DISTINCT 'function', '`' || name || '`' FROM functions WHERE support OR first_name = 'actual'
UNION
SELECT 'form of a metric', '`(' || array_to_string((string_to_array(arguments, ', '))[:2], ', ') || ')`'
FROM functions WHERE NOT support AND first_name = 'actual'
UNION
SELECT 'behind a metric', '`' || unnest((string_to_array(arguments, ', '))[3:]) || '`'
FROM functions WHERE NOT support AND first_name = 'actual'
UNION
SELECT 'signature', '`' || CASE schema WHEN 'mlaas_api' THEN 'mlaas_api.' ELSE '' END || name || '(' || arguments || ')'
FROM functions WHERE NOT support AND first_name IS DISTINCT FROM 'actual'
ORDER BY 2;

-- Algorithms and their parameters.
SELECT 'algorithm', format('| `%s` | %s | %s |', name, array_to_string(tasks, ', '), description) FROM ml_algorithms();
SELECT 'parameter', format('| `%s` | `%s` | %s | `%s` | %s | %s |', a.name, p.name, p.type, coalesce(p.default_value, 'null'),
	   CASE WHEN p.choices IS NOT NULL THEN array_to_string(p.choices, ', ')
			WHEN p.type = 'boolean' THEN 'true, false'
			ELSE concat_ws(', ', CASE WHEN p.min_exclusive THEN '> ' ELSE '≥ ' END || p.min,
						   '≤ ' || nullif(p.max, 1.7976931348623157e308)) END,
	   p.description)
FROM ml_algorithms() a, ml_params(a.name) p;

-- Settings, views and their defaults.
LOAD 'mlaas';
SELECT 'setting', format('| `%s` | `%s` |', name, current_setting(name)) FROM pg_settings WHERE name LIKE 'mlaas.%';
SELECT 'view', format('`%s.%s`', schemaname, viewname) FROM pg_views WHERE schemaname IN ('mlaas', 'mlaas_api');
